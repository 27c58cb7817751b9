"""Nobody can tell that somebody listens, and everything is on the tape."""

import asyncio
import json

import msgspec
import pytest

from rtms_engine.capture.format import Kind, decode_head, decode_signal
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.capture.tape import Tape, TapeWriter, paths_of
from rtms_engine.capture.tee import CaptureSink, CapturingConnector, ErasingSink, Witness
from rtms_engine.errors import ConnectFailed
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.model.signals import StreamStarted
from rtms_engine.sinks.base import Ending
from tests.transport.contract import ConnectorContract, Hearing
from tests.transport.test_memory import Other

from .support import HEAD, INFO

pytestmark = pytest.mark.virtual_clock


@pytest.fixture
def tape(tmp_path):
    return Tape(tmp_path, "STREAM", "none")


def noted(tape):
    return [(kind, leg, number, data) for _, kind, leg, number, data in tape._notes]


class TestCapturingConnector(ConnectorContract):
    @pytest.fixture
    async def other(self, tape):
        other = Other()
        other.connector = CapturingConnector(other.connector, tape)
        return other


async def test_a_conversation(tape):
    other, receiver = Other(), Hearing()
    await CapturingConnector(other.connector, tape).connect(other.endpoint, receiver)
    receiver.transport.send(b"to Zoom")
    await other.say(b"to us")
    await receiver.until(lambda: receiver.messages)
    receiver.transport.close()
    await receiver.until(lambda: receiver.lost)
    assert noted(tape) == [
        (Kind.CONNECTING, "audio", 1, b"wss://a.zoom.us"),
        (Kind.CONNECTED, "audio", 1, b""),
        (Kind.SENT, "audio", 1, b"to Zoom"),
        (Kind.RECEIVED, "audio", 1, b"to us"),
        (Kind.CLOSING, "audio", 1, b"close"),
        (Kind.LOST, "audio", 1, b"closed by us with 1000 (OK)"),
    ]


async def test_what_may_have_been_dead_for_a_while_is_told_apart(tape):
    other, receiver = Other(), Hearing()
    await CapturingConnector(other.connector, tape).connect(other.endpoint, receiver)
    receiver.transport.abort()
    await receiver.until(lambda: receiver.lost)
    assert receiver.was_up is False
    assert noted(tape)[-1] == (Kind.BROKEN, "audio", 1, b"lost without a close frame")


async def test_what_does_not_come_about(tape):
    other = Other()
    connector = CapturingConnector(other.connector, tape)
    with pytest.raises(ConnectFailed):
        await connector.connect(await other.nobody(), Hearing())
    slow = msgspec.structs.replace(other.endpoint, host="slow.zoom.us", url="wss://slow.zoom.us?token=c0ffee")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await connector.connect(slow, Hearing())
    assert noted(tape) == [
        (Kind.CONNECTING, "audio", 1, b"wss://nobody.zoom.us"),
        (Kind.FAILED, "audio", 1, b"connection refused"),
        (Kind.CONNECTING, "audio", 2, b"wss://slow.zoom.us?token=redacted"),
        (Kind.FAILED, "audio", 2, b"cancelled"),
    ]


async def test_what_the_worker_is_told(tape):
    witness = Witness(tape)
    start = StreamStarted("app", MEETING, "M", "STREAM", ("wss://h?t=c0ffee",), 5, session_key="c0ffee")
    witness.began(HEAD)
    witness.signal(start)
    witness.request("end")
    (_, _, _, head), (_, _, _, signal), (kind, _, _, request) = noted(tape)
    assert decode_head(head) == HEAD
    assert decode_signal(signal).entity_id == "M"
    assert b"c0ffee" not in signal
    assert (kind, request) == (Kind.REQUEST, b"end")


@pytest.mark.parametrize("reason", [StopReason.MEETING_ENDED, StopReason(8)])
async def test_the_end_of_the_tape(tape, tmp_path, reason):
    """A revoked stream takes its capture with it."""
    sink = CaptureSink(tape, TapeWriter(lambda: ""))
    Witness(tape).began(HEAD)
    await sink.open(INFO)
    await sink.close(Ending(reason, 7, "why"))
    paths = paths_of(tmp_path, "STREAM")
    if reason == 8:
        assert paths == []
        return
    with CaptureReader(paths[0]) as reader:
        *_, end = reader.records()
    assert end.kind is Kind.END
    assert json.loads(end.data) == {
        "stop_reason": int(reason),
        "timestamp_ms": 7,
        "detail": "why",
        "is_released": False,
    }


@pytest.mark.parametrize("reason", [StopReason.MEETING_ENDED, StopReason(8)])
async def test_what_an_earlier_engine_captured_goes_too_if_it_is_revoked(tape, tmp_path, reason):
    Witness(tape).began(HEAD)
    tape.close()
    sink = ErasingSink(Tape(tmp_path, "STREAM", "none"), TapeWriter(lambda: ""))
    await sink.open(INFO)
    await sink.close(Ending(reason, 7))
    assert len(paths_of(tmp_path, "STREAM")) == (0 if reason == 8 else 1)
