"""Opens the journal's file: makes it, checks it, and keeps aside what cannot be used."""

import contextlib
import itertools
import os
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

import structlog

from .directory import private_directory, private_file, unusable

NAME = "journal.sqlite3"
SCHEMA_VERSION = 1
"""``PRAGMA user_version``; to be counted up with every change of `_SCHEMA`."""

BUSY_S = 1.0
"""How long a commit waits for somebody who reads the file, in seconds; a webhook has 2 s."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    accepted_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    event_ts_ms INTEGER NOT NULL,
    entity_id TEXT,  -- NULL, as stream_id, for a signal of an account: to SQL, NULL never equals NULL
    stream_id TEXT,
    signal TEXT NOT NULL,  -- JSON
    UNIQUE (stream_id, event_ts_ms, kind, entity_id)  -- V1.md 1.6
);
CREATE TABLE streams (
    stream_id TEXT NOT NULL PRIMARY KEY,
    start TEXT,  -- JSON; NULL if only a stop has been heard
    stop TEXT,  -- JSON
    accepted_ms INTEGER NOT NULL,
    ended_ms INTEGER,  -- NULL: something is still owed
    ended_why TEXT NOT NULL
);
CREATE INDEX streams_by_end ON streams (ended_ms);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_log = structlog.get_logger()


class _Fault(NamedTuple):
    """Why a file is not a journal of this version."""

    mark: str
    """Goes into the name under which the file is kept."""
    reason: str


def open_journal(directory: Path, now_s: float, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """Open the journal of a directory, or begin one. Blocks.

    Args:
        directory: the state directory; it is made if it is missing.
        now_s: Unix seconds, for the name of what is kept aside.
        busy_s: how long to wait for somebody who holds the file.

    Returns:
        A connection in autocommit mode, for one thread at a time.

    Raises:
        ConfigError: the directory cannot be used.
    """
    private_directory(directory)
    path = directory / NAME
    try:
        return _connect(path, now_s, busy_s)
    except OSError as error:
        raise unusable(path, error) from error
    except sqlite3.Error as error:
        raise unusable(path, str(error)) from error


def _connect(path: Path, now_s: float, busy_s: float) -> sqlite3.Connection:
    os.close(private_file(path))  # its -wal and -shm get the same mode
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        if fault := _fault(connection):
            # Before the file is closed: SQLite would then delete the log.
            _keep_aside(path, fault, now_s)
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if _is_empty(connection):
                connection.executescript(_SCHEMA)
            _sync(path.parent)
            undo.pop_all()
            return connection
    return _connect(path, now_s, busy_s)  # there is nothing now


def _fault(connection: sqlite3.Connection) -> _Fault | None:
    try:
        [[version]] = connection.execute("PRAGMA user_version")
        if version != SCHEMA_VERSION and not _is_empty(connection):
            reason = f"its schema is {version}, this version of the engine reads {SCHEMA_VERSION}"
            return _Fault(f"schema{version}", reason)
        [[verdict]] = connection.execute("PRAGMA quick_check(1)")
    except sqlite3.DatabaseError as error:
        if _is_corrupt(error):
            return _Fault("corrupt", str(error))
        raise
    return None if verdict == "ok" else _Fault("corrupt", " ".join(verdict.split()))


def _is_empty(connection: sqlite3.Connection) -> bool:
    [[tables]] = connection.execute("SELECT count(*) FROM sqlite_master")
    return not tables


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Whether the content is to blame, and not the disk, the rights or another process."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _keep_aside(path: Path, fault: _Fault, now_s: float) -> None:
    """Rename the file, its log first: SQLite would take a log without its file for the new file's."""
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    name = f"{path.name}.{fault.mark}-{date}"
    names = itertools.chain([name], (f"{name}-{again}" for again in itertools.count(2)))
    kept = next(kept for name in names if not (kept := path.with_name(name)).exists())
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    _sync(path.parent)
    _log.error(
        "JournalReplaced",
        reason=fault.reason,
        kept_at=str(kept),
        consequence="a fresh one is begun; streams of before are not taken up again",
    )


def _sync(directory: Path) -> None:
    """Put a directory's entries on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
