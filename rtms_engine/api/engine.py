"""The engine itself: its load, what waits, what is free."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from ..stream.sink_runner import SinkStatistics
from .operation import Call, Operation


class ProcessStatus(msgspec.Struct, frozen=True):
    """A process of the engine."""

    name: str
    """``engine``, or the number of one that streams run in."""
    streams: int
    load: float
    """Share of one core."""
    lag_s: float
    """The longest that anything had to wait for its turn lately."""


class SinkQueue(msgspec.Struct, frozen=True):
    """What waits for a sink, in all streams that run together."""

    name: str
    streams: int
    queued: int
    """Items in memory."""
    queued_bytes: int
    spilled_bytes: int
    """On disk."""
    dropped: int
    failures: int


class Disk(msgspec.Struct, frozen=True):
    """Where a sink writes."""

    directory: str
    free_bytes: int


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine fares."""

    version: str
    started_ms: int
    """Unix milliseconds."""
    uptime_s: float
    draining: bool
    """It takes no more streams, and ends when those that run are over."""
    streams: int
    """That run."""
    ended: dict[str, int]
    """Streams that ended since the start, by stop reason."""
    memory_mb: float
    processes: list[ProcessStatus]
    sinks: list[SinkQueue]
    disks: list[Disk]
    webhooks: Mapping[str, int]
    """By what became of them."""


def queues(sinks: Iterable[SinkStatistics]) -> list[SinkQueue]:
    """The sums by the name of the sink."""
    by_name: dict[str, list[SinkStatistics]] = {}
    for sink in sinks:
        by_name.setdefault(sink.name, []).append(sink)
    return [
        SinkQueue(
            name,
            len(mine),
            sum(one.queued for one in mine),
            sum(one.queued_bytes for one in mine),
            sum(one.spilled_bytes for one in mine),
            sum(one.dropped for one in mine),
            sum(one.failures for one in mine),
        )
        for name, mine in sorted(by_name.items())
    ]


def engine_operation(status: Callable[[], EngineStatus]) -> Operation:
    """``GET /api/v1/engine``."""

    async def handle(_call: Call) -> EngineStatus:
        return status()

    return Operation(
        "GET",
        "/api/v1/engine",
        "getEngine",
        "The engine's load, queues, disks and webhooks.",
        handle,
        answer=EngineStatus,
    )
