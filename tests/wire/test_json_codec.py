"""Bytes to messages: the tolerance of V1.md Appendix C, line by line, and what no input may do."""

import base64
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtms_engine.model.reasons import MessageType
from rtms_engine.wire.json_codec import _decode_any, decode, encode, milliseconds
from rtms_engine.wire.messages import (
    AudioData,
    ChatData,
    DataHandshakeResponse,
    EventUpdate,
    KeepAliveRequest,
    KeepAliveResponse,
    Malformed,
    MediaContent,
    MetaData,
    SessionStateUpdate,
    SignalingHandshakeResponse,
    StreamStateUpdate,
    TranscriptData,
    Unknown,
    VideoSubscriptionResponse,
)
from tests.wire.strategies import JSON, MESSAGE, unhurried

T = 1727384349123


def read(**message):
    return decode(json.dumps(message).encode())


def audio(**content):
    return read(
        msg_type=14, content={"user_id": 16778240, "timestamp": T, "data": "AAECAw==", **content}
    ).content


# --- frames, unknown things ---


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\x00\x01\x02",
        b"\xff\xfe",
        b'{"msg_type":',
        b"nonsense",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_json_is_malformed(data):
    """Binary media has never been seen; if it comes, it is counted and dropped (V1.md §3.1)."""
    assert isinstance(decode(data), Malformed)


@pytest.mark.parametrize("data", [b"1", b"null", b'"x"', b"[]", b"[{}]", b"true"])
def test_what_is_no_object_is_malformed(data):
    assert decode(data) == Malformed("not a JSON object")


@pytest.mark.parametrize("msg_type", [0, 30, 99, -5, 10**9])
def test_an_unknown_type_keeps_its_number_and_its_fields(msg_type):
    assert read(msg_type=msg_type, a=1) == Unknown(msg_type, {"a": 1})


@pytest.mark.parametrize("msg_type", [None, True, 1.5, "", "?", "--8", "-", "1e3", [], {}, [8], "8" * 5000])
def test_a_type_that_cannot_be_read(msg_type):
    assert read(msg_type=msg_type, a=1) == Unknown(-1, {"a": 1})


def test_what_malformed_says_holds_nothing_of_the_content():
    """Logs never hold what people said."""
    malformed = decode(b'{"msg_type": 14, "content": "secret words" oops}')
    assert isinstance(malformed, Malformed)
    assert "secret" not in malformed.why


# --- integers as strings, names and floats ---


@pytest.mark.parametrize("msg_type", [8, 8.0, "8", " 8 ", "STREAM_STATE_UPDATE", "stream_state_update"])
@pytest.mark.parametrize("state", [4, 4.0, "4", "TERMINATED", "STREAM_STATE_TERMINATED", "Terminated"])
@pytest.mark.parametrize("reason", [6, "6", "MEETING_ENDED", "STOP_BC_MEETING_ENDED", "meeting ended"])
def test_numbers_in_every_spelling(msg_type, state, reason):
    """Integers, numeric strings, names (V1.md §0.2)."""
    assert read(msg_type=msg_type, state=state, reason=reason) == StreamStateUpdate(state=4, reason=6)


@pytest.mark.parametrize("key", ["reason", "stop_reason"])
def test_reason_and_stop_reason_mean_the_same(key):
    """In 8 and in 9 (V1.md §5.5, §5.6)."""
    assert read(msg_type=8, state=4, **{key: 6}).reason == 6
    assert read(msg_type=9, state=5, **{key: 6}).stop_reason == 6


@pytest.mark.parametrize("reason", [None, "", "SOMETHING_NEW", [], {}, 1.5])
def test_a_reason_that_cannot_be_read_is_none(reason):
    assert read(msg_type=8, state=4, reason=reason) == StreamStateUpdate(state=4)


@pytest.mark.parametrize("state", [7, 99, "77"])
def test_an_unknown_state_keeps_its_number(state):
    assert read(msg_type=8, state=state).state == int(state)


@pytest.mark.parametrize("state", [None, "SLEEPING", [], {}])
def test_a_state_update_without_a_state_is_malformed(state):
    assert isinstance(read(msg_type=8, state=state), Malformed)


@pytest.mark.parametrize("key", ["rtms_session_id", "session_id"])
@pytest.mark.parametrize("msg_type", [9, 11])
def test_the_session_has_two_names(msg_type, key):
    assert read(msg_type=msg_type, state=2, **{key: "X"}).rtms_session_id == "X"


