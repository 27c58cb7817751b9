"""Small documents about streams, one file each, in the state directory: for who asks when all is over.

Files are their owner's alone, replaced as a whole, and bounded in number and age. What is in them is the
caller's affair. Everything here blocks.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..model.ids import path_safe
from .directory import private_directory

MOST = 1_000
"""Documents; the one that was changed longest ago goes first."""
MOST_DAYS = 30
_SUFFIX = ".json"
_LARGEST = 1_000_000
_DAY_S = 86_400


class Shelf:
    """The documents below one directory, which is made when something is put there."""

    def __init__(self, directory: Path, *, most: int = MOST, most_days: int = MOST_DAYS) -> None:
        self._directory = directory
        self._most = most
        self._most_days = most_days

    def put(self, stream_id: str, content: bytes) -> None:
        """Keep a document in place of the one before. Raises OSError, ConfigError."""
        private_directory(self._directory)
        path = self.path_of(stream_id)
        beside = path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as writer:
            writer.write(content)
        beside.replace(path)

    def get(self, stream_id: str) -> bytes | None:
        """The document of a stream; None if there is none that can be read."""
        return _content(self.path_of(stream_id))

    def forget(self, stream_id: str) -> None:
        """Delete a document, if there is one. Raises OSError."""
        self.path_of(stream_id).unlink(missing_ok=True)

    def beginning(self, text: str) -> Iterator[bytes]:
        """The documents of streams whose ids may begin with ``text``, the one changed last first; all, if it
        is empty. An id that no file can be named after is spelled otherwise: who wants to be sure compares.
        """
        spelled = path_safe(text).partition("~")[0]
        for _, path in self._files():
            if path.name.startswith(spelled) and (content := _content(path)) is not None:
                yield content

    def prune(self, now_s: float) -> int:
        """Delete what is too old or too much; ``now_s`` is Unix seconds. Returns how many. Raises OSError."""
        oldest = now_s - self._most_days * _DAY_S
        gone = [path for n, (at, path) in enumerate(self._files()) if n >= self._most or at < oldest]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def path_of(self, stream_id: str) -> Path:
        """The file of a stream's document, whether it is there or not."""
        return self._directory / (path_safe(stream_id) + _SUFFIX)

    def _files(self) -> list[tuple[float, Path]]:
        """When each was changed, latest first."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX):
                    with contextlib.suppress(OSError):
                        found.append((entry.stat().st_mtime, Path(entry.path)))
        return sorted(found, reverse=True)


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return None
