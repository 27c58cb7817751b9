"""The sink behind ``async for``: a program that embeds the engine takes the items itself.

`Engine.streams` makes one `FeedSink` for every stream. A program that is slow makes its feed wait, and
nothing else; one that stops reading a feed gets nothing more of it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from .base import Ending, Item, StreamInfo

MOST_WAITING = 1_000
"""Items in a feed beyond which the sink waits; the queue before it is bounded by itself."""


class Feed:
    """One stream, as an asynchronous iterator over its frames and events.

    ``info`` says which stream it is; ``ending`` is set once the iteration is over.
    """

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.ending: Ending | None = None
        self._items: deque[Item] = deque()
        self._is_read = True
        self._changed = asyncio.Condition()

    def __repr__(self) -> str:
        return f"<Feed {self.info.stream_id} waiting={len(self._items)}>"

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Every item once, in order. To be iterated once."""
        try:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._items or self.ending)
                    items, self._items = self._items, deque()
                    self._changed.notify_all()
                for item in items:
                    yield item
                if self.ending is not None and not self._items:
                    return
        finally:
            self._is_read = False
            async with self._changed:
                self._changed.notify_all()

    async def put(self, batch: Sequence[Item]) -> None:
        """Hand a batch on, as soon as there is room for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._items) < MOST_WAITING or not self._is_read)
            if self._is_read:
                self._items.extend(batch)
                self._changed.notify_all()

    async def end(self, ending: Ending) -> None:
        """Nothing more comes."""
        async with self._changed:
            self.ending = ending
            self._changed.notify_all()


class FeedSink:
    """Fills the feed of one stream."""

    def __init__(self, offer: Callable[[Feed], None]) -> None:
        """``offer`` is called with the feed when the stream starts."""
        self._offer = offer
        self._feed: Feed | None = None

    async def open(self, stream: StreamInfo) -> None:
        """Make the feed and offer it."""
        self._feed = Feed(stream)
        self._offer(self._feed)

    async def write(self, batch: Sequence[Item]) -> None:
        """Wait until the program has room."""
        assert self._feed is not None  # noqa: S101 - the contract: `open` comes first
        await self._feed.put(batch)

    async def close(self, ending: Ending) -> None:
        """The program may still read what is in the feed."""
        assert self._feed is not None  # noqa: S101 - the contract: `open` comes first
        await self._feed.end(ending)
