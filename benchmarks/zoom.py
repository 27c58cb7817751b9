"""A Zoom for load, in a process of its own: it answers handshakes and says pre-encoded media on time.

It is as cheap as we can make it, because it shares the machine with what it measures: no simulation, no
faults; that is `rtms_engine.simulator`. One line of JSON (`Load`) comes in on the standard input, then
``go``; one line goes out for each step: ``{"port", "ca"}``, ``{"ready"}`` when every stream is live,
``{"sent"}`` when all has been said. The end of the input ends it. With `Load.at_once` nothing waits for all streams
to be live: ``go`` is heard at once, whoever is live is spoken to, and what is said at last tells of each stream when
it became live and how much was said to it.

The first twelve bytes of every payload are the time at which it was sent, in microseconds of
``time.monotonic`` (one clock for all processes of a machine), as digits: whatever decodes the payload
can tell how long it took.
"""

import asyncio
import base64
import json
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import picows
import trustme
import uvloop

from .encoded import Audio, transcript

KEEP_ALIVE_S = 5.0
TICK_S = 0.001


class Load(msgspec.Struct, frozen=True):
    """What is to be said."""

    streams: int
    every_ms: int = 20
    """Of sound in one message."""
    speakers: int = 1
    seconds: float = 5.0
    transcript: bool = False
    """One segment a second for each stream, on a connection of its own."""
    is_backlog: bool = False
    """All of it at once, as after an outage."""
    secure: bool = True
    host: str = "127.0.0.1"
    """How this machine is called in URLs."""
    at_once: bool = False
    """Speak from the beginning, to those streams that are live."""


class Stream:
    """One stream: its connections, and what is said on them."""

    def __init__(self, number: int, load: Load) -> None:
        self.number = number
        self.audio: picows.WSTransport | None = None
        self.transcript: picows.WSTransport | None = None
        self.is_acknowledged = False
        self.is_live = False
        self.live_at: list[float] = []
        """When it became live, by ``time.monotonic``; more than once if its client came again."""
        self.sent = 0
        """Frames of sound."""
        self.voices = [Audio(16778240 + n, f"Speaker {n}", load.every_ms) for n in range(load.speakers)]


