"""Who carries the load of `benchmarks.zoom`, each in a process of its own.

``python -m benchmarks.contestants engine|raw|naive|sdk``: one line of JSON (`Task`) comes in on the standard
input. A line ``report`` is answered with what was heard since the last one, as one line of JSON; the end
of the input ends it.
"""

import asyncio
import base64
import gc
import json
import os
import shutil
import ssl
import sys
import tempfile
import threading
import time
import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog
import uvloop
import websockets

from rtms_engine import (
    AppConfig,
    AudioParams,
    Config,
    Engine,
    MediaKind,
    MediaParams,
    RtmsConfig,
    ServerConfig,
    SinkConfig,
    StateConfig,
    cores,
)
from rtms_engine.daemon.process import run
from rtms_engine.model.frames import AudioFrame
from rtms_engine.model.products import MEETING
from rtms_engine.simulator.webhooks import StreamFacts, WebhookSender

from .encoded import STAMP_BYTES, Audio

STARTS_AT_ONCE = 40


class Task(msgspec.Struct, frozen=True):
    """What to carry, and from where."""

    port: int
    ca: str
    streams: int
    every_ms: int
    transcript: bool = False
    secure: bool = True
    host: str = "127.0.0.1"
    variant: str = ""
    """Of the engine: ``null`` (sinks that nothing is heard of), ``recording``; ``websockets``: that
    connector. Of the naive client: ``no-wave``."""
    workers: int = 1

    def url(self, path: str) -> str:
        """An address of the load."""
        return f"{'wss' if self.secure else 'ws'}://{self.host}:{self.port}{path}"


class Ear:
    """Counts payloads, and how long each was on its way."""

    def __init__(self) -> None:
        self._times = array("d")

    def hear(self, payload: bytes) -> None:
        """One payload, stamped by `benchmarks.zoom`."""
        self._times.append(time.monotonic() - int(payload[:STAMP_BYTES]) / 1e6)

    def report(self) -> dict[str, Any]:
        """What was heard since the last report."""
        times, self._times = sorted(self._times), array("d")
        if not times:
            return {"heard": 0}
        spots = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
        latency = {name: times[min(int(len(times) * q), len(times) - 1)] * 1e3 for name, q in spots.items()}
        return {"heard": len(times), "latency_ms": latency}


class Collections:
    """How long the garbage collector stopped this process."""

    def __init__(self) -> None:
        self._pauses_ms: list[float] = []
        self._since = 0.0
        gc.callbacks.append(self._note)

    def report(self) -> dict[str, float]:
        """Since the last report."""
        pauses, self._pauses_ms = self._pauses_ms, []
        return {"count": len(pauses), "sum_ms": sum(pauses), "max_ms": max(pauses, default=0.0)}

    def _note(self, phase: str, _: object) -> None:
        if phase == "start":
            self._since = time.perf_counter()
        else:
            self._pauses_ms.append((time.perf_counter() - self._since) * 1e3)


COLLECTIONS = Collections()


class Lag:
    """The longest that anything had to wait for its turn in the event loop."""

    TICK_S = 0.02

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._longest_s = 0.0
        self._arm()

    def report(self) -> float:
        """Since the last report, in milliseconds."""
        longest_s, self._longest_s = self._longest_s, 0.0
        return longest_s * 1e3

    def _arm(self) -> None:
        self._due = time.monotonic() + self.TICK_S
        self._loop.call_later(self.TICK_S, self._tick)

    def _tick(self) -> None:
        self._longest_s = max(self._longest_s, time.monotonic() - self._due)
        self._arm()


async def reports(ear: Callable[[], dict[str, Any]]) -> None:
    """Answer until the end of the input."""
    lag = Lag()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        print(json.dumps({**ear(), "collector": COLLECTIONS.report(), "lag_ms": lag.report()}), flush=True)


# --- the engine ---


