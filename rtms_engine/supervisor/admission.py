"""Whether a stream may start: how many there are, whose, and what this machine has left. Pure."""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

import msgspec

from ..model.signals import StreamStarted


class Limits(Protocol):
    """What is allowed; `rtms_engine.config.LimitsConfig` is one."""

    @property
    def max_streams(self) -> int:
        """How many streams may run."""

    @property
    def one_stream_per_meeting(self) -> Literal["all", "first", "host"]:
        """Which ones, if several users of an app stream one meeting."""

    @property
    def min_free_disk_mb(self) -> int:
        """Megabytes; 0: any."""

    @property
    def max_memory_mb(self) -> int:
        """Megabytes; 0: any."""


class LiveStream(Protocol):
    """A stream that runs and is not about to end; `rtms_engine.sinks.base.StreamInfo` is one."""

    @property
    def app(self) -> str:
        """The name of its app."""

    @property
    def entity_id(self) -> str:
        """The id of its meeting."""


class Resources(msgspec.Struct, frozen=True):
    """What this machine has; see `rtms_engine.supervisor.resources.look`."""

    free_disk_mb: Mapping[str, float] = {}
    """By directory; one that is not here is not known, and not held against a stream."""
    memory_mb: float = 0.0
    """In use by this process; 0 if not known."""


def admit(
    start: StreamStarted, live: Collection[LiveStream], limits: Limits, resources: Resources
) -> str | None:
    """Decide about a stream that would be a new one; a failover of a live stream is none.

    Args:
        start: its webhook.
        live: the streams that run. One that has ended and whose sinks are still being finished must not
            be among them: it would keep its own restart from being the meeting's first stream.
        limits: what is allowed.
        resources: what this machine has.

    Returns:
        None if it may start, else why not, as a sentence.
    """
    return _too_many(live, limits) or _of_meeting(start, live, limits) or _memory_full(limits, resources)


def full_disks(limits: Limits, resources: Resources) -> Mapping[str, str]:
    """The directories in which nothing new may begin, and why, as a sentence.

    A disk that is nearly full concerns the sinks that write to it: the others may have the stream.
    """
    return {
        directory: f"{free_mb:.0f} MB are free for {directory}, and [limits] min_free_disk_mb wants "
        f"{limits.min_free_disk_mb}"
        for directory, free_mb in resources.free_disk_mb.items()
        if free_mb < limits.min_free_disk_mb
    }


def _too_many(live: Collection[LiveStream], limits: Limits) -> str | None:
    if len(live) < limits.max_streams:
        return None
    return f"{len(live)} streams run, and [limits] max_streams allows {limits.max_streams}"


def _of_meeting(start: StreamStarted, live: Collection[LiveStream], limits: Limits) -> str | None:
    """The policy of meetings that several users stream.

    ``host``: a stream that Zoom says is not the original host's is refused. Where Zoom does not say
    (Video SDK, Contact Center), the first stream is taken.
    """
    setting = f'[limits] one_stream_per_meeting is "{limits.one_stream_per_meeting}"'
    is_host = start.is_original_host if limits.one_stream_per_meeting == "host" else None
    if limits.one_stream_per_meeting == "all" or is_host:
        return None
    if is_host is False:
        return f"it is not the original host's, and {setting}"
    if any((other.app, other.entity_id) == (start.app, start.entity_id) for other in live):
        return f"another stream of this meeting runs, and {setting}"
    return None


def _memory_full(limits: Limits, resources: Resources) -> str | None:
    if not limits.max_memory_mb or resources.memory_mb < limits.max_memory_mb:
        return None
    return (
        f"{resources.memory_mb:.0f} MB of memory are in use, and [limits] max_memory_mb allows "
        f"{limits.max_memory_mb}"
    )
