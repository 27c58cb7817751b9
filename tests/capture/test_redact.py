import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.capture.redact import (
    msg_type_of,
    redact_message,
    redact_signal,
    redact_url,
    redact_urls,
    redact_value,
)
from rtms_engine.model.products import SESSION
from rtms_engine.model.signals import StreamInterrupted, StreamStarted, StreamStopped


def test_a_handshake_loses_its_signature_and_nothing_else():
    said = {"msg_type": 1, "meeting_uuid": "M==", "signature": "c0ffee", "sequence": 1}
    assert json.loads(redact_message(json.dumps(said).encode())) == {**said, "signature": "redacted"}


@pytest.mark.parametrize(
    "key",
    [
        "signature",
        "client_secret",
        "secretToken",
        "plainToken",
        "access_token",
        "passphrase",
        "password",
        "key",
        "session_key",
        "encryptionKey",
        "srt_passphrase",
        "Authorization",
        "cookie",
        "passcode",
        "keys",
        "iv",
        "salt",
    ],
)
def test_what_sounds_like_a_secret_is_one_at_any_depth(key):
    said = {"msg_type": 2, "media_server": [{key: "c0ffee"}, {key: ["c0ffee"]}, {key: 12345678}]}
    redacted = redact_message(json.dumps(said).encode())
    assert b"c0ffee" not in redacted
    assert b"12345678" not in redacted


@pytest.mark.parametrize(
    "key", ["user_name", "timestamp", "monkey", "key_frame", "status_code", "keep_alive", "reason"]
)
def test_what_does_not_is_kept(key):
    said = json.dumps({"msg_type": 6, key: "kept"}, indent=1).encode()
    assert redact_message(said) is said


def test_media_is_kept_byte_for_byte():
    said = b'{"msg_type":17,"content":{"data":"the secret key is wss://a?b=c","user_id":7}}'
    assert redact_message(said) is said


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("wss://rtms.zoom.us:443", "wss://rtms.zoom.us:443"),
        ("wss://rtms.zoom.us:443/path/?", "wss://rtms.zoom.us:443/path/?"),
        ("wss://u:p@rtms.zoom.us/p?token=c0ffee&x=1#f", "wss://rtms.zoom.us/p?token=redacted&x=redacted"),
        ("wss://[::1/", "redacted"),
    ],
)
def test_urls(url, redacted):
    assert redact_url(url) == redacted


def test_urls_within_texts():
    assert redact_urls("a wss://h?t=1, b wss://h") == "a wss://h?t=redacted, b wss://h"
    assert redact_value({"server_urls": {"all": "wss://h?t=1"}}) == {
        "server_urls": {"all": "wss://h?t=redacted"}
    }


def test_what_is_no_json_is_searched_all_the_same():
    assert redact_message(b'{"msg_type":1,"signature":"c0ffee') == b'{"msg_type":1,"signature":"redacted"'
    assert b"c0ffee" not in redact_message(b'\xff{"client_secret" : "c0f\\"fee", "x": 1}')


def test_signals():
    start = StreamStarted("app", SESSION, "E", "S", ("wss://h?t=1",), 5, session_key="c0ffee")
    assert redact_signal(start).session_key == "redacted"
    assert redact_signal(start).server_urls == ("wss://h?t=redacted",)
    assert redact_signal(StreamInterrupted("app", SESSION, "E", "S", 5, ("wss://h?t=1",))).server_urls == (
        "wss://h?t=redacted",
    )
    stop = StreamStopped("app", SESSION, "E", "S", 5, 6)
    assert redact_signal(stop) is stop


@pytest.mark.parametrize(
    ("message", "number"),
    [
        (b'{"msg_type":14}', 14),
        (b'{"msg_type":"12"}', 12),
        (b'{"msg_type":true}', -1),
        (b'{"msg_type":1e99}', -1),
        (b"[]", -1),
        (b"{}", -1),
        (b"\xff", -1),
        (b'{"msg_type":-5}', -1),
        (b"[" * 100000, -1),
    ],
)
def test_numbers_of_messages(message, number):
    assert msg_type_of(message) == number


@given(st.binary(max_size=200))
def test_nothing_makes_it_raise(noise):
    redact_message(noise)
    redact_message(b'{"msg_type":1,"a":' + noise)