def engine(task: Task) -> None:
    """This package, as a program that embeds it would use it."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with tempfile.TemporaryDirectory() as folder:
        run(_engine(task, Path(folder)))


async def _engine(task: Task, folder: Path) -> None:
    ear = Ear()
    kinds = {MediaKind.AUDIO, *([MediaKind.TRANSCRIPT] if task.transcript else [])}

    def hear(_: object, item: object) -> None:
        if type(item) is AudioFrame:
            ear.hear(item.payload)

    sinks = {
        "": SinkConfig("callback", kinds=frozenset(kinds), options={"callback": hear}),
        "null": SinkConfig("null", kinds=frozenset(kinds)),
        "recording": SinkConfig(
            "recording", kinds=frozenset(kinds), options={"directory": str(folder / "r")}
        ),
    }
    names = [word for word in task.variant.split("+") if word in sinks] or [""]
    config = Config(
        apps=[AppConfig.of("id", "secret", "token")],
        server=ServerConfig(host="127.0.0.1", port=0, workers=task.workers),
        rtms=RtmsConfig(
            ca_file=Path(task.ca) if task.secure else None,
            allow_insecure_loopback=True,
            transport="websockets" if "websockets" in task.variant else "auto",
        ),
        media=MediaParams(audio=AudioParams(send_rate_ms=task.every_ms)),
        sinks=[sinks[name] for name in names],
        state=StateConfig(directory=str(folder / "state")),
    )
    async with Engine(config) as the_engine, aiohttp.ClientSession() as session:
        sender = WebhookSender(session, the_engine.webhook_url, "token", lambda: int(time.time() * 1000))  # noqa: TID251 - Zoom's clock
        await _start(sender, task)
        counted = 0

        def report() -> dict[str, Any]:
            nonlocal counted
            if "" in names:
                return ear.report()
            before, counted = counted, _received(the_engine)
            return {"heard": counted - before}

        await reports(report)


def _received(the_engine: Engine) -> int:
    return sum(stream.received[MediaKind.AUDIO] for stream in the_engine.live_streams().values())


async def _start(sender: WebhookSender, task: Task) -> None:
    """The webhooks of all streams, some at a time."""
    at_once = asyncio.Semaphore(STARTS_AT_ONCE)

    async def one(number: int) -> None:
        stream = StreamFacts(MEETING, f"meeting-{number}==", f"stream-{number}")
        async with at_once:
            done = await sender.send("meeting.rtms_started", stream.started(task.url(f"/signaling/{number}")))
        if not done.is_good:
            print(done, file=sys.stderr)

    async with asyncio.TaskGroup() as tasks:
        for number in range(task.streams):
            tasks.create_task(one(number), name=f"start:{number}")


# --- the floor ---


def raw(task: Task) -> None:
    """An `asyncio.Protocol` on uvloop for each media connection, which counts bytes and looks at none."""
    uvloop.run(_raw(task))


async def _raw(task: Task) -> None:
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=task.ca) if task.secure else None
    counting = [_Counting(number) for number in range(task.streams)]
    async with asyncio.TaskGroup() as tasks:
        answering = []
        for number, protocol in enumerate(counting):
            signaling = await websockets.connect(
                task.url(f"/signaling/{number}"), ssl=tls, compression=None, ping_interval=None
            )
            await loop.create_connection(lambda protocol=protocol: protocol, task.host, task.port, ssl=tls)
            await signaling.send(json.dumps({"msg_type": 7}))
            answering.append(tasks.create_task(_answer_keep_alives(signaling), name=f"{number}"))
        message = Audio(0, "Speaker 0", task.every_ms).message(b"s" * 16, b"1" * 13)
        frame_bytes = len(message) + len("16778240") - len("0") + 4
        counted = 0

        def report() -> dict[str, Any]:
            nonlocal counted
            before, counted = counted, sum(protocol.received_bytes for protocol in counting)
            return {"heard": (counted - before) // frame_bytes}

        await reports(report)
        for task_ in answering:
            task_.cancel()


class _Counting(asyncio.Protocol):
    def __init__(self, number: int) -> None:
        self.received_bytes = 0
        self._number = number

    def connection_made(self, transport: Any) -> None:
        handshake = json.dumps({"msg_type": 3, "media_params": {}}).encode()
        masked = bytes([0x81, 0x80 | len(handshake), 0, 0, 0, 0]) + handshake  # a mask of zeros
        transport.write(
            f"GET /audio/{self._number} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            + masked
        )

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)


# --- what Zoom's Python samples do ---


def naive(task: Task) -> None:
    """`websockets`, `json`, `base64` and `wave`, a task for each connection."""
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_naive(task, Path(folder)))


async def _naive(task: Task, folder: Path) -> None:
    ear = Ear()
    tls = ssl.create_default_context(cafile=task.ca) if task.secure else None
    async with asyncio.TaskGroup() as tasks:
        at_once = asyncio.Semaphore(STARTS_AT_ONCE)
        clients = [
            tasks.create_task(_naive_stream(task, number, tls, ear, folder, at_once), name=f"{number}")
            for number in range(task.streams)
        ]
        await reports(ear.report)
        for client in clients:
            client.cancel()


async def _naive_stream(
    task: Task, number: int, tls: ssl.SSLContext | None, ear: Ear, folder: Path, at_once: asyncio.Semaphore
) -> None:
    ids = {"protocol_version": 1, "sequence": 0, "meeting_uuid": "m==", "rtms_stream_id": f"stream-{number}"}
    options: dict[str, Any] = {"ssl": tls, "max_size": None, "ping_interval": None, "compression": None}
    async with at_once:
        signaling = await websockets.connect(task.url(f"/signaling/{number}"), **options)
        await signaling.send(json.dumps({"msg_type": 1, **ids, "signature": "s"}))
        answer = json.loads(await signaling.recv())
        media = await websockets.connect(answer["media_server"]["server_urls"]["audio"], **options)
        await media.send(json.dumps({"msg_type": 3, **ids, "signature": "s", "media_type": 1}))
        await signaling.send(json.dumps({"msg_type": 7, "rtms_stream_id": f"stream-{number}"}))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_answer_keep_alives(signaling), name="signaling")
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            async for data in media:
                message = json.loads(data)
                if message["msg_type"] == 12:  # noqa: PLR2004 - KEEP_ALIVE_REQ
                    await media.send(json.dumps({**message, "msg_type": 13}))
                elif message["msg_type"] == 14:  # noqa: PLR2004 - MEDIA_DATA_AUDIO
                    payload = base64.b64decode(message["content"]["data"])
                    ear.hear(payload)
                    if task.variant != "no-wave":
                        file.writeframes(payload)


async def _answer_keep_alives(signaling: websockets.ClientConnection) -> None:
    async for data in signaling:
        message = json.loads(data)
        if message["msg_type"] == 12:  # noqa: PLR2004 - KEEP_ALIVE_REQ
            await signaling.send(json.dumps({**message, "msg_type": 13}))


# --- Zoom's own SDK ---


def sdk(task: Task) -> None:
    """The package ``rtms``, at its defaults: a native core, polled every 10 ms by a thread."""
    os.environ |= {"ZM_RTMS_CA": task.ca, "ZM_RTMS_LOG_ENABLED": "false"}
    os.environ |= {"ZM_RTMS_CLIENT": "id", "ZM_RTMS_SECRET": "secret"}
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path("logs").mkdir()  # without this place for its own log it complains with every line of it
    import rtms

    ear = Ear()
    loop = rtms.EventLoop()
    for number in range(task.streams):
        client = rtms.Client()
        client.on_audio_data(lambda payload, *_: ear.hear(payload))
        loop.add(client)
        client.join(
            meeting_uuid=f"meeting-{number}==",
            rtms_stream_id=f"stream-{number}",
            server_urls=task.url(f"/signaling/{number}"),
        )
    threading.Thread(target=loop.run, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps(ear.report()), flush=True)
    shutil.rmtree(folder)
    os._exit(0)  # its threads do not end by themselves


CONTESTANTS: dict[str, Callable[[Task], None]] = {"engine": engine, "raw": raw, "naive": naive, "sdk": sdk}


def main() -> None:
    """Be one of them, on one core, as a daemon's process of streams is."""
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    if task.workers == 1:
        cores.settle()
    CONTESTANTS[sys.argv[1]](task)


if __name__ == "__main__":
    main()
