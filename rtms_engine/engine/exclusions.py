"""Whom somebody asked to exclude from a stream while it runs: remembered until the stream is over.

On disk too, by number alone, so that the next engine goes on so.
"""

import asyncio

import msgspec

from ..coordination.shelf import Shelf
from ..model.ids import StreamId

PLACE = "exclusions"
"""Below the state directory."""

_decode = msgspec.json.Decoder(frozenset[int]).decode


class Exclusions:
    """Of every stream that runs.

    Args:
        shelf: None: they are forgotten with the engine.
    """

    def __init__(self, shelf: Shelf | None) -> None:
        self._shelf = shelf
        self._of: dict[StreamId, frozenset[int]] = {}

    def of(self, stream_id: StreamId, *, resumed: bool) -> frozenset[int]:
        """Who is excluded of a stream that begins; ``resumed``: an earlier engine had it. May read a file."""
        if resumed and stream_id not in self._of and self._shelf is not None:
            content = self._shelf.get(stream_id)
            try:
                self._of[stream_id] = _decode(content or b"[]")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._of[stream_id] = frozenset()
        return self._of.get(stream_id, frozenset())

    async def change(self, stream_id: StreamId, user_id: int, *, excluded: bool) -> None:
        """Remember it. Raises OSError if it cannot be kept; it holds for this engine all the same."""
        before = self._of.get(stream_id, frozenset())
        self._of[stream_id] = now = before | {user_id} if excluded else before - {user_id}
        if self._shelf is not None:
            await asyncio.to_thread(self._shelf.put, stream_id, msgspec.json.encode(sorted(now)))

    async def ended(self, stream_id: StreamId) -> None:
        """The stream is over."""
        if self._of.pop(stream_id, None) is not None and self._shelf is not None:
            await asyncio.to_thread(self._shelf.forget, stream_id)
