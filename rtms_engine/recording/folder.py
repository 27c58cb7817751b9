"""The folder of one recording: what it is called, who may read it, how files appear in it.

Only `path_safe` ids, integers and fixed words become part of a path, so no name and no message of
Zoom's can leave the root. Folders are made with mode 0700 and files with 0600.
"""

import contextlib
import fcntl
import itertools
import os
import shutil
import weakref
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

from ..model.ids import path_safe
from ..sinks.base import StreamInfo
from ..vault import files
from ..vault.files import LEFTOVER, Appended, replacing
from ..vault.format import DataKey

RESERVED_BYTES = 256 * 1024
"""Enough for the manifest and the subtitles of a long meeting."""
_RESERVE = f".reserve{LEFTOVER}"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class Folder:
    """``{root}/{date}/{meeting}/{stream}/``, made for one recording alone.

    All methods block, and raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._growing: dict[str, Appended] = {}

    @cached_property
    def key(self) -> DataKey | None:
        """Encrypts what is written here; None: nothing is. Raises VaultError if it cannot be had."""
        return files.key_of_folder(self.path)

    @classmethod
    def create(cls, root: Path, stream: StreamInfo) -> Self:
        """Make the folder of a stream; ``-2``, ``-3`` … is appended where an earlier recording lies."""
        meeting = root / _date(stream.started_ms) / path_safe(stream.entity_id)
        for folder in (root, meeting.parent, meeting):
            folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        for name in _numbered(path_safe(stream.stream_id)):
            try:
                (meeting / name).mkdir(_FOLDER_MODE)
            except FileExistsError:
                continue
            files.begin(meeting / name)
            return cls(meeting / name)
        raise AssertionError("the numbers have ended")

    def hold(self) -> "Hold":
        """Keep everybody else from writing here. Raises BlockingIOError if somebody else does."""
        return Hold(self.path)

    def reserve(self) -> None:
        """Put some space aside, so that a recording can be finished on a disk that is full by then.

        Where there is too little, whatever is written next will say so.
        """
        with contextlib.suppress(OSError), open(self.path / _RESERVE, "wb", opener=_private) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)  # most file systems write nothing for it
            else:
                file.write(bytes(RESERVED_BYTES))

    def release_reserve(self) -> None:
        """Give the space back that was put aside."""
        (self.path / _RESERVE).unlink(missing_ok=True)

    def claim(self, stem: str, suffix: str, *, successors: Collection[str] = ()) -> Path:
        """Create an empty file ``{stem}{suffix}``, numbered as folders are if the name is taken.

        Args:
            stem: path below this folder, with ``/``; its parents are created.
            suffix: with its dot.
            successors: other suffixes that take a name too.
        """
        path = self.path / stem
        path.parent.mkdir(_FOLDER_MODE, exist_ok=True)
        for name in _numbered(path.name):
            if any(path.with_name(name + other).exists() for other in successors):
                continue
            with contextlib.suppress(FileExistsError):
                claimed = path.with_name(name + suffix)
                files.claim(claimed, self.key)
                return claimed
        raise AssertionError("the numbers have ended")

    def store(self, stem: str, suffix: str, data: bytes) -> None:
        """Write a file that appears with all of its content; named as `claim` does."""
        claimed = self.claim(stem, suffix)
        try:
            with replacing(claimed, lasting=False) as file:
                file.write(data)
        except OSError:
            claimed.unlink()
            raise

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file, which is created if it is missing: all of the data, or nothing."""
        growing = self._growing.get(name)
        if growing is None:
            growing = self._growing[name] = Appended(self.path / name, self.key)
        growing.append(data)

    def replace(self, name: str, data: bytes, *, lasting: bool = True, in_plain: bool = False) -> None:
        """Give a file a new content at once: whoever reads sees the old one or the new, never a part.

        It is on the disk when this returns, also if the power fails; unless it need not be ``lasting``,
        because it can be made again. ``in_plain``: also where everything else is encrypted.
        """
        key = None if in_plain else self.key
        with replacing(self.path / name, lasting=lasting, key=key) as file:
            file.write(data)

    def lines(self, name: str) -> list[bytes]:
        """The lines of a file; none if there is no such file."""
        try:
            return files.read(self.path / name).splitlines()
        except FileNotFoundError:
            return []

    def files(self, directory: str, suffix: str) -> list[Path]:
        """The files of one kind, in the order in which they were claimed."""
        found = (self.path / directory).glob(f"*{suffix}")
        return sorted(found, key=lambda path: (len(path.name), path.name))

    def contents(self, spared: str = "") -> tuple[int, int]:
        """How many files there are, and how many bytes they have, but for the one called ``spared``."""
        sizes = [
            path.lstat().st_size
            for path in self.path.rglob("*")
            if not path.is_dir() and path != self.path / spared
        ]
        return len(sizes), sum(sizes)

    def empty(self, spared: str) -> None:
        """Delete everything in the folder but the file of this name."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != spared:
                path.unlink()

    def relative(self, path: Path) -> str:
        """A path below this folder as manifests spell it."""
        return path.relative_to(self.path).as_posix()


class Hold:
    """Says that a folder is being written to, while it lives: a lock of the kernel's (`flock`).

    It ends with the process, however that ends. A file system without locks cannot say it.
    """

    def __init__(self, path: Path) -> None:
        """Raises BlockingIOError if somebody else has it, OSError if there is no such folder."""
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.release = weakref.finalize(self, os.close, directory)
        """Let go of it; may be called twice."""
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise
        except OSError:
            pass


def _date(unix_ms: int) -> str:
    """The day in UTC; ``undated`` for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "undated"


def _numbered(name: str) -> itertools.chain[str]:
    return itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _FILE_MODE)
