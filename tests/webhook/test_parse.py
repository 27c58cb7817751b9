import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtms_engine.errors import WebhookRejected
from rtms_engine.model import products
from rtms_engine.model.signals import (
    ConcurrencyLimited,
    ConcurrencyNearLimit,
    Ignored,
    StartFailed,
    StreamInterrupted,
    StreamStarted,
    StreamStopped,
    Unusable,
    UrlValidation,
)
from rtms_engine.webhook.parse import parse
from tests.webhook.vectors import BODY, MEETING_UUID, PLAIN_TOKEN, STREAM_ID, body_of

RECEIVED_MS = 1626230692000
STARTED = {"meeting_uuid": MEETING_UUID, "rtms_stream_id": STREAM_ID, "server_urls": "wss://127.0.0.1:443"}


def signal(event, payload, **envelope):
    return parse(body_of(event, payload, **envelope), "app", RECEIVED_MS)


def started(**changes):
    return signal("meeting.rtms_started", STARTED | changes)


# --- starts (V1.md §1.9.1) ---


def test_the_vector_of_the_specification():
    assert parse(BODY, "app", RECEIVED_MS) == StreamStarted(
        app="app",
        product=products.MEETING,
        entity_id=MEETING_UUID,
        stream_id=STREAM_ID,
        server_urls=("wss://127.0.0.1:443",),
        event_ts_ms=1626230691572,
        operator_id="30R7kT7bTIKSNUFEuH_Qlg",
    )


def test_every_field_that_zoom_sends():
    payload = STARTED | {
        "account_id": "AAAAAABBBB",
        "meeting_id": 1234567890,
        "operator_id": "30R7kT7bTIKSNUFEuH_Qlg",
        "is_original_host": True,
        "session_key": "my-key",
        "signature": "ignored",
        "host_id": "ignored",
    }
    start = signal("meeting.rtms_started", payload)
    assert (
        start.account_id,
        start.meeting_id,
        start.operator_id,
        start.is_original_host,
        start.session_key,
    ) == (
        "AAAAAABBBB",
        "1234567890",
        "30R7kT7bTIKSNUFEuH_Qlg",
        True,
        "my-key",
    )


@pytest.mark.parametrize(
    ("event", "product"),
    [
        ("meeting.rtms_started", products.MEETING),
        ("meeting.rtms.started", products.MEETING),
        ("webinar.rtms_started", products.WEBINAR),
        ("session.rtms_started", products.SESSION),
        ("contact_center.voice_rtms_started", products.CONTACT_CENTER_VOICE),
        ("contactcenter.rtms_started", products.CONTACT_CENTER_VOICE),
        ("contact_center.rtms_started", products.CONTACT_CENTER_VOICE),
        ("contactcenter.voice_rtms_started", products.CONTACT_CENTER_VOICE),
        ("phone.rtms_started", products.PHONE),
        ("phone.call_rtms_started", products.PHONE),
    ],
)
def test_products_and_their_spellings(event, product):
    payload = {product.id_field: "id/+==", "rtms_stream_id": "s", "server_urls": "wss://z:443"}
    start = signal(event, payload)
    assert isinstance(start, StreamStarted)
    assert (start.product, start.entity_id) == (product, "id/+==")


@pytest.mark.parametrize("place", range(len(products.ID_FIELDS)))
def test_ids_are_taken_in_zooms_order_whichever_the_product(place):
    payload = {"rtms_stream_id": "s", "server_urls": "wss://z:443"}
    payload |= {field: field for field in reversed(products.ID_FIELDS[place:])}
    assert signal("webinar.rtms_started", payload).entity_id == products.ID_FIELDS[place]


def test_fields_in_payload_object():
    start = signal("meeting.rtms_started", {"account_id": "A", "object": STARTED})
    assert (start.account_id, start.entity_id, start.stream_id) == ("A", MEETING_UUID, STREAM_ID)


def test_flat_fields_go_before_nested_ones():
    start = started(meeting_id=1, object={"meeting_id": 2, "account_id": "nested"}, account_id=None)
    assert (start.meeting_id, start.account_id) == ("1", "nested")


