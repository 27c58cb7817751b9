"""The way of a queue's tail to the disk and back."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from ..sinks.base import Item
from .sink_queue import SinkQueue


class SpillFile(Protocol):
    """Items on disk, first in, first out. Its methods block, and raise OSError."""

    def append(self, items: Sequence[Item]) -> None:
        """Add items: all of them, or none if it raises."""

    def take(self) -> Sequence[Item]:
        """The next items, taken off the disk; none if there are none."""

    @property
    def waiting_bytes(self) -> int:
        """What is in there."""

    def close(self) -> None:
        """Delete everything."""


class Overspill:
    """Writes the tail of a queue to a file, and reads it back when the queue is empty."""

    def __init__(self, queue: SinkQueue, file: SpillFile, failed: Callable[[OSError], None]) -> None:
        """``failed`` is called when the disk takes nothing more; what was for it is lost."""
        self._queue = queue
        self._file = file
        self._failed = failed
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something in the tail."""
        self._wake.set()

    async def run(self) -> None:
        """Write the tail, until this is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            async with self._one_at_a_time:
                await self._write()

    async def _write(self) -> None:
        while chunk := self._queue.take_tail():
            try:
                await asyncio.to_thread(self._file.append, chunk)
            except OSError as error:
                self._queue.lose(chunk)
                self._failed(error)
            self._note()

    async def take(self) -> Sequence[Item]:
        """The next batch of what spilled; none: all has been read, and the tail is the queue again."""
        async with self._one_at_a_time:
            try:
                batch = await asyncio.to_thread(self._file.take)
                self._queue.note_read(batch)
            except OSError as error:
                self._queue.lose_spilled()
                self._failed(error)
                batch = ()
            self._note()
            if not batch:
                self._queue.end_spilling()
            return batch

    def _note(self) -> None:
        if self._queue.is_spilling:
            self._queue.spilled_bytes = self._file.waiting_bytes

    def close(self) -> None:
        """Delete what is on disk."""
        self._file.close()
