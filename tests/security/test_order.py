"""Signed webhooks that arrive in another order than Zoom sent them, or again: the newest word holds."""

import asyncio
import hashlib
import hmac
import itertools
import json
from typing import Any

import aiohttp
import pytest

from rtms_engine import SinkConfig, StateConfig
from rtms_engine.engine.engine import Engine
from tests.e2e.support import APP, EPOCH_S, zoom_and_engine

pytestmark = pytest.mark.virtual_clock

NOW_MS = int(EPOCH_S * 1000)


def delivery(event: str, at_ms: int, **more: Any) -> bytes:
    """The body of one webhook of the stream."""
    payload = {"meeting_uuid": "U==", "rtms_stream_id": "S", **more}
    return json.dumps(
        {"event": f"meeting.rtms_{event}", "event_ts": NOW_MS + at_ms, "payload": payload}
    ).encode()


STARTED = delivery("started", 1, server_urls="ws://127.0.0.1:9")
INTERRUPTED = delivery("interrupted", 2)
MOVED = delivery("started", 3, server_urls="ws://127.0.0.1:19")
STOPPED = delivery("stopped", 4, stop_reason=6)


async def post(engine: Engine, *bodies: bytes) -> None:
    """Each signed as Zoom signs, and answered with 200."""
    stamp = str(int(EPOCH_S))
    async with aiohttp.ClientSession() as zoom:
        for body in bodies:
            message = b"v0:" + stamp.encode() + b":" + body
            signature = "v0=" + hmac.new(APP.secret_token.encode(), message, hashlib.sha256).hexdigest()
            headers = {"x-zm-request-timestamp": stamp, "x-zm-signature": signature}
            async with zoom.post(engine.webhook_url, data=body, headers=headers) as response:
                assert response.status == 200


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
async def test_after_the_stop_nothing_runs_whatever_came_when(order: tuple[int, ...], tmp_path: Any) -> None:
    """Of all 24 orders; and a replay of any delivery afterwards changes nothing, nor does another engine."""
    deliveries = [STARTED, INTERRUPTED, MOVED, STOPPED]
    state = StateConfig(directory=str(tmp_path / "state"))
    for _ in range(2):
        async with zoom_and_engine(SinkConfig("null"), state=state) as (_, engine):
            await post(engine, *(deliveries[number] for number in order))
            await until_over(engine)
            ended = len(engine.recent_streams())
            await post(engine, *deliveries)
            await until_over(engine)
            assert len(engine.recent_streams()) == ended, "a replay started it again"


async def until_over(engine: Engine) -> None:
    """Nothing runs after a second, which is less than the retries of a connection would take."""

    await asyncio.sleep(1)
    assert not engine.live_streams()


async def test_an_old_start_does_not_undo_a_move(tmp_path: Any) -> None:
    """The servers of the newer one are tried, and go on being tried."""
    async with zoom_and_engine(SinkConfig("null")) as (_, engine):
        await post(engine, MOVED, STARTED, INTERRUPTED)
        (stream,) = engine.live_streams().values()
        said = [entry.text for entry in engine.story(stream.info.stream_id)]
        assert sum("changed nothing" in text for text in said) >= 2, said
        await post(engine, STOPPED)
        await until_over(engine)
