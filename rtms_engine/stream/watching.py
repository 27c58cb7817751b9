"""Sinks that come and go while a stream runs, for those who watch it. They ask Zoom for nothing."""

from collections.abc import Callable

from ..model.media import MediaKind
from ..sinks.base import Sink
from ..sinks.delivery import Delivery, Overflow
from .sink_runner import SinkRunner

WATCHED = Delivery(
    queue_items=5_000,
    queue_mb=16.0,
    linger_s=0.0,
    overflow=Overflow(transcript="drop_oldest", chat="drop_oldest", event="drop_oldest"),
    timeout_s=0.0,
    retries=0,
    restarts=0,
    close_timeout_s=5.0,
)
"""How somebody who watches is fed: at once, and whoever is slow misses something."""


def watcher(make: Callable[[], Sink], kinds: frozenset[MediaKind]) -> SinkRunner:
    """The runner of somebody who watches."""
    return SinkRunner("watch", make, kinds, WATCHED)