@pytest.mark.parametrize(
    "status",
    [{"status_code": 0}, {"status_code": "0"}, {"status_code": "STATUS_OK"}, {"status": "OK"}, {"status": 0}],
)
@pytest.mark.parametrize("msg_type", [2, 4, 22, 29])
def test_the_status_in_every_spelling(msg_type, status):
    assert read(msg_type=msg_type, **status).status_code == 0


@pytest.mark.parametrize("reason", [None, "", [], {}])
def test_a_status_needs_no_reason(reason):
    assert read(msg_type=2, status_code=3, reason=reason).reason == ""


# --- the answers to handshakes ---


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({"media_server": {"server_urls": {"all": "wss://x"}}}, {"all": "wss://x"}),
        ({"media_server": {"server_urls": "wss://x"}}, "wss://x"),
        ({"media_server": {"server_urls": ["wss://x"]}}, ["wss://x"]),
        ({"media_server": "wss://x"}, "wss://x"),
        ({"media_urls": {"all": "wss://x"}}, {"all": "wss://x"}),
        ({"media_server": {"server_urls": None}, "media_urls": {"all": "wss://x"}}, {"all": "wss://x"}),
        ({"server_urls": "wss://x"}, "wss://x"),
        ({}, None),
    ],
)
def test_the_addresses_in_every_place(fields, urls):
    """V1.md §3.2."""
    answer = read(msg_type=2, status_code=0, **fields)
    assert isinstance(answer, SignalingHandshakeResponse)
    assert answer.media_server.server_urls == urls


@pytest.mark.parametrize("key", ["payload_encrypted", "payload_encryption"])
@pytest.mark.parametrize(("value", "encrypted"), [(True, True), (False, False), (None, False), ("?", False)])
def test_the_flag_of_encryption_has_two_names(key, value, encrypted):
    assert read(msg_type=4, status_code=0, **{key: value}).payload_encrypted is encrypted


@pytest.mark.parametrize("params", [None, [], "none", 7])
def test_effective_parameters_may_be_absent(params):
    assert read(msg_type=4, status_code=0, media_params=params) == DataHandshakeResponse(status_code=0)


# --- statuses outside of any answer (V1.md §12, Q20) ---


@pytest.mark.parametrize("msg_type", [1, 3, 5, 7, 10, 19, 20, 21, 28, 30, 99])
def test_a_status_is_not_lost(msg_type):
    """Whatever message carries it, and whatever else that message holds."""
    fields = {"status_code": 41, "rtms_stream_id": "S", "rtms_session_id": "X", "events": [], "state": 1}
    assert read(msg_type=msg_type, **fields) == Unknown(msg_type, fields)


def test_an_answer_with_a_good_status_is_an_answer():
    assert read(msg_type=20, status_code=0, state=1).state == 1


# --- events ---


@pytest.mark.parametrize(
    "message",
    [
        {"event": {"event_type": 6, "timestamp": T}},
        {"event": {"event_type": 6, "timestamp": T, "user_id": None}},
        {"event_type": 6, "timestamp": T},
    ],
)
def test_an_event_is_nested_or_flat(message):
    assert read(msg_type=6, **message) == EventUpdate(event={"event_type": 6, "timestamp": T})


# --- media ---


def test_content_is_an_object_a_string_or_absent():
    """V1.md §6.1."""
    rest = {"user_id": 16778240, "user_name": "J", "timestamp": T}
    means = AudioData(content=MediaContent(data=b"\0\1\2\3", user_id=16778240, timestamp=T, user_name="J"))
    assert read(msg_type=14, content={"data": "AAECAw==", **rest}) == means
    assert read(msg_type=14, content="AAECAw==", **rest) == means
    assert read(msg_type=14, data="AAECAw==", **rest) == means


def test_keys_beside_content_fill_what_content_lacks():
    assert read(msg_type=14, user_id=5, content={"data": "AAAA", "timestamp": T}).content.user_id == 5
    assert read(msg_type=14, user_id=5, content={"data": "AAAA", "user_id": 6}).content.user_id == 6


@pytest.mark.parametrize(
    ("data", "means"),
    [
        ("AAECAw==", b"\0\1\2\3"),
        ("AAECAw", b"\0\1\2\3"),
        ("AAEC\nAw==", b"\0\1\2\3"),
        ("data:audio/l16;base64,AAECAw==", b"\0\1\2\3"),
        ("", b""),
        (None, b""),
        ([], b""),
        ({}, b""),
    ],
)
def test_base64_is_forgiven_much(data, means):
    """A ``data:`` prefix, missing padding, line breaks; what is missing is empty."""
    assert audio(data=data).data == means


