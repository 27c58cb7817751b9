"""Messages on disk that wait for their delivery: one SQLite file for each receiver.

A message is taken with a *lease*, so that two processes with one file never send it at the same time, and
one that died while sending leaves it to the next. Deleted content is overwritten.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, VaultError
from ..vault.files import begin, hide, key_of_folder, reveal

_SCHEMA_VERSION = 1
"""``PRAGMA user_version``; to be counted up with every change of `_SCHEMA`."""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    body BLOB NOT NULL,
    label TEXT NOT NULL,
    put_s REAL NOT NULL,  -- Unix seconds
    tries INTEGER NOT NULL DEFAULT 0,
    due_s REAL NOT NULL  -- Unix seconds
);
CREATE INDEX IF NOT EXISTS messages_by_due ON messages (due_s);
CREATE INDEX IF NOT EXISTS messages_by_topic ON messages (topic);
PRAGMA user_version = {_SCHEMA_VERSION};
"""
_BUSY_S = 5.0
_HIDDEN = b"\x89RTMSEAL"
"""How a body begins that is encrypted; none that is not does."""


class Message(NamedTuple):
    """What is to be delivered."""

    id: str
    """``webhook-id``: the same for every try."""
    topic: str
    """What it is about, a stream: everything about it can be deleted at once."""
    body: bytes
    tries: int = 0
    """How often it was tried before."""
    label: str = ""
    """What else must be known of the topic by whoever deletes it; see `Queue.topics`."""


class Topic(NamedTuple):
    """What waits of one topic."""

    name: str
    label: str
    newest_s: float
    """When the last message of it was put, Unix seconds."""
    messages: int
    bytes: int


class Queue:
    """The messages for one receiver. All methods block, and raise sqlite3.Error.

    Args:
        path: of the file; it is made if it is missing, with its directory, for its owner alone.
        most: messages that it holds; beyond that the oldest make room.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._most = most
        self._one_at_a_time = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = path
            self._key = key_of_folder(path.parent) or begin(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._file = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            with contextlib.ExitStack() as undo:
                undo.callback(self._file.close)
                self._file.execute("PRAGMA journal_mode = WAL")
                # A crash of the process loses nothing; one of the machine, at most the last moments.
                self._file.execute("PRAGMA synchronous = NORMAL")
                self._file.execute("PRAGMA secure_delete = ON")
                _check(self._file, path)
                self._file.executescript(_SCHEMA)
                undo.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError([f"{path}: cannot be used as a queue: {error}"]) from error

    def _hidden(self, body: bytes) -> bytes:
        """As it is kept."""
        return _HIDDEN + hide(self._key, body) if self._key else body

    def _revealed(self, body: bytes) -> bytes:
        """As it was given. Raises VaultError."""
        if not body.startswith(_HIDDEN):
            return body
        if self._key is None:
            raise VaultError(self._path, "it is encrypted, and [encryption] gives no key for it")
        return reveal(self._key.id, body.removeprefix(_HIDDEN), self._path)

    def close(self) -> None:
        """Let go of the file."""
        with self._one_at_a_time:
            self._file.close()

    def put(self, messages: Sequence[Message], due_s: float) -> int:
        """Add messages. Returns how many old ones had to make room."""
        with self._committing() as file:
            file.executemany(
                "INSERT OR IGNORE INTO messages (id, topic, body, label, put_s, due_s) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (message.id, message.topic, self._hidden(message.body), message.label, due_s, due_s)
                    for message in messages
                ],
            )
            [[count]] = file.execute("SELECT count(*) FROM messages")
            surplus = max(int(count) - self._most, 0)
            if surplus:
                file.execute(
                    "DELETE FROM messages WHERE number IN (SELECT number FROM messages ORDER BY number LIMIT ?)",
                    [surplus],
                )
            return surplus

    def take(self, now_s: float, lease_s: float, most: int) -> list[Message]:
        """Messages that are due, oldest first; nobody else gets them within the lease."""
        with self._committing() as file:
            rows = file.execute(
                "SELECT number, id, topic, body, tries FROM messages WHERE due_s <= ? "
                "ORDER BY due_s, number LIMIT ?",
                [now_s, most],
            ).fetchall()
            file.executemany(
                "UPDATE messages SET due_s = ? WHERE number = ?", [(now_s + lease_s, row[0]) for row in rows]
            )
        return [Message(one, topic, self._revealed(body), tries) for _, one, topic, body, tries in rows]

    def next_due_s(self) -> float | None:
        """When the next message is due, Unix seconds; None if there is none."""
        with self._one_at_a_time:
            [[due_s]] = self._file.execute("SELECT min(due_s) FROM messages")
        return None if due_s is None else float(due_s)

    def put_off(self, message: Message, due_s: float) -> None:
        """It was tried in vain; try it again then."""
        with self._committing() as file:
            file.execute("UPDATE messages SET due_s = ?, tries = tries + 1 WHERE id = ?", [due_s, message.id])

    def delete(self, message: Message) -> None:
        """It is done with."""
        with self._committing() as file:
            file.execute("DELETE FROM messages WHERE id = ?", [message.id])

    def forget(self, topic: str | None) -> int:
        """Delete everything about a topic, or everything; returns how many messages there were."""
        with self._committing() as file:
            if topic is None:
                count = file.execute("DELETE FROM messages").rowcount
            else:
                count = file.execute("DELETE FROM messages WHERE topic = ?", [topic]).rowcount
        with self._one_at_a_time:
            self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds what was deleted
        return count

    def topics(self) -> list[Topic]:
        """What waits, by topic."""
        with self._one_at_a_time:
            rows = self._file.execute(
                "SELECT topic, max(label), max(put_s), count(*), sum(length(body)) FROM messages GROUP BY topic"
            ).fetchall()
        return [Topic(*row) for row in rows]

    def __len__(self) -> int:
        with self._one_at_a_time:
            [[count]] = self._file.execute("SELECT count(*) FROM messages")
        return int(count)

    @contextlib.contextmanager
    def _committing(self) -> Iterator[sqlite3.Connection]:
        with self._one_at_a_time:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield self._file
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")


def _check(file: sqlite3.Connection, path: Path) -> None:
    """Raises ConfigError for a queue that an engine of another version has made: what waits in it is not lost."""
    [[tables]] = file.execute("SELECT count(*) FROM sqlite_master")
    [[version]] = file.execute("PRAGMA user_version")
    if tables and version != _SCHEMA_VERSION:
        raise ConfigError(
            [
                f"{path}: its schema is {version}, this version of the engine reads {_SCHEMA_VERSION}; "
                "run the version that made it until it is empty, or move it away"
            ]
        )
