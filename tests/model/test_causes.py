"""Sentences and what they are counted under."""

import pytest

from rtms_engine.errors import ConnectFailed
from rtms_engine.model.causes import Cause, cause_of
from rtms_engine.model.reasons import StatusCode
from rtms_engine.protocol.lifecycle import _why_refused
from rtms_engine.recording.interruptions import ENGINE_RESTARTED


@pytest.mark.parametrize(
    ("sentence", "cause"),
    [
        ("Zoom moved the stream to other servers", Cause.FAILOVER),
        ("Zoom interrupted the stream", Cause.INTERRUPTED),
        ("Zoom interrupted it", Cause.INTERRUPTED),
        ("no frame for 65 s", Cause.SILENCE),
        ("no answer to the handshake for 10 s", Cause.SILENCE),
        ("closed by the server with 1006 (abnormal closure)", Cause.CLOSED),
        ("lost without a close frame: reset", Cause.CLOSED),
        (ENGINE_RESTARTED, Cause.RESTART),
        (str(ConnectFailed("wss://x", "no answer within 10 s")), Cause.REFUSED),
        (_why_refused(StatusCode.DUPLICATE_SIGNAL_REQUEST, "busy"), Cause.REFUSED),
        ("", Cause.OTHER),
        ("something new", Cause.OTHER),
    ],
)
def test_what_a_sentence_is_counted_under(sentence: str, cause: Cause) -> None:
    assert cause_of(sentence) is cause
