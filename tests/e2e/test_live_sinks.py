"""Sinks with a service, in a real engine: one server and one queue, however many processes there are."""

import asyncio
import json

import aiohttp
import pytest

from rtms_engine import Engine, ServerConfig, SinkConfig
from rtms_engine.simulator import FakeZoom, synthetic_script
from tests.e2e.support import APP, config, over
from tests.outbound.support import SECRET, receiver

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_meeting_is_served_and_notified(tmp_path, unused_tcp_port, workers):
    events = asyncio.Queue()

    async def subscribe():
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = f"ws://127.0.0.1:{unused_tcp_port}/live?kinds=audio,events"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
            async for message in socket:
                events.put_nowait(json.loads(message.data)["event"])

    clock = asyncio.get_running_loop().time
    async with receiver(clock) as server, FakeZoom([APP], tls=False) as zoom:
        sinks = (
            SinkConfig("websocket", options={"tokens": [TOKEN], "port": unused_tcp_port}),
            SinkConfig(
                "webhook",
                options={
                    "url": server.url,
                    "secrets": [SECRET],
                    "directory": str(tmp_path / "queue"),
                    "events": ["stream.started", "stream.ended"],
                    "allow_private": True,
                },
            ),
        )
        at = ServerConfig(host="127.0.0.1", port=0, workers=workers)
        async with Engine(config(zoom, *sinks, server=at)) as engine, asyncio.TaskGroup() as tasks:
            subscriber = tasks.create_task(subscribe(), name="subscriber")
            await asyncio.sleep(0.1)
            meeting = await zoom.start(synthetic_script(duration_ms=4_000), engine.webhook_url, speed=4.0)
            await over(engine, meeting)
            async with asyncio.timeout(10):
                while len(server.received) < 2:
                    await asyncio.sleep(0.05)
            subscriber.cancel()
    heard = [events.get_nowait() for _ in range(events.qsize())]
    assert (heard[0], heard[-1]) == ("stream.started", "stream.ended")
    assert heard.count("stream.started") == 1
    assert heard.count("audio_separate_raw.data") > 20
    assert {json.loads(one.body)["event"] for one in server.received} == {"stream.started", "stream.ended"}