def test_base64_that_is_none_is_malformed():
    assert isinstance(read(msg_type=14, content="A"), Malformed)


@pytest.mark.parametrize("user_id", [16778240, "16778240", 16778240.0])
def test_user_ids(user_id):
    assert audio(user_id=user_id).user_id == 16778240


@pytest.mark.parametrize("user_id", [None, "", "x", -1, [], {}, "9" * 400, 10**30, True])
def test_a_user_id_that_cannot_be_read_is_nobody(user_id):
    assert audio(user_id=user_id).user_id == 0


@pytest.mark.parametrize(("channel_id", "means"), [("7", "7"), (7, "7"), (None, ""), ([], "")])
def test_channel_ids(channel_id, means):
    assert audio(channel_id=channel_id).channel_id == means


@pytest.mark.parametrize(
    ("length", "means"), [(640, 640), ("640", 640), (640.0, 640), (None, None), ("?", None)]
)
def test_lengths(length, means):
    assert audio(length=length).length == means


@pytest.mark.parametrize("junk", [None, [], {}, [[]], {"a": {}}, True, -1, 1.5, "x", 10**30], ids=str)
@pytest.mark.parametrize("key", ["user_id", "user_name", "timestamp", "length", "channel_id", "extra"])
@pytest.mark.parametrize("msg_type", [14, 15, 16])
def test_junk_in_one_field_costs_no_frame(msg_type, key, junk):
    """Lists and objects included, which cannot be keys of a dictionary."""
    content = {"user_id": 16778240, "timestamp": T, "data": "AAECAw==", key: junk}
    assert read(msg_type=msg_type, content=content).content.data == b"\0\1\2\3"


@pytest.mark.parametrize("junk", [None, [], {}, True, -1, 1.5, "x", 10**30], ids=str)
@pytest.mark.parametrize(
    "key",
    ["user_id", "user_name", "timestamp", "start_time", "end_time", "language", "attribute", "sentence_id"],
)
def test_junk_in_one_field_costs_no_transcript(key, junk):
    transcript = read(msg_type=17, content={"data": "Hello", "user_id": 1, "timestamp": T, key: junk})
    assert isinstance(transcript, TranscriptData)
    assert transcript.content.data == "Hello"


@pytest.mark.parametrize("junk", [None, [], {}, True, -1, 1.5, "x", 10**30, [[]], [{}]], ids=str)
@pytest.mark.parametrize(
    "key",
    [
        "timestamp",
        "operation_type",
        "message_id",
        "chat_session",
        "sender",
        "receiver",
        "files",
        "delete_file_id_list",
    ],
)
def test_junk_in_one_field_costs_no_chat(key, junk):
    chat = read(msg_type=18, content={"data": "Hello", "timestamp": T, key: junk})
    assert isinstance(chat, ChatData)
    assert chat.content.data == "Hello"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Hello", "Hello"),
        ('{"text": "Hello"}', "Hello"),
        ('{"message": "Hello"}', "Hello"),
        ({"text": "Hello"}, "Hello"),
        ({"text": 5}, '{"text":5}'),
        ({"n": 10**30}, '{"n":1000000000000000000000000000000}'),
        ("{not json", "{not json"),
        ('{"text": ' * 2000, '{"text": ' * 2000),
        ("", ""),
        ([], ""),
        (7, "7"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_text_of_a_chat(data, text):
    """Text, or an object, or a JSON string of one (V1.md §6.7)."""
    assert read(msg_type=18, content={"data": data, "timestamp": T}).content.data == text


def test_chat_sender_in_two_places():
    inside = read(msg_type=18, content={"data": "x", "sender": {"user_id": "5", "user_name": "A"}})
    beside = read(msg_type=18, content={"data": "x", "user_id": 5, "user_name": "A"})
    assert inside == beside
    assert inside.content.sender == {"user_id": 5, "user_name": "A"}


# --- the rest ---


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (T, T),
        (str(T), T),
        (float(T), T),
        (1694204592, 1694204592000),
        ("1694204592", 1694204592000),
        (10**11, 10**11),
        (10**11 - 1, (10**11 - 1) * 1000),
        (0, 0),
        (-5, 0),
        (None, 0),
        ("soon", 0),
        ([], 0),
    ],
)
def test_seconds_become_milliseconds(value, ms):
    """Below 10^11 (V1.md §5.7)."""
    assert milliseconds(value) == ms
    assert read(msg_type=9, state=2, timestamp=value) == SessionStateUpdate(state=2, timestamp=ms)


