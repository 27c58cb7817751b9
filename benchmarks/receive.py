"""What does a connector cost, from the socket to a whole message?

The reference is an `asyncio.Protocol` on uvloop that counts the bytes and looks at none of them. CPU time of this
process for each message, the source being a process of its own; every case in turns with the reference. One
message per wake-up is what a paced stream looks like, a firehose what a backlog looks like.
"""

import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import uvloop

from rtms_engine.transport.base import Connector
from rtms_engine.transport.base import Transport as OurTransport
from rtms_engine.transport.connectors import Library, connector
from rtms_engine.transport.endpoint import EndpointPolicy
from rtms_engine.transport.tls import client_context

from .frame import Result, Size, in_turns, main, ratio_of, rounded
from .source import frame, message

QUESTION = "what does a connector cost, against a protocol that only counts bytes?"

SOUND_BYTES, PICTURE_BYTES = 640, 40_000
"""Of payload: messages of 1 KB and 53 KB."""
CASES = {
    # name: payload bytes, messages per write, messages, microseconds between two writes
    "1kb_paced": (SOUND_BYTES, 1, 3_000, 300),
    "1kb_firehose": (SOUND_BYTES, 500, 50_000, 0),
    "55kb_paced": (PICTURE_BYTES, 1, 500, 2_000),
    "55kb_firehose": (PICTURE_BYTES, 1, 3_000, 0),
}
LIBRARIES: tuple[Library, ...] = ("picows", "websockets")
ROUNDS: dict[Size, int] = {"smoke": 1, "short": 3, "full": 9}
SCHEMES: dict[Size, tuple[str, ...]] = {"smoke": ("wss",), "short": ("wss",), "full": ("ws", "wss")}


def _nothing() -> None:
    """There is no connection yet."""


class Counting:
    """A receiver that counts; see `rtms_engine.transport.base.Receiver`."""

    def __init__(self, count: int) -> None:
        self.name = "audio"
        self.cpu_s = asyncio.get_running_loop().create_future()
        self.abort: Callable[[], None] = _nothing
        self.gone = asyncio.Event()
        self._left = count
        self._since = 0.0

    def connection_made(self, transport: OurTransport) -> None:
        """The clock starts."""
        self.abort = transport.abort
        self._since = time.process_time()

    def message_received(self, message: bytes) -> None:
        """One more."""
        self._left -= 1
        if not self._left:
            self.cpu_s.set_result(time.process_time() - self._since)

    def connection_lost(self, why: str, was_up: bool) -> None:
        """Too early, or at the end."""
        self.gone.set()
        if not self.cpu_s.done():
            self.cpu_s.set_exception(RuntimeError(why))


class Raw(asyncio.Protocol):
    """The reference."""

    def __init__(self, path: str, size_bytes: int) -> None:
        self.cpu_s = asyncio.get_running_loop().create_future()
        self._path = path
        self._left = size_bytes
        self._since = 0.0
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Upgrade."""
        assert isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "write")
        transport.write(  # type: ignore[union-attr]
            f"GET {self._path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Count."""
        if not self._is_open:
            self._is_open = True
            self._since = time.process_time()
            data = data.partition(b"\r\n\r\n")[2]
        self._left -= len(data)
        if self._left <= 0 and not self.cpu_s.done():
            self.cpu_s.set_result(time.process_time() - self._since)


class Source:
    """`benchmarks.source`, while the ``with`` block runs."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.source"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.ports: dict[str, int] = told["ports"]
        self.tls = client_context(Path(told["ca"]))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def uvloop_connected(source: Source, library: Library, url: str, count: int) -> float:
    """Microseconds of CPU for each message, by a connector."""
    return uvloop.run(_connected(connector(library, source.tls), url, count))


def uvloop_raw(source: Source, scheme: str, path: str, frame_bytes: int, count: int) -> float:
    """The same by the reference."""
    tls = source.tls if scheme == "wss" else None
    return uvloop.run(_raw(source.ports[scheme], tls, path, frame_bytes, count))


async def _connected(connects: Connector, url: str, count: int) -> float:
    receiver = Counting(count)
    await connects.connect(EndpointPolicy(allow_insecure_loopback=True).endpoint(url), receiver)
    cpu_s = await receiver.cpu_s
    receiver.abort()
    await receiver.gone.wait()
    return cpu_s / count * 1e6


async def _raw(port: int, tls: ssl.SSLContext | None, path: str, size_bytes: int, count: int) -> float:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(
        lambda: Raw(path, size_bytes * count), "127.0.0.1", port, ssl=tls
    )
    cpu_s = await protocol.cpu_s
    transport.abort()
    return float(cpu_s / count * 1e6)


def measure(size: Size) -> Result:
    """Every case, every connector, the reference in between."""
    ratio: dict[str, float] = {}
    us: dict[str, Any] = {}
    with Source() as source:
        for scheme in SCHEMES[size]:
            for case, (payload, burst, count, pause_us) in CASES.items():
                if size == "smoke" and pause_us:
                    continue
                many = max(burst, count // 20) if size == "smoke" else count
                path = f"/{payload}/{burst}/{many}/{pause_us}"
                url = f"{scheme}://127.0.0.1:{source.ports[scheme]}{path}"
                frame_bytes = len(frame(message(payload)))
                contestants = {"raw": partial(uvloop_raw, source, scheme, path, frame_bytes, many)} | {
                    library: partial(uvloop_connected, source, library, url, many) for library in LIBRARIES
                }
                times = in_turns(contestants, ROUNDS[size], warm_up=size != "smoke")
                for library in LIBRARIES:
                    key = f"{scheme}_{case}_{library}_times_the_cost"
                    ratio[key] = ratio_of(times[library], times["raw"])
                us[f"{scheme}_{case}"] = {name: statistics.median(found) for name, found in times.items()}
    return Result(ratio, {"cpu_us_per_message": rounded(us)})


if __name__ == "__main__":
    main("receive")
