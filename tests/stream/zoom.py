"""Zoom's side of a stream in memory, and a stream at work against it."""

import asyncio
import base64
import json

import msgspec

from rtms_engine.errors import ConnectFailed
from rtms_engine.model.media import AudioParams, MediaKind, MediaParams
from rtms_engine.model.products import MEETING
from rtms_engine.model.signals import StreamInterrupted, StreamStarted, StreamStopped
from rtms_engine.protocol.identity import StreamIdentity
from rtms_engine.sinks.delivery import Delivery
from rtms_engine.stream.sink_runner import SinkRunner
from rtms_engine.stream.worker import Environment, StreamSettings, StreamWorker
from rtms_engine.transport.endpoint import EndpointPolicy
from rtms_engine.transport.memory import MemoryConnector, Script
from tests.stream.items import INFO, KeepingSink

START_MS = 1_790_000_000_000
SIGNALING = "wss://sig.zoom.us:443"
MEDIA = {name: f"wss://media.zoom.us/{name}" for name in ("audio", "video", "transcript", "chat", "all")}


class Zoom(Script):
    """Answers handshakes, notes what is said to it, says what it is told to."""

    def __init__(self):
        self.heard = []
        """(time, connection, message)"""
        self.peers = {}
        self.left = []
        self.server_urls = dict(MEDIA)
        self.statuses = {}
        """Statuses to answer the next handshakes of a connection with, first one first."""
        self.mute = set()
        """Connections that do not answer."""
        self.unreachable = set()
        """Connections that cannot be opened."""
        self.attempts = []

    # --- Script ---

    async def connecting(self, endpoint):
        name = self._name(endpoint)
        self.attempts.append((asyncio.get_running_loop().time(), name))
        if name in self.unreachable:
            raise ConnectFailed(endpoint.url, "connection refused")

    def connected(self, peer):
        self.peers[self._name(peer.endpoint)] = peer

    def received(self, peer, message):
        name, fields = self._name(peer.endpoint), json.loads(message)
        self.heard.append((asyncio.get_running_loop().time(), name, fields))
        if name in self.mute:
            return
        match fields["msg_type"]:
            case 1:
                self._answer(peer, name, msg_type=2, media_server={"server_urls": self.server_urls})
            case 3:
                self._answer(peer, name, msg_type=4, media_params=fields.get("media_params"))

    def disconnected(self, peer):
        self.left.append(self._name(peer.endpoint))

    # --- what the tests say ---

    def say(self, name, **message):
        self.peers[name].send(json.dumps(message).encode())

    def say_bytes(self, name, data):
        self.peers[name].send(data)

    def play(self, n, name="audio", user_id=16778240):
        """One packet of sound, a second of it for each ``n``."""
        data = base64.b64encode(b"%4d" % n).decode()
        content = {
            "user_id": user_id,
            "user_name": "John",
            "data": data,
            "length": 4,
            "timestamp": START_MS + 1000 * n,
        }
        self.say(name, msg_type=14, content=content)

    def close(self, name, why="closed by the server with 1000 (OK)"):
        self.peers[name].close(why)

    def said(self, name, *numbers):
        """What was said to it on a connection: the messages of these types, or all of them."""
        return [m for _, on, m in self.heard if on == name and (not numbers or m["msg_type"] in numbers)]

    def times(self, name, number):
        return [when for when, on, message in self.heard if on == name and message["msg_type"] == number]

    def _answer(self, peer, name, **message):
        status = (self.statuses.get(name) or [0]).pop(0)
        peer.send(
            json.dumps(
                {"protocol_version": 1, "sequence": 0, "status_code": status, "reason": "", **message}
            ).encode()
        )

    @staticmethod
    def _name(endpoint):
        return "signaling" if endpoint.url.startswith("wss://sig") else endpoint.url.rpartition("/")[2]


class AStream:
    """A worker and its task, against a `Zoom`."""

    def __init__(self, zoom, *kinds, sinks=None, connector=None, product=MEETING, params=None, **settings):
        self.zoom = zoom
        self.loop = asyncio.get_running_loop()
        self.sinks = [KeepingSink()] if sinks is None else sinks
        wanted = frozenset(MediaKind(kind) for kind in kinds)
        runners = [
            SinkRunner(f"sink{n}", lambda sink=sink: sink, wanted, Delivery(linger_s=0.0, restarts=0))
            for n, sink in enumerate(self.sinks)
        ]
        self.worker = StreamWorker(
            msgspec.structs.replace(INFO, kinds=wanted, product=product),
            StreamIdentity(product, "U==", INFO.stream_id, "…"),
            StreamSettings(params or MediaParams(audio=AudioParams(send_rate_ms=20)), **settings),
            runners,
            Environment(
                connector or MemoryConnector(zoom),
                EndpointPolicy(),
                lambda: START_MS + round(self.loop.time() * 1000),
                lambda: 0.0,
            ),
        )
        self.starts()
        self.task = self.loop.create_task(self.worker.run(), name="the stream")

    def starts(self, url=SIGNALING):
        self.worker.hear(StreamStarted("app", MEETING, "U==", INFO.stream_id, (url,), START_MS))

    def interrupted(self):
        self.worker.hear(StreamInterrupted("app", MEETING, "U==", INFO.stream_id, START_MS))

    async def until(self, time):
        """Let virtual time pass."""
        await asyncio.sleep(time - self.loop.time())

    async def stops(self, reason=6):
        """The stopped webhook; the worker must leave nothing behind."""
        self.worker.hear(StreamStopped("app", MEETING, "U==", INFO.stream_id, START_MS, reason))
        return await self.ends()

    async def ends(self):
        async with asyncio.timeout(1000):
            await self.task
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return self.worker.statistics()

    def events(self, *types):
        return [item for item in self.sinks[0].items if isinstance(item, types)]