def test_every_key_of_a_keep_alive_is_kept():
    """They are echoed as they are (V1.md §5.1), null and nested ones included."""
    fields = {"timestamp": T, "sequence": 7, "x": None, "y": {"z": [1.5, "é"]}}
    assert read(msg_type=12, **fields) == KeepAliveRequest(fields)
    assert json.loads(encode(KeepAliveResponse(fields))) == {"msg_type": 13, **fields}


def test_meta_data_is_kept_unread():
    assert read(msg_type=24, a=None) == MetaData(24, {"a": None})


def test_a_video_subscription_answer_without_its_user():
    assert read(msg_type=29, status_code=44) == VideoSubscriptionResponse(status_code=44)


def test_a_malformed_message_cannot_be_sent():
    with pytest.raises(TypeError):
        encode(Malformed("why"))


@pytest.mark.parametrize(
    "message", [Unknown(99, {"a": 1}), MetaData(23, {"a": 1}), KeepAliveRequest({"a": 1})]
)
def test_the_simulator_can_say_what_we_cannot_read(message):
    assert decode(encode(message)) == message


# --- fuzz ---


@unhurried
@given(st.binary(max_size=200))
@example(b'{"msg_type":"--1"}')
@example(b'{"msg_type":2,"status_code":0,"reason":' + b"1" * 5000 + b"}")
@example(b'{"msg_type":18,"content":{"data":{"n":' + b"1" * 5000 + b"}}}")
@example(b'{"msg_type":14,"content":"\\ud800"}')
def test_no_bytes_can_raise(data):
    assert decode(data) is not None


@unhurried
@given(JSON)
def test_no_json_can_raise(value):
    assert decode(msgspec.json.encode(value) if _small(value) else json.dumps(value).encode()) is not None


@unhurried
@given(MESSAGE)
@example({"msg_type": 12, "timestamp": 10**30})
@example({"msg_type": 8, "state": "--1"})
@example({"msg_type": 14, "content": {"user_id": "--1", "data": "AAAA"}})
def test_no_message_can_raise(message):
    """Of any type, with any junk in any field."""
    got = decode(json.dumps(message).encode())
    if isinstance(got, KeepAliveRequest):
        encode(KeepAliveResponse(got.fields))


def _small(value):
    try:
        msgspec.json.encode(value)
    except OverflowError:
        return False
    return True


def test_all_message_types_are_known():
    """Every number of V1.md §9.1 is read as something of its own."""
    for number in MessageType:
        got = read(msg_type=int(number))
        assert not isinstance(got, Unknown) or got.msg_type == number == MessageType.UNDEFINED


# --- large media: the payload is cut out ---

LARGE = bytes(range(256)) * 12
LARGE_TEXT = base64.b64encode(LARGE).decode()
PADDING = "x" * 3_000
"""Makes any message large."""


def the_long_way(data):
    """What it means, whatever its size."""
    return _decode_any(data)


@pytest.mark.parametrize(
    "separators", [(",", ":"), (", ", ": "), (",\n", " : "), (",", ":\t "), (",", ":  ")]
)
@pytest.mark.parametrize("msg_type", [14, 15, 16])
@pytest.mark.parametrize("last", [False, True])
def test_large_media(separators, msg_type, last):
    """However it is spaced, and wherever the payload stands."""
    content = {"user_id": 7, "data": LARGE_TEXT, "user_name": 'A "data":" B', "timestamp": T, "length": 3072}
    if last:
        content["data"] = content.pop("data")
    data = json.dumps({"msg_type": msg_type, "content": content}, separators=separators).encode()
    message = decode(data)
    assert message.content == MediaContent(
        data=LARGE, user_id=7, timestamp=T, user_name='A "data":" B', length=3072
    )
    assert type(message) is type(the_long_way(data))


