"""The engine as the API sees it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ..model.ids import StreamId
from ..model.media import MediaKind
from ..sinks.base import Sink
from ..stream.worker import StreamStatistics
from ..telemetry.story import Entry


class EngineFace(Protocol):
    """What `rtms_engine.engine.Engine` shows of itself."""

    def live_streams(self) -> Mapping[StreamId, StreamStatistics]:
        """The streams that run now."""

    def recent_streams(self) -> Sequence[StreamStatistics]:
        """The streams that ended, oldest first."""

    def story(self, stream_id: str) -> Sequence[Entry]:
        """What happened to a stream, in words; empty if it is not known."""

    def watch(
        self, stream_id: StreamId, make: Callable[[], Sink], kinds: frozenset[MediaKind]
    ) -> AbstractContextManager[None]:
        """Let a sink have what comes of a stream. Raises LookupError on entering if it does not run."""

    def listen(self, stream_id: str, listener: Callable[[Entry], None]) -> AbstractContextManager[None]:
        """Call a function with every new entry of a stream's story."""

    def end_stream(self, stream_id: StreamId) -> None:
        """Ask Zoom to end a stream. Raises KeyError if there is no such stream."""
