"""An engine as its user runs it, ``rtms-engine run``, and Zoom's webhooks to it.

Each stream says its sound to a sink of this module too, which notes in a file when the first frame came, how
many there were, and how long they were on their way while it is asked for: in whichever process the stream runs.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import ssl
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from rtms_engine.model.frames import AudioFrame
from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import MEETING
from rtms_engine.simulator.webhooks import StreamFacts
from rtms_engine.sinks.base import Ending, Item, StreamInfo
from rtms_engine.wire.signature import webhook_signature

from .encoded import STAMP_BYTES
from .load import _cpu_s, _family, _resident_kb
from .zoom import Load

PATIENCE_S = 60.0
"""How long all is waited for at most."""
READY_S = 60.0
BARE_AT_ONCE = 50
_TOKEN = "token"  # noqa: S105 - of a simulated app
_CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
workers = {workers}
drain_timeout_s = 0.1
[[apps]]
client_id = "id"
client_secret = "secret"
secret_token = "{token}"
[rtms]
allow_insecure_loopback = true
ca_file = "{ca}"
[limits]
max_streams = 10000
min_free_disk_mb = 0
[[sinks]]
type = "recording"
kinds = ["audio", "transcript"]
directory = "{folder}/recordings"
[[sinks]]
type = "benchmarks.daemon:NotingSink"
kinds = ["audio"]
file = "{folder}/notes"
[state]
directory = "{folder}/state"
[log]
level = "warning"
format = "json"
"""


# --- inside the engine ---


class NotingConfig(msgspec.Struct, frozen=True):
    """Where to."""

    file: str


class NotingSink:
    """Notes the first frame of a stream, and at the end how many there were."""

    config_type = NotingConfig
    kinds = frozenset({MediaKind.AUDIO})

    def __init__(self, config: NotingConfig) -> None:
        self._file = Path(config.file)
        self._watched = f"{config.file}.watched"
        self._stream = ""
        self._heard = 0
        self._late_ms: Counter[int] = Counter()

    async def open(self, stream: StreamInfo) -> None:
        """A stream begins, or begins again in another process."""
        self._stream = stream.stream_id

    async def write(self, batch: Sequence[Item]) -> None:
        """Count."""
        frames = [item for item in batch if type(item) is AudioFrame]
        if frames and not self._heard:
            self._note("first", at=frames[0].received_at)
        self._heard += len(frames)
        if os.path.exists(self._watched):  # noqa: PTH110 - a look at the cache of directories
            self._late_ms.update(
                round(frame.received_at * 1e3 - int(frame.payload[:STAMP_BYTES]) / 1e3) for frame in frames
            )

    async def close(self, ending: Ending) -> None:
        """Tell."""
        self._note("heard", frames=self._heard, late_ms=self._late_ms)

    def _note(self, what: str, **facts: Any) -> None:
        line = {"what": what, "stream": int(self._stream.rpartition("-")[2]), "pid": os.getpid(), **facts}
        with self._file.open("a", encoding="ascii") as file:
            file.write(json.dumps(line) + "\n")


# --- around it ---


class Answer(msgspec.Struct, frozen=True):
    """What became of a webhook."""

    status: int
    """0: there was no answer."""
    after_s: float


