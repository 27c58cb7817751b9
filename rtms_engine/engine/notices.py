"""What is told to those who want to be notified of streams and recordings."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..config import Config
from ..errors import ConfigError
from ..notifications.notifier import Facts, Notifier
from ..notifications.progress import Outcome, Told
from ..retention.keeper import Removal
from ..sinks.base import DeletionCause, Ending, StreamInfo
from ..telemetry.story import Entry
from .terms import InForce


class Notices:
    """Tells while its ``async with`` block runs.

    Args:
        terms: they have the recording sinks.
        config: whom to tell; this is not reloaded.
        facts: what is known of a stream, by its id.
        unix_s: the wall clock.

    Raises:
        ConfigError: somebody wants to be told, and there is no place where messages could wait.
    """

    def __init__(self, terms: InForce, config: Config, facts: Facts, unix_s: Callable[[], float]) -> None:
        self._terms = terms
        self._notifier = _notifier(config, facts, unix_s)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        await (self._notifier or contextlib.nullcontext()).__aenter__()
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await (self._notifier or contextlib.nullcontext()).__aexit__(exc_type, exc, traceback)

    def hear(self, stream_id: str, entry: Entry) -> None:
        """The story of a stream goes on."""
        if self._notifier is not None:
            self._notifier.hear(stream_id, entry)

    def deleted(self, removal: Removal, cause: DeletionCause) -> None:
        """What a sink had stored is gone. Called in any thread."""
        if self._notifier is None or self._loop is None:
            return
        if removal.sink in self._terms().factory.recording_sinks:
            outcome = Outcome("deleted", cause=cause)
            self._loop.call_soon_threadsafe(self._notifier.tell_of_recording, removal.kept.stream_id, outcome)

    async def ended(self, stream: StreamInfo, ending: Ending) -> None:
        """A stream is over, and its sinks are done."""
        if self._notifier is None:
            return
        reason = ending.stop_reason
        facts = {"stop_reason": reason.name, "code": int(reason), "detail": ending.detail}
        self._notifier.tell(Told("stream.stopped", stream.stream_id, ending.timestamp_ms, facts))
        for root in self._terms().factory.recording_roots:
            outcome = await asyncio.to_thread(_outcome, root, stream)
            if outcome is not None:
                self._notifier.tell_of_recording(stream.stream_id, outcome)


def facts_of(stream: StreamInfo | None) -> dict[str, Any]:
    """What a notice says of its stream."""
    if stream is None:
        return {}
    return {
        "app": stream.app,
        "product": stream.product.name,
        "meeting": stream.entity_id,
        "meeting_id": stream.meeting_id,
    }


def _notifier(config: Config, facts: Facts, unix_s: Callable[[], float]) -> Notifier | None:
    if not config.notifications:
        return None
    if not config.state.directory:
        raise ConfigError(["notifications: need [state] directory"])
    return Notifier(config.notifications, Path(config.state.directory), facts, unix_s)


def _outcome(root: Path, stream: StreamInfo) -> Outcome | None:
    """How the newest recording of a stream ended. Blocks."""
    from ..recording import manifest  # which needs codecs

    for folder in reversed(manifest.recordings_of(root, stream.entity_id, stream.stream_id)):
        if tombstone := manifest.load_tombstone(folder):
            return Outcome("deleted", cause=tombstone.cause)
        if done := manifest.load(folder):
            kinds = [one.kind for one in done.artefacts]
            return Outcome(done.state, kinds, done.failure)
    return None
