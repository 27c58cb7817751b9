"""What the benchmarks share: their list, the shape of a result, the JSON line, and turns taken in fairness."""

import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

import msgspec

Size = Literal["smoke", "short", "full"]
SIZES: tuple[Size, ...] = ("smoke", "short", "full")

REGISTRY: Mapping[str, str] = {
    "decode": "benchmarks.decode",
    "receive": "benchmarks.receive",
    "pipeline": "benchmarks.pipeline",
    "streams": "benchmarks.streams",
    "recorded": "benchmarks.recorded",
    "takeover": "benchmarks.takeover",
    "peers": "benchmarks.peers",
    "webhooks": "benchmarks.webhooks",
    "memory": "benchmarks.memory",
    "sessions": "benchmarks.sessions",
    "recording": "benchmarks.recording",
}
"""Every benchmark, by its name, in the order of the table."""

SHORT_SET = ("decode", "receive", "pipeline", "streams", "peers", "webhooks", "memory", "recording")
"""What ``python -m benchmarks`` runs if nothing is named: some five minutes."""

PACKAGES = ("rtms-engine", "msgspec", "pybase64", "websockets", "picows", "uvloop", "aiohttp", "rtms")
"""Whose versions stand in the line, where they are installed."""


class Series(msgspec.Struct, frozen=True):
    """One line of a plot: how ``y`` grows with ``x``."""

    name: str
    x: str
    y: str
    points: list[tuple[float, float]]


class Result(msgspec.Struct, frozen=True):
    """What a benchmark found."""

    ratio: dict[str, float]
    """Against the reference of the same run; the name says which way is good (``times_faster``,
    ``times_the_cost``)."""
    figures: dict[str, Any] = {}
    """Absolute numbers, with their units in the keys: of this machine and this hour only."""
    series: list[Series] = []


class Benchmark(Protocol):
    """A module of this package."""

    QUESTION: str

    def measure(self, size: Size) -> Result:
        """Run it."""


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises KeyError."""
    return cast(Benchmark, importlib.import_module(REGISTRY[name]))


def line(name: str, size: Size, result: Result) -> dict[str, Any]:
    """The JSON line of a run: enough to tell which machine and which code it speaks of."""
    return {
        "benchmark": name,
        "size": size,
        "ratio": {key: round(value, 3) for key, value in result.ratio.items()},
        "figures": result.figures,
        "commit": _commit(),
        "machine": {
            "system": platform.system(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


def main(name: str) -> None:
    """Run one benchmark, for ``python -m benchmarks.NAME [SIZE]``."""
    size = cast(Size, sys.argv[1] if len(sys.argv) > 1 else "short")
    if size not in SIZES:
        raise SystemExit(f"{size!r} is no size; there are {', '.join(SIZES)}")
    print(json.dumps(line(name, size, benchmark(name).measure(size))))


T = TypeVar("T")


def in_turns(
    contestants: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: bool = False
) -> dict[str, list[T]]:
    """What each gave, round by round: A B C A B C, so that a busy minute of the machine hits all alike."""
    if warm_up:
        for function in contestants.values():
            function()
    results: dict[str, list[T]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, function in contestants.items():
            results[name].append(function())
    return results


def ratio_of(ours: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios of the rounds."""
    return statistics.median(a / b for a, b in zip(ours, reference, strict=True))


def rounded(value: Any) -> Any:
    """Numbers with three significant digits, at any depth."""
    match value:
        case float():
            return float(f"{value:.3g}")
        case dict():
            return {key: rounded(inner) for key, inner in value.items()}
        case _:
            return value


def _commit() -> str:
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        found = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((row.partition(":")[2].strip() for row in lines if row.startswith("model name")), "")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