class Zoom:
    """All streams."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.port = 0
        self.streams = [Stream(number, load) for number in range(load.streams)]
        self.open: set[Leg] = set()
        self.live = 0
        self.round_trips_ms: list[float] = []
        self.all_live = asyncio.Event()

    def url(self, path: str) -> str:
        """An address of this server."""
        return f"{'wss' if self.load.secure else 'ws'}://{self.load.host}:{self.port}{path}"

    def stream_is_live(self, stream: Stream) -> None:
        """One more stream has its media."""
        self.live += not stream.live_at
        stream.live_at.append(time.monotonic())
        if self.live == len(self.streams):
            self.all_live.set()

    @property
    def sent(self) -> int:
        """Frames of sound."""
        return sum(stream.sent for stream in self.streams)

    @property
    def keep_alive_ms(self) -> dict[str, float]:
        """How long answers to keep-alives took."""
        trips = sorted(self.round_trips_ms) or [0.0]
        return {"p50": statistics.median(trips), "max": trips[-1]}

    async def speak(self) -> None:
        """Say everything, each message at its time: streams spread evenly over one interval."""
        every_s, voices = self.load.every_ms / 1000, self.load.speakers
        slots = [(s, s.voices[n]) for n in range(voices) for s in self.streams]
        rounds = round(self.load.seconds / every_s)
        start = time.monotonic() + 0.05
        start_ms = int(time.time() * 1000)  # noqa: TID251 - a wall clock is what Zoom's frames carry
        step_s = every_s / len(slots)
        for number in range(rounds):
            begun, at_ms = start + number * every_s, b"%d" % (start_ms + number * self.load.every_ms)
            said = 0
            while said < len(slots):
                now = time.monotonic()
                if self.load.is_backlog:
                    now = begun + every_s
                due = max(said, min(len(slots), int((now - begun) / step_s) + 1))
                stamp = base64.b64encode(b"%012d" % int(time.monotonic() * 1e6))
                for stream, voice in slots[said:due]:
                    if stream.audio is not None and stream.is_live:
                        stream.audio.send(picows.WSMsgType.TEXT, voice.message(stamp, at_ms))
                        stream.sent += 1
                said = due
                await asyncio.sleep(0 if self.load.is_backlog else TICK_S)
            if self.load.transcript and number % round(1 / every_s) == 0:
                self._say_texts(at_ms)

    def _say_texts(self, at_ms: bytes) -> None:
        for stream in self.streams:
            if stream.transcript is not None and stream.is_live:
                stream.transcript.send(picows.WSMsgType.TEXT, transcript(int(at_ms)))

    async def keep_alive(self) -> None:
        """Ask every connection, evenly over the interval."""
        while True:
            legs = list(self.open)
            begun = time.monotonic()
            for number, leg in enumerate(legs, 1):
                leg.say(msg_type=12, timestamp=int(time.monotonic() * 1e6), sequence=1)
                ahead_s = begun + KEEP_ALIVE_S * number / len(legs) - time.monotonic()
                if ahead_s > TICK_S:  # many sleeps that are too short would take longer than the interval
                    await asyncio.sleep(ahead_s)
            if not legs:
                await asyncio.sleep(TICK_S)


class Leg(picows.WSListener):
    """One connection; its path says which."""

    def __init__(self, zoom: Zoom, path: str) -> None:
        kind, _, number = path.strip("/").partition("/")
        self._zoom = zoom
        self._kind = kind
        self._stream = zoom.streams[int(number)]
        self._transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Take the connection."""
        self._transport = transport
        self._zoom.open.add(self)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """Say nothing more on it."""
        self._transport = None
        self._zoom.open.discard(self)
        if self._kind in ("audio", "all"):
            self._stream.audio = None
        elif self._kind == "transcript":
            self._stream.transcript = None
        else:
            self._stream.is_acknowledged = False
        self._stream.is_live = False

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Answer handshakes; take the answers to keep-alives."""
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()
            return
        if frame.msg_type not in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY):
            return
        message = json.loads(frame.get_payload_as_bytes())
        match message["msg_type"]:
            case 1:
                paths = {
                    kind: self._zoom.url(f"/{kind}/{self._stream.number}")
                    for kind in ("audio", "transcript", "all")
                }
                self.say(
                    msg_type=2,
                    protocol_version=1,
                    status_code=0,
                    reason="",
                    media_server={"server_urls": paths},
                )
            case 3:
                self.say(
                    msg_type=4,
                    protocol_version=1,
                    status_code=0,
                    reason="",
                    sequence=0,
                    payload_encrypted=False,
                    media_params=message.get("media_params") or _params(self._zoom.load),
                )
                self._media_is_open(transport)
            case 7:
                self._stream.is_acknowledged = True
                self._check_live()
            case 13:
                asked = message["timestamp"]
                if self._kind == "signaling" or not self._zoom.load.is_backlog:  # else it waits behind sound
                    self._zoom.round_trips_ms.append(time.monotonic() * 1e3 - asked / 1e3)

    def say(self, **message: Any) -> None:
        """Send one message."""
        if self._transport is not None:
            self._transport.send(picows.WSMsgType.TEXT, json.dumps(message).encode())

    def _media_is_open(self, transport: picows.WSTransport) -> None:
        if self._kind == "transcript":
            self._stream.transcript = transport
        else:
            self._stream.audio = transport
        self._check_live()

    def _check_live(self) -> None:
        stream = self._stream
        wants_transcript = self._zoom.load.transcript
        is_whole = stream.is_acknowledged and stream.audio and (stream.transcript or not wants_transcript)
        if is_whole and not stream.is_live:
            stream.is_live = True
            self._zoom.stream_is_live(stream)


def _params(load: Load) -> dict[str, Any]:
    audio = {"content_type": 1, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 2}
    return {"audio": {**audio, "send_rate": load.every_ms}}


async def serve(load: Load) -> None:
    """Run one load."""
    zoom = Zoom(load)
    ca = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        ca_file = Path(folder) / "ca.pem"
        ca.cert_pem.write_to_path(str(ca_file))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
        server = await picows.ws_create_server(
            lambda request: Leg(zoom, request.path.decode()),
            "127.0.0.1",
            0,
            ssl=tls if load.secure else None,
            backlog=4096,
            logger_name="load",
            read_buffer_init_size=4096,
        )
        zoom.port = server.sockets[0].getsockname()[1]
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
        )
        _say(port=zoom.port, ca=str(ca_file))
        if load.at_once:
            await _speak_at_once(zoom, lines)
        else:
            await _speak_to_all(zoom, lines)


async def _speak_to_all(zoom: Zoom, lines: asyncio.StreamReader) -> None:
    async with asyncio.TaskGroup() as tasks:
        await zoom.all_live.wait()
        _say(ready=zoom.live)
        alive = tasks.create_task(zoom.keep_alive(), name="keep-alives")
        while await lines.readline():
            for stream in zoom.streams:
                stream.sent = 0
            zoom.round_trips_ms.clear()
            await zoom.speak()
            _say(sent=zoom.sent, keep_alive_ms=zoom.keep_alive_ms)
        alive.cancel()


async def _speak_at_once(zoom: Zoom, lines: asyncio.StreamReader) -> None:
    await lines.readline()
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(work, name="load") for work in (zoom.keep_alive(), zoom.speak())]
        while line := (await lines.readline()).strip():
            if line in (b'"status"', b'"afresh"'):
                if line == b'"afresh"':
                    zoom.round_trips_ms.clear()
                lives = sum(len(stream.live_at) for stream in zoom.streams)
                _say(live=zoom.live, lives=lives, sent=zoom.sent)
            else:
                break
        for task in working:
            task.cancel()
    streams = [(stream.live_at, stream.sent) for stream in zoom.streams]
    _say(sent=zoom.sent, keep_alive_ms=zoom.keep_alive_ms, streams=streams)
    await lines.readline()


def _say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.stdin.readline(), type=Load)))