class Bench:
    """A Zoom and an engine, each in processes of their own, while the ``async with`` block runs."""

    def __init__(self, load: Load, folder: Path, *, workers: int | str) -> None:
        self._load = msgspec.structs.replace(load, at_once=True)
        self._folder = folder
        self._workers = workers
        self._port = _free_port()
        self._zoom: Process
        self._engine: Process
        self._zoom_port, self._ca = 0, ""

    async def __aenter__(self) -> Self:
        self._zoom = await _python("benchmarks.zoom")
        opened = await self._ask(msgspec.to_builtins(self._load))
        self._zoom_port, self._ca = opened["port"], opened["ca"]
        config = self._folder / "config.toml"
        workers = json.dumps(self._workers)
        config.write_text(
            _CONFIG.format(
                port=self._port, workers=workers, token=_TOKEN, ca=opened["ca"], folder=self._folder
            ),
            encoding="utf-8",
        )
        self._engine = await _python("rtms_engine", "run", "--config", str(config), log=self.log)
        async with asyncio.timeout(READY_S):
            while (
                await _say(self._port, b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            ).status != 200:  # noqa: PLR2004
                await asyncio.sleep(0.05)
        self._tell("go")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        for process in (self._engine, self._zoom):
            if process.returncode is None:
                process.kill()
            await process.wait()

    @property
    def log(self) -> Path:
        """What the engine had to say."""
        return self._folder / "log"

    @property
    def cpu_s(self) -> float:
        """What the engine used so far."""
        return sum(map(_cpu_s, _family(self._engine.pid)))

    @property
    def memory_kb(self) -> int:
        """Resident, of all of the engine's processes."""
        return sum(map(_resident_kb, _family(self._engine.pid)))

    async def watch(self) -> dict[str, Any]:
        """From now on note how long frames are on their way, and answers to keep-alives."""
        (self._folder / "notes.watched").touch()
        return await self._ask("afresh")

    async def status(self) -> dict[str, Any]:
        """What Zoom said so far."""
        return await self._ask("status")

    @property
    def workers(self) -> list[int]:
        """The processes of the streams, if they are not the engine's."""
        return _family(self._engine.pid)[1:]

    async def announce(self) -> list[Answer]:
        """All starts in one instant, each on a connection of its own."""
        now_ms = int(time.time() * 1000)  # noqa: TID251 - Zoom's clock
        requests = [self._start(number, now_ms) for number in range(self._load.streams)]
        return await asyncio.gather(*(_say(self._port, request) for request in requests))

    def _start(self, number: int, now_ms: int) -> bytes:
        facts = StreamFacts(MEETING, f"meeting-{number}==", f"stream-{number}")
        url = f"wss://{self._load.host}:{self._zoom_port}/signaling/{number}"
        event = {"event": "meeting.rtms_started", "event_ts": now_ms, "payload": facts.started(url)}
        body = msgspec.json.encode(event)
        timestamp = str(now_ms // 1000)
        head = (
            f"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"x-zm-request-timestamp: {timestamp}\r\n"
            f"x-zm-signature: {webhook_signature(_TOKEN, timestamp, body)}\r\n\r\n"
        )
        return head.encode() + body

    async def bare(self, connections: int) -> float:
        """How long it takes a client that does nothing else to open so many connections to Zoom."""
        tls = ssl.create_default_context(cafile=self._ca)
        loop = asyncio.get_running_loop()
        at_once = asyncio.Semaphore(BARE_AT_ONCE)

        async def one() -> asyncio.BaseTransport:
            async with at_once:
                transport, _ = await loop.create_connection(
                    asyncio.Protocol, self._load.host, self._zoom_port, ssl=tls
                )
                return transport

        began = time.monotonic()
        transports = await asyncio.gather(*(one() for _ in range(connections)))
        took_s = time.monotonic() - began
        for transport in transports:
            transport.abort()  # type: ignore[attr-defined]
        return took_s

    async def lives(self, number: int, within_s: float = PATIENCE_S) -> None:
        """Wait until so many times a stream has become live, or until it takes too long."""
        deadline = time.monotonic() + within_s
        while (await self._ask("status"))["lives"] < number and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def finish(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Let Zoom say no more, and the engine end. Returns what Zoom said, and the notes."""
        said = await self._ask("end")
        await asyncio.sleep(1.0)
        self._engine.send_signal(signal.SIGTERM)
        async with asyncio.timeout(READY_S):
            await self._engine.wait()
        return said, self.notes()

    def notes(self) -> list[dict[str, Any]]:
        """What `NotingSink` has noted so far."""
        notes = self._folder / "notes"
        return [json.loads(line) for line in notes.read_text("ascii").splitlines()] if notes.exists() else []

    async def heard(self, number: int, within_s: float = PATIENCE_S) -> dict[int, int]:
        """Wait until so many streams have been heard. Returns in which process each was, by its number."""
        deadline = time.monotonic() + within_s
        while True:
            hosts = {note["stream"]: note["pid"] for note in self.notes() if note["what"] == "first"}
            if len(hosts) >= number or time.monotonic() > deadline:
                return hosts
            await asyncio.sleep(0.1)

    def _tell(self, line: Any) -> None:
        assert self._zoom.stdin is not None
        self._zoom.stdin.write(json.dumps(line).encode() + b"\n")

    async def _ask(self, line: Any) -> dict[str, Any]:
        self._tell(line)
        assert self._zoom.stdout is not None
        answer: dict[str, Any] = json.loads(await self._zoom.stdout.readline())
        return answer


async def _python(*words: str, log: Path | None = None) -> Process:
    with Path(log or os.devnull).open("wb") as file:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *words,
            stdin=PIPE,
            stdout=DEVNULL if log else PIPE,
            stderr=file if log else None,
            limit=2**24,
        )


def _free_port() -> int:
    """One that the system does not give to somebody else meanwhile: it hands out those from 32768 on."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class _Request(asyncio.Protocol):
    """One request on a connection of its own: as little as it takes."""

    def __init__(self, request: bytes) -> None:
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(int(data.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(0)


async def _say(port: int, request: bytes) -> Answer:
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    try:
        _, protocol = await loop.create_connection(lambda: _Request(request), "127.0.0.1", port)
    except OSError:
        return Answer(0, time.monotonic() - began)
    return Answer(await protocol.answered, time.monotonic() - began)