@pytest.mark.parametrize(
    ("server_urls", "expected"),
    [
        ("wss://a:443", ("wss://a:443",)),
        ("srt://a:1, wss://b:443 ,", ("wss://b:443",)),
        (["ws://a", "wss://b"], ("wss://b", "ws://a")),
        ([{"url": "wss://a"}], ("wss://a",)),
        ({"signaling": "wss://a", "other": 5}, ("wss://a",)),
    ],
)
def test_shapes_of_server_urls(server_urls, expected):
    assert started(server_urls=server_urls).server_urls == expected


@pytest.mark.parametrize(
    ("event_ts", "expected_ms"),
    [
        (1626230691572, 1626230691572),
        ("1626230691572", 1626230691572),
        (1626230691, 1626230691000),
        (None, RECEIVED_MS),
        (-1, RECEIVED_MS),
        ("soon", RECEIVED_MS),
        (True, RECEIVED_MS),
        (10**18, RECEIVED_MS),
    ],
)
def test_event_ts_is_in_milliseconds(event_ts, expected_ms):
    assert signal("meeting.rtms_started", STARTED, event_ts=event_ts).event_ts_ms == expected_ms


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"rtms_stream_id": None}, "rtms_stream_id"),
        ({"rtms_stream_id": True}, "rtms_stream_id"),
        ({"meeting_uuid": ""}, "meeting_uuid"),
        ({"server_urls": None}, "server_urls"),
        ({"server_urls": "https://a"}, "server_urls"),
        ({"server_urls": 5, "meeting_uuid": [], "rtms_stream_id": {}}, "meeting_uuid, rtms_stream_id, a wss"),
    ],
)
def test_a_start_that_leads_nowhere_is_unusable_and_says_why(changes, missing):
    unusable = started(**changes)
    assert isinstance(unusable, Unusable)
    assert (unusable.app, unusable.event) == ("app", "meeting.rtms_started")
    assert missing in unusable.why


# --- what comes later (V1.md §1.9.2, §1.9.3) ---


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [(6, 6), ("6", 6), (None, 0), (99, 99), ("STOP_BC_MEETING_ENDED", 6), ("nonsense", 0), ([6], 0)],
)
def test_stop_reasons(stop_reason, expected):
    payload = {"rtms_stream_id": STREAM_ID, "meeting_id": 1, "stop_reason": stop_reason}
    assert signal("meeting.rtms_stopped", payload) == StreamStopped(
        "app", products.MEETING, "", STREAM_ID, 1626230691572, expected
    )


@pytest.mark.parametrize(("urls", "expected"), [({}, ()), ({"server_urls": "wss://new"}, ("wss://new",))])
def test_interruptions(urls, expected):
    payload = {"meeting_uuid": MEETING_UUID, "rtms_stream_id": STREAM_ID, **urls}
    assert signal("meeting.rtms_interrupted", payload) == StreamInterrupted(
        "app", products.MEETING, MEETING_UUID, STREAM_ID, 1626230691572, expected
    )


@pytest.mark.parametrize("event", ["meeting.rtms_stopped", "meeting.rtms_interrupted"])
def test_without_a_stream_id_they_are_unusable(event):
    assert isinstance(signal(event, {"meeting_uuid": MEETING_UUID}), Unusable)


# --- the account (V1.md §1.9.4, §1.9.5) ---


def test_near_limit():
    payload = {"concurrency_limit": 2000, "concurrency_number": "1601", "percentage": 80}
    assert signal("rtms.concurrency_near_limit", payload) == ConcurrencyNearLimit(
        "app", 1626230691572, limit=2000, number=1601, percentage=80
    )


@pytest.mark.parametrize("field", ["meeting_uuid", "webinar_uuid", "session_id"])
def test_limited(field):
    payload = {"operator_id": "O", "concurrency_number": 2001, "id_field": {field: "E"}}
    assert signal("rtms.concurrency_limited", payload) == ConcurrencyLimited(
        "app", 1626230691572, number=2001, entity_id="E", operator_id="O"
    )


@pytest.mark.parametrize("payload", [{}, {"id_field": "odd"}])
def test_limited_with_less_than_promised(payload):
    assert signal("rtms.concurrency_limited", payload) == ConcurrencyLimited("app", 1626230691572, 0, "")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"reason": "a", "message": "b"}, "a"),
        ({"error_message": "c"}, "c"),
        ({"message": "b"}, "b"),
        ({}, ""),
    ],
)
def test_start_failed(payload, reason):
    assert signal("rtms.start_failed", payload) == StartFailed("app", 1626230691572, reason)