@pytest.mark.parametrize(
    "data",
    [
        LARGE_TEXT.replace("/", "\\/"),
        LARGE_TEXT.replace("A", "\\u0041"),
        LARGE_TEXT[:-1],
        LARGE_TEXT[:-2],
        LARGE_TEXT + "=",
        LARGE_TEXT[:2000] + " " + LARGE_TEXT[2000:],
        LARGE_TEXT[:2000] + "é" + LARGE_TEXT[2000:],
        LARGE_TEXT[:2000] + "==" + LARGE_TEXT[2000:],
        LARGE_TEXT[:2001] + "=" + LARGE_TEXT[2001:],
        "data:audio/x;base64," + LARGE_TEXT,
        "QUJD" * 600 + "QR==",
        "QUJD" * 600 + "QUF=",
        "====" + LARGE_TEXT,
    ],
)
def test_large_media_that_is_not_quite_base64(data):
    """The long way's tolerance holds for every size."""
    message = f'{{"msg_type":14,"content":{{"user_id":7,"timestamp":{T},"data":"{data}"}}}}'.encode()
    assert decode(message) == the_long_way(message)


@pytest.mark.parametrize(
    "text",
    [
        '{"msg_type":14,"data":"AAAA","padding":"%s","content":{"user_id":7,"timestamp":1,"data":""}}',
        '{"msg_type":14,"data":"AAAA","padding":"%s","content":{"user_id":7,"timestamp":1,"data":"QUJD"}}',
        '{"msg_type":14,"data":"AAAA","padding":"%s","content":{"user_id":7,"timestamp":1}}',
        '{"msg_type":14,"padding":"%s","content":{"a\\"data":"AAAA","user_id":7,"timestamp":1,"data":""}}',
        '{"msg_type":14,"padding":"%s","content":{"a\\"data":"AAAA","user_id":7,"timestamp":1,"data":"cut0"}}',
        '{"msg_type":14,"padding":"%s","content":{"data":"AAAA","user_id":7,"timestamp":1,"data":"QUJD"}}',
        '{"msg_type":14,"padding":"%s","content":{"data":null,"user_id":7,"timestamp":1}}',
        '{"msg_type":14,"padding":"%s","content":{"data":1,"user_id":"7","timestamp":1}}',
        '{"msg_type":14,"padding":"%s","content":{"data":{"data":"AAAA"},"user_id":7,"timestamp":1}}',
        '{"msg_type":14,"padding":"%s","content":{"d\\u0061ta":"AAAA","user_id":7,"timestamp":1}}',
        '{"msg_type":14,"padding":"%s","content":"AAAA"}',
        '{"msg_type":17,"padding":"%s","content":{"data":"AAAA","user_id":7,"timestamp":1}}',
        '{"msg_type":99,"padding":"%s","content":{"data":"AAAA","user_id":7,"timestamp":1}}',
        '{"msg_type":14,"padding":"%s","content":{"user_id":-1,"timestamp":1,"data":"AAAA"}}',
        '{"msg_type":14,"padding":"%s","content":{"user_id":7,"timestamp":1,"data":"AAAA',
        '{"msg_type":14,"padding":"%s","content":{"user_id":7,"timestamp":1,"data":"AAAA"',
        '{"msg_type":14,"padding":"%s","content":{"user_id":7,"timestamp":1,"data":',
        '{"msg_type":14,"padding":"%s","content":{"user_id":7,"timestamp":1 "data":"AAAA"}}',
        '{"msg_type":14,"padding":"%s","content":{"user_id":7,"timestamp":1,"":"" data":"AAAA"}}',
        '{"msg_type":14,"padding":"%s","content":{"user_id":7,"timestamp":1,"data":1"AAAA"}}',
    ],
)
def test_a_cut_never_changes_the_meaning(text):
    """Other keys of that name, other types, and what is no JSON."""
    data = (text % PADDING).encode()
    short = decode((text % "").encode())
    assert type(decode(data)) is type(short)
    if not isinstance(short, Malformed):
        assert msgspec.structs.replace(decode(data)) == msgspec.structs.replace(the_long_way(data))


@given(MESSAGE, st.text(st.sampled_from('AQz09+/=- "\\'), max_size=12))
@unhurried
def test_size_changes_nothing(message, tail):
    """Whatever a message holds, padding it with a key that means nothing does not change it."""
    content = message.get("content")
    if isinstance(content, dict):
        content["data"] = "QUJD" * 4 + tail
    padded = decode(json.dumps({**message, "padding": PADDING}).encode())
    plain = decode(json.dumps({**message, "padding": ""}).encode())
    assert type(padded) is type(plain)
    if isinstance(plain, AudioData):
        assert padded == plain
