"""Takes lines for the audit log from the event loop, which does not wait for the disk."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from .chain import About, BrokenChainError
from .log import AuditLog, Line

MOST_WAITING = 10_000
"""Lines that may wait for the disk. What is beyond is counted, and the number is a line of its own."""

_log = structlog.get_logger()


class AuditWriter:
    """Writes while its ``async with`` block runs; what was noted is written when it ends.

    Args:
        log: None: there is none, and nothing is written.
        unix_ms: the wall clock.
    """

    def __init__(self, log: AuditLog | None, unix_ms: Callable[[], int]) -> None:
        self._audit = log
        self._unix_ms = unix_ms
        self._waiting: list[Line] = []
        self._missing = 0
        self._written: list[asyncio.Future[None]] = []
        """Who waits for what was noted so far."""
        self._news = asyncio.Event()
        self._is_ending = False
        self._tasks = asyncio.TaskGroup()

    def __repr__(self) -> str:
        return f"<AuditWriter {self._audit and self._audit.path} waiting={len(self._waiting)}>"

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self._write(), name="audit")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_ending = True
        self._news.set()
        # Not told of `exc`, the group waits for the last lines, and `exc` stays what it is.
        await self._tasks.__aexit__(None, None, None)

    def note(self, action: str, about: About) -> None:
        """A line; it is on the disk a moment later."""
        if self._audit is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._missing += 1
            return
        self._waiting.append((self._unix_ms(), action, about))
        self._news.set()

    async def flush(self) -> None:
        """Wait until what was noted is on the disk, or could not be written. Cancelling it loses nothing."""
        if self._audit is None:
            return
        written = asyncio.get_running_loop().create_future()
        self._written.append(written)
        self._news.set()
        await written

    async def _write(self) -> None:
        while not self._is_ending or self._waiting or self._written:
            await self._news.wait()
            self._news.clear()
            lines, self._waiting = self._waiting, []
            heard, self._written = self._written, []
            if self._missing:
                lines.append((self._unix_ms(), "lines_missing", {"count": self._missing}))
                self._missing = 0
            try:
                if lines and self._audit is not None:
                    await asyncio.to_thread(self._audit.append_all, lines)
            except (OSError, BrokenChainError) as error:
                _log.error("AuditFailed", lines=len(lines), last_action=lines[-1][1], reason=str(error))
            for one in heard:
                if not one.done():
                    one.set_result(None)
