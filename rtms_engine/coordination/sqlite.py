"""The journal on disk: ``{state directory}/journal.sqlite3``.

It survives ``kill -9`` and a power cut: WAL with ``synchronous=FULL`` puts the log on the disk before
a commit returns (https://sqlite.org/pragma.html#pragma_synchronous). All of it happens in one thread,
and whatever waits is committed together (`group_commit`).

What cannot be read is kept aside and not repaired: the engine must start, and a person may look.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import structlog

from ..errors import JournalError
from ..model.ids import StreamId
from ..model.signals import (
    AccountSignal,
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
)
from ..threads import opened
from . import sqlite_file
from .base import KEPT_MS, Unfinished, delivery_key
from .group_commit import GroupCommit
from .record import UNHEARD, StreamRecord, ended, heard
from .spelling import read, spelled

FORGOTTEN_AT_ONCE = 1_000
"""Old rows of a table that one commit deletes; more than one adds (`group_commit.MOST_TOGETHER`)."""

_log = structlog.get_logger()

_Result = TypeVar("_Result")
_Stored = TypeVar("_Stored", StreamStarted, StreamStopped)


class JournalStatistics(msgspec.Struct, frozen=True):
    """What a journal did since it was opened."""

    appended: int
    """Signals."""
    repeated: int
    """Signals that were there before."""
    commits: int


class SqliteJournal:
    """Keeps on disk what `rtms_engine.coordination.base.Journal` promises. Made by `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, unix_s: Callable[[], float]) -> None:
        self._path = path
        self._unix_s = unix_s
        self._store = _Store(path, connection)
        self._work = GroupCommit(self._commit)
        self._appended = self._repeated = 0
        self._closed = False

    @classmethod
    async def open(
        cls, directory: Path, unix_s: Callable[[], float], busy_s: float = sqlite_file.BUSY_S
    ) -> Self:
        """Open the journal of a state directory, or begin one; hold the directory's lock meanwhile.

        A file that is corrupt or of another schema is kept beside under a dated name, said in the
        log, and a fresh one is begun.

        Args:
            directory: the state directory; it is made if it is missing.
            unix_s: the wall clock, Unix seconds. Called in the loop and in the journal's thread.
            busy_s: how long a commit waits for somebody who holds the file.

        Raises:
            ConfigError: the directory cannot be used.
        """
        opening = partial(sqlite_file.open_journal, directory, unix_s(), busy_s)
        connection = await opened(opening, sqlite3.Connection.close)
        return cls(directory / sqlite_file.NAME, connection, unix_s)

    def __repr__(self) -> str:
        return f"<SqliteJournal {self._path} appended={self._appended} commits={self._work.commits}>"

    def statistics(self) -> JournalStatistics:
        """The counters as they are now."""
        return JournalStatistics(self._appended, self._repeated, self._work.commits)

    async def append(self, signal: StreamSignal | AccountSignal) -> bool:
        """Remember a signal; see `Journal.append`."""
        text = spelled(signal)
        now_ms = self._now_ms()
        asked = self._submit(lambda store: store.remember(signal, text, now_ms))
        try:
            row = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._take_back)
            raise
        is_new = row is not None
        self._appended += is_new
        self._repeated += not is_new
        return is_new

    async def stream_ended(self, stream_id: StreamId) -> None:
        """Nothing is owed to the stream any more; see `Journal.stream_ended`."""
        await self.mark_expired(stream_id, "")

    async def mark_expired(self, stream_id: StreamId, why: str) -> None:
        """The stream is given up; see `Journal.mark_expired`."""
        now_ms = self._now_ms()
        await self._submit(lambda store: store.end(stream_id, now_ms, why))

    async def unfinished(self) -> Sequence[Unfinished]:
        """The streams to take up; see `Journal.unfinished`."""
        return await self._submit(lambda store: store.unfinished())

    async def close(self) -> None:
        """Finish what is under way and close the file; see `Journal.close`."""
        if not self._closed:
            self._closed = True
            await self._work.close(self._store.close)

    def _now_ms(self) -> int:
        return int(self._unix_s() * 1000)

    def _submit(self, operation: Callable[["_Store"], _Result]) -> asyncio.Future[_Result]:
        if self._closed:
            raise JournalError(str(self._path), "it is closed")
        return self._work.submit(operation)

    def _take_back(self, asked: asyncio.Future[int | None]) -> None:
        """Nobody will act on this delivery, so the next one must not be taken for a repetition.

        Not after `close`: what the delivery said is in `unfinished` after the restart.
        """
        if asked.exception() is None and (row := asked.result()) is not None and not self._closed:
            self._work.submit(lambda store: store.forget(row), first=True)

    def _commit(self, operations: Sequence[Callable[["_Store"], Any]]) -> Sequence[Any]:
        """In the thread."""
        try:
            return self._store.commit(operations, self._now_ms() - KEPT_MS)
        except sqlite3.Error as error:
            raise JournalError(str(self._path), str(error)) from error


class _Store:
    """The tables; to be used by one thread at a time, within `commit`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._sql = connection.execute

    def commit(self, operations: Sequence[Callable[[Self], Any]], oldest_ms: int) -> Sequence[Any]:
        """Carry out all operations or none, and forget some of what is older than ``oldest_ms``."""
        self._sql("BEGIN IMMEDIATE")
        try:
            results = [operation(self) for operation in operations]
            self._prune(oldest_ms)
            self._sql("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # after some errors SQLite has rolled back by itself
                self._sql("ROLLBACK")
            raise
        return results

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def remember(self, signal: StreamSignal | AccountSignal, text: str, now_ms: int) -> int | None:
        """Insert a delivery and note what it says; the delivery's row, or None if it was there."""
        kind, event_ts_ms, entity_id, stream_id = delivery_key(signal) or (
            type(signal).__name__,
            signal.event_ts_ms,
            None,
            None,
        )
        inserted = self._sql(
            "INSERT INTO deliveries (accepted_ms, kind, event_ts_ms, entity_id, stream_id, signal)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (now_ms, kind, event_ts_ms, entity_id, stream_id, text),
        )
        if inserted.rowcount == 0:
            return None
        if isinstance(signal, StreamStarted | StreamInterrupted | StreamStopped):
            known = self._record(signal.stream_id)
            self._put(signal.stream_id, known, heard(known, signal, now_ms))
        return inserted.lastrowid

    def forget(self, row: int) -> None:
        """Delete a delivery, and leave what it said."""
        self._sql("DELETE FROM deliveries WHERE id = ?", (row,))

    def end(self, stream_id: StreamId, now_ms: int, why: str) -> None:
        """Nothing is owed to the stream any more."""
        known = self._record(stream_id)
        self._put(stream_id, known, ended(known, now_ms, why))

    def unfinished(self) -> Sequence[Unfinished]:
        """What is owed, the longest accepted first."""
        rows = self._sql(
            "SELECT stream_id, start, stop, accepted_ms, ended_ms, ended_why FROM streams"
            " WHERE ended_ms IS NULL ORDER BY accepted_ms, rowid"
        ).fetchall()
        return [found for row in rows if (found := self._read(*row).unfinished)]

    def _record(self, stream_id: StreamId) -> StreamRecord:
        row = self._sql(
            "SELECT stream_id, start, stop, accepted_ms, ended_ms, ended_why FROM streams WHERE stream_id = ?",
            (stream_id,),
        ).fetchone()
        return UNHEARD if row is None else self._read(*row)

    def _read(
        self,
        stream_id: str,
        start: str | None,
        stop: str | None,
        accepted_ms: int,
        ended_ms: int | None,
        ended_why: str,
    ) -> StreamRecord:
        started = self._signal(stream_id, start, StreamStarted)
        stopped = self._signal(stream_id, stop, StreamStopped)
        return StreamRecord(started, stopped, accepted_ms, ended_ms, ended_why)

    def _signal(self, stream_id: str, text: str | None, kind: type[_Stored]) -> _Stored | None:
        """Read a stored signal; one that cannot be read must not keep the others from being taken up."""
        try:
            return None if text is None else read(text, kind)
        except ValueError as error:
            _log.error("JournalEntryUnreadable", path=str(self._path), stream_id=stream_id, reason=str(error))
            return None

    def _put(self, stream_id: StreamId, known: StreamRecord, record: StreamRecord) -> None:
        if record is known:
            return
        self._sql(
            "INSERT OR REPLACE INTO streams (stream_id, start, stop, accepted_ms, ended_ms, ended_why)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                stream_id,
                record.start and spelled(record.start),
                record.stop and spelled(record.stop),
                record.accepted_ms,
                record.ended_ms,
                record.ended_why,
            ),
        )

    def _prune(self, oldest_ms: int) -> None:
        [[first, accepted_ms]] = self._sql("SELECT min(id), accepted_ms FROM deliveries")
        if first is not None and accepted_ms < oldest_ms:
            self._sql(
                "DELETE FROM deliveries WHERE id < ? AND accepted_ms < ?",
                (first + FORGOTTEN_AT_ONCE, oldest_ms),
            )
        self._sql(
            "DELETE FROM streams WHERE rowid IN"
            " (SELECT rowid FROM streams WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?)",
            (oldest_ms, FORGOTTEN_AT_ONCE),
        )
