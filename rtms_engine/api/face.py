"""The engine as the API sees it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from ..model.ids import StreamId
from ..model.media import MediaKind
from ..model.signals import StreamSignal
from ..sinks.base import Sink
from ..stream.worker import StreamStatistics
from ..telemetry.story import Entry
from ..zoom_api.calls import Action


class HandedIn(NamedTuple):
    """What became of a signal."""

    is_new: bool
    """It had not come before."""
    why_not: str
    """Why nothing follows from it; empty: something does."""


class Deleted(NamedTuple):
    """What became of a wish to delete."""

    files: int
    bytes: int
    existed: bool
    """There was anything to delete."""
    is_complete: bool
    """Nothing is left."""


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

    def app_names(self) -> Sequence[str]:
        """The apps whose streams are taken."""

    def may_connect(self, url: str) -> bool:
        """Whether a server is one that streams may be taken from."""

    async def hand_in(self, signal: StreamSignal) -> HandedIn:
        """Take a signal as if Zoom had sent its webhook here. Raises ShuttingDown or JournalError."""

    async def control(self, stream_id: StreamId, action: Action) -> None:
        """Have Zoom pause or resume a stream. Raises KeyError, ConfigError, ZoomApiError, LocalProtocolError."""

    def follow(self, stream_id: StreamId, user_id: int | None) -> None:
        """Choose whose camera a stream shows; None: as configured. Raises KeyError."""

    async def exclude(self, stream_id: StreamId, user_id: int, *, excluded: bool) -> None:
        """Let nothing of a participant reach a sink from now on, or let it again. Raises KeyError, ConfigError."""

    async def delete_stored(self, stream_id: StreamId, by: str) -> Deleted:
        """Delete what is stored of a stream that does not run, for somebody who asked for it."""

    async def write(self, action: str, about: Mapping[str, str | int]) -> None:
        """Write down who did what, in the audit log; it is on the disk when this returns."""

    def note(self, action: str, about: Mapping[str, str | int]) -> None:
        """The same, a moment later."""

    def end_stream(self, stream_id: StreamId) -> None:
        """Ask Zoom to end a stream. Raises KeyError if there is no such stream."""