def test_url_validation():
    challenge = signal("endpoint.url_validation", {"plainToken": PLAIN_TOKEN})
    assert challenge == UrlValidation(PLAIN_TOKEN)


# --- what is not ours, and what is nothing at all ---


@pytest.mark.parametrize(
    "event",
    ["meeting.started", "meeting.rtms_paused", "rtms.request_status", "rtms_started", ""],
)
@pytest.mark.parametrize("payload", [{}, None, [], "text"])
def test_unknown_events_are_ignored_whatever_they_carry(event, payload):
    ignored = signal(event, payload)
    assert isinstance(ignored, Ignored)
    assert ignored.event == event


def test_v2_events_are_ignored():
    ignored = parse(b'{"event_code": 1234, "payload": {}}', "app", RECEIVED_MS)
    assert ignored == Ignored("event_code 1234", "an event of protocol V2")


def test_the_name_of_an_unknown_event_is_cut_short():
    assert len(signal("x" * 10_000, {}).event) == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"event=meeting", "not JSON", id="form"),
        pytest.param(b'{"event":"\xff"}', "not JSON", id="not UTF-8"),
        pytest.param(b'{"event":"\\ud800"}', "not JSON", id="half a character"),
        pytest.param(b'{"n":' + b"9" * 10_000 + b"}", "not JSON", id="endless number"),
        pytest.param(b"[" * 100_000, "not JSON", id="abyss"),
        pytest.param(b'{"a":' * 900 + b"1" + b"}" * 900, "nested too deeply", id="deep"),
        pytest.param(
            b'{"event":"a","b":' + b"[" * 16 + b"]" * 16 + b"}", "nested too deeply", id="17 levels"
        ),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b"null", "not a JSON object", id="null"),
        pytest.param(b"{}", "event is missing", id="no event"),
        pytest.param(b'{"event":5}', "event is missing", id="event a number"),
        pytest.param(
            b'{"event":"meeting.rtms_started","payload":[]}', "payload is not an object", id="payload"
        ),
        pytest.param(b'{"event":"endpoint.url_validation"}', "plainToken is missing", id="no token"),
    ],
)
def test_what_is_no_webhook_is_refused(body, reason):
    with pytest.raises(WebhookRejected) as refused:
        parse(body, "app", RECEIVED_MS)
    assert (refused.value.status, refused.value.reason) == (400, reason)


def test_as_deep_as_is_read():
    body = b'{"event":"a","b":' + b"[" * 15 + b"]" * 15 + b"}"
    assert isinstance(parse(body, "app", RECEIVED_MS), Ignored)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
EVENTS = st.sampled_from(
    [
        "meeting.rtms_started",
        "phone.rtms_stopped",
        "session.rtms_interrupted",
        "endpoint.url_validation",
        "rtms.concurrency_limited",
        "rtms.concurrency_near_limit",
        "rtms.start_failed",
        "other",
    ]
)
KEYS = st.sampled_from(
    [
        *products.ID_FIELDS,
        *["rtms_stream_id", "server_urls", "object", "stop_reason", "id_field", "plainToken"],
        *["concurrency_number", "reason", "is_original_host", "meeting_id"],
    ]
)


def read_or_refused(body):
    """Whether nothing but a refusal with 400 was raised."""
    try:
        parse(body, "app", RECEIVED_MS)
    except WebhookRejected as refused:
        return refused.status == 400
    return True


@given(event=EVENTS | JSON, payload=st.dictionaries(KEYS, JSON) | JSON, event_ts=JSON)
def test_any_json_is_read_or_refused(event, payload, event_ts):
    assert read_or_refused(json.dumps({"event": event, "payload": payload, "event_ts": event_ts}).encode())


@given(st.binary())
@example(b'{"event":"\\udc00x","event_ts":1}')
@example(b'\xef\xbb\xbf{"event":"meeting.rtms_started"}')
def test_any_bytes_are_read_or_refused(body):
    assert read_or_refused(body)
