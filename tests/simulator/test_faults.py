"""Misbehaviour on request."""

import asyncio

import pytest

from rtms_engine.simulator import FakeZoom, Faults, Injection, synthetic_script
from tests.simulator.client import client_of

pytestmark = pytest.mark.virtual_clock

MINUTE = synthetic_script(duration_ms=60_000)


async def test_the_tolerated_variants(zoom: FakeZoom) -> None:
    """Binary frames, extra keys and a bare string for mixed sound (V1.md §3.1, §6.1)."""
    faults = Faults(binary_frames=True, string_content=True, extra_keys={"from_the_future": 1})
    meeting = await zoom.start(synthetic_script(duration_ms=1000), faults=faults)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=None)
        await client.over()
        audio = client.media["audio"]
        assert all(isinstance(data, bytes) for data in audio.raw[1:])
        assert all(message["from_the_future"] == 1 for message in audio.heard[1:])
        packet = audio.of(14)[0]
        assert isinstance(packet["content"], str)
        assert (packet["user_id"], packet["timestamp"]) == (0, meeting.timeline.epoch_ms)


async def test_injections_and_mute_keep_alives(zoom: FakeZoom) -> None:
    """What is told to be sent is sent as it is, where and when; a mute leg asks nothing."""
    payloads = [b"{", b"\xff\xfe", b'{"msg_type":77}']
    injections = tuple(Injection(1000, "audio", payload) for payload in payloads)
    faults = Faults(
        injections=(*injections, Injection(1500, "signaling", b"[]")), mute_keep_alives=frozenset({"audio"})
    )
    meeting = await zoom.start(MINUTE, faults=faults)
    async with client_of(zoom, meeting) as client:
        await client.stream(audio=None)
        audio = client.media["audio"]
        await audio.hear(77)
        known = [data.encode() if isinstance(data, str) else data for data in audio.raw]
        assert [data for data in known if data in payloads] == payloads
        await asyncio.sleep(30)
        assert "[]" in client.signaling.raw
        assert not audio.of(12)
