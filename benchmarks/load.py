"""One load, carried by one contestant: both in processes of their own, watched from a third."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from .contestants import Task
from .zoom import Load

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_IDLE, _PATIENCE = 0.1, 60
"""A share of a core; so many times is looked."""
_SETTLE_S = 1.0
"""To wait for what is on its way; less if the load is short."""


class Carried(msgspec.Struct, frozen=True):
    """How a contestant carried a load."""

    sent: int
    heard: int
    cpu_us_per_frame: float
    """Of the contestant's processes together."""
    latency_ms: dict[str, float]
    """From the send to the callback; ``p50``, ``p99``, ``p999``, ``max``."""
    keep_alive_ms: dict[str, float]
    """From a request to its answer; ``p50``, ``max``."""
    collector: dict[str, float]
    """Pauses by the garbage collector: ``count``, ``sum_ms``, ``max_ms``."""
    lag_ms: float
    """The longest that anything had to wait for its turn in the contestant's event loop."""
    memory_kb: int
    """Resident, all processes together, with the load running."""
    cpu_share: float
    """Cores in use."""
    zoom_cpu_share: float
    """Of the load's own process: near 1, and it is the limit."""

    @property
    def lost(self) -> int:
        """Frames that did not arrive."""
        return self.sent - self.heard

    def holds(self, *, p99_ms: float = 100.0) -> bool:
        """Whether nothing was lost and everything was in time."""
        return not self.lost and self.latency_ms.get("p99", 1e9) < p99_ms


class Carrying:
    """Both processes, while the ``with`` block runs; ready when every stream is live."""

    def __init__(
        self, contestant: str, load: Load, *, variant: str = "", workers: int = 1, patience_s: float = 120.0
    ) -> None:
        if contestant == "sdk":
            load = msgspec.structs.replace(load, host="localhost")  # it takes no address for a name
        self._zoom = _process("benchmarks.zoom")
        opened = _ask(self._zoom, msgspec.to_builtins(load))
        task = Task(
            port=opened["port"],
            ca=opened["ca"],
            streams=load.streams,
            every_ms=load.every_ms,
            transcript=load.transcript,
            secure=load.secure,
            host=load.host,
            variant=variant,
            workers=workers,
        )
        self._contestant = _process("benchmarks.contestants", contestant)
        begun = time.monotonic()
        _say(self._contestant, msgspec.to_builtins(task))
        watch = threading.Timer(patience_s, self._zoom.kill)
        watch.start()
        _hear(self._zoom)
        watch.cancel()
        self.live_s = time.monotonic() - begun
        self._settle_s = min(_SETTLE_S, load.seconds)
        time.sleep(self._settle_s)
        self.memory_idle_kb = self.memory_kb()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        for process in (self._contestant, self._zoom):
            process.kill()
            process.communicate()

    def memory_kb(self) -> int:
        """Resident memory of the contestant."""
        return sum(_resident_kb(pid) for pid in _family(self._contestant.pid))

    def _wait_until_idle(self) -> None:
        """What was sent may be on its way still: until the contestant has hardly anything to do."""
        for _ in range(_PATIENCE):
            before = sum(map(_cpu_s, _family(self._contestant.pid)))
            time.sleep(self._settle_s)
            if sum(map(_cpu_s, _family(self._contestant.pid))) - before <= _IDLE * self._settle_s:
                return

    def carry(self) -> Carried:
        """Let the load say all it has, once."""
        family = _family(self._contestant.pid)
        _ask(self._contestant, "report")  # and forget it
        before, zoom_before, begun = sum(map(_cpu_s, family)), _cpu_s(self._zoom.pid), time.monotonic()
        sent = _ask(self._zoom, "go")
        elapsed = time.monotonic() - begun
        used, zoom_used = sum(map(_cpu_s, family)) - before, _cpu_s(self._zoom.pid) - zoom_before
        memory_kb = self.memory_kb()
        self._wait_until_idle()
        heard = _ask(self._contestant, "report")
        return Carried(
            sent=sent["sent"],
            heard=heard["heard"],
            cpu_us_per_frame=used / max(sent["sent"], 1) * 1e6,
            latency_ms=heard.get("latency_ms", {}),
            keep_alive_ms=sent["keep_alive_ms"],
            collector=heard.get("collector", {}),
            lag_ms=heard.get("lag_ms", 0.0),
            memory_kb=memory_kb,
            cpu_share=used / elapsed,
            zoom_cpu_share=zoom_used / elapsed,
        )


def carry(contestant: str, load: Load, **options: Any) -> Carried:
    """One load from its start to its end."""
    with Carrying(contestant, load, **options) as carrying:
        return carrying.carry()


def _process(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _say(process: subprocess.Popen[str], line: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args} ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _ask(process: subprocess.Popen[str], line: Any) -> dict[str, Any]:
    _say(process, line)
    return _hear(process)


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    family = [pid]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has just ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                family += _family(int(child))
    return family


def _cpu_s(pid: int) -> float:
    """Of one process; 0 if it has just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
