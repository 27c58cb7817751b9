import json

import msgspec

from rtms_engine.capture.format import Kind, encode_signal
from rtms_engine.capture.overview import Gap, overview
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.model.products import MEETING
from rtms_engine.model.signals import StreamStopped

from .support import HEAD, audio, block_offsets, image, record, records


def seen(folder, data):
    path = folder / "x.rtmscap"
    path.write_bytes(data)
    with CaptureReader(path) as capture:
        return overview(capture)


def end(**said):
    return json.dumps(
        {"stop_reason": 6, "timestamp_ms": 0, "detail": "", "is_released": False, **said}
    ).encode()


WHOLE = [
    *records(20),
    record(102, Kind.CONNECTING, connection=2, data=b"wss://rtms.zoom.us"),
    record(102, Kind.FAILED, connection=2, data=b"connection refused"),
    record(104, Kind.CONNECTED, connection=3),
    record(105, connection=3, data=audio(99)),
    record(105, Kind.SENT, connection=3, data=b'{"msg_type":13}'),
    record(106, Kind.OMITTED, "", 0, b"3 messages are not here: the disk was too slow"),
    record(107, Kind.SIGNAL, "", 0, encode_signal(StreamStopped("a", MEETING, "M", "S", 1, 6))),
    record(107, Kind.REQUEST, "", 0, b"end"),
    record(107, Kind.CLOSING, connection=3, data=b"close"),
    record(107, Kind.LOST, connection=3, data=b"closed by us"),
    record(108, Kind.END, "", 0, end(detail="why")),
]


def test_what_is_in_it(tmp_path):
    one = seen(tmp_path, image(WHOLE))
    assert (one.stream_id, one.entity_id, one.began_ms) == ("STREAM", "MEETING==", HEAD.unix_ms)
    assert (one.duration_s, one.records, one.damages) == (8.0, len(WHOLE), [])
    assert one.ending == "MEETING_ENDED: why"
    (leg,) = one.legs
    assert (leg.connections, leg.failed, leg.connected_s) == (2, 1, 4.0)
    assert (leg.messages_in, leg.messages_out, leg.longest_silence_s) == (21, 1, 4.62)
    rows = [
        (row.direction, row.msg_type, row.name, row.messages, row.first_s, row.last_s) for row in one.messages
    ]
    assert rows == [("in", 14, "MEDIA_DATA_AUDIO", 21, 0.0, 5.0), ("out", 13, "KEEP_ALIVE_RESP", 1, 5.0, 5.0)]
    assert one.gaps == [Gap("audio", 1.0, 4.0, "lost without a close frame")]
    assert [happening.what for happening in one.happenings] == [
        "3 messages are not here: the disk was too slow",
        "webhook stopped: MEETING_ENDED",
        "asked to end",
    ]
    assert json.loads(msgspec.json.encode(one))["legs"][0]["leg"] == "audio"


def test_a_capture_that_was_cut(tmp_path):
    """What is whole counts, also within the last block; a connection that never came back is told."""
    data = image(WHOLE[:24])
    *_, last = block_offsets(data)
    one = seen(tmp_path, data[:-1])
    assert one.records == 23
    assert one.gaps == []
    assert one.ending == ""
    assert len(one.damages) == 1
    one = seen(tmp_path, data)
    assert one.gaps == [Gap("audio", 1.0, None, "lost without a close frame")]
    assert last


def test_only_summaries_are_read(tmp_path):
    """Damage in the messages is not met by looking; `records` would."""
    data = bytearray(image(WHOLE))
    data[-2] ^= 1
    assert seen(tmp_path, bytes(data)).damages == []


def test_a_release(tmp_path):
    assert (
        seen(tmp_path, image([*WHOLE[:-1], record(108, Kind.END, "", 0, end(is_released=True))])).ending
        == "released"
    )
    assert (
        seen(tmp_path, image([*WHOLE[:-1], record(108, Kind.END, "", 0, b"nonsense")])).ending == "unreadable"
    )
