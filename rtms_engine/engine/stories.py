"""What happened to each stream, in words: heard from the log, remembered, and kept for the next engine."""

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ..api.chronicle import Face, StoryKeeper
from ..coordination.shelf import Shelf
from ..model.retention import Retention
from ..telemetry.story import Entry, Note, StoryBook, hearing
from ..telemetry.tap import tap, untap


class Stories:
    """Hears while its ``async with`` block runs.

    Args:
        engine: who knows the streams.
        shelf: where stories are kept; None: nowhere.
        policies: for how long, by app; see `StoryKeeper`.
        unix_s: the wall clock.
        also: told of every entry too.
    """

    def __init__(
        self,
        engine: Face,
        shelf: Shelf | None,
        policies: Callable[[], Mapping[str, Retention]],
        unix_s: Callable[[], float],
        also: Note,
    ) -> None:
        self.book = StoryBook()
        self._keeper = StoryKeeper(engine, shelf, policies, unix_s) if shelf is not None else None
        self._also = also
        self._hearing = hearing(self.note, lambda: int(unix_s() * 1000))
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.listen_to_the_log()
            stack.callback(untap, self._hearing)
            await stack.enter_async_context(self._keeper or contextlib.nullcontext())
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._running.aclose()

    def listen_to_the_log(self) -> None:
        """Once more, if somebody may have configured the log anew."""
        tap(self._hearing)

    def note(self, stream_id: str, entry: Entry) -> None:
        """A story goes on."""
        self.book.note(stream_id, entry)
        if self._keeper is not None:
            self._keeper.changed(stream_id, entry)
        self._also(stream_id, entry)

    def recall(self, stream_id: str) -> None:
        """The story of a stream that is taken up goes on where an earlier engine left it."""
        if self._keeper is not None:
            self.book.recall(stream_id, self._keeper.recall(stream_id))

    def forget(self, stream_id: str) -> None:
        """Keep nothing of a stream any more."""
        if self._keeper is not None:
            self._keeper.forget(stream_id)
