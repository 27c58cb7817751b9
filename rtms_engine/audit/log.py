"""``audit.jsonl`` in the state directory: the chain on disk. Several processes may append to it.

What blocks raises OSError.
"""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from .chain import About, Entry, decode, encode, following, verified

NAME = "audit.jsonl"

_LONGEST_LINE = 65_536


class AuditLog:
    """Appends and reads; holds no resource."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME

    def append(self, unix_ms: int, action: str, about: About) -> Entry:
        """Add a line; it is on the disk when this returns. Blocks.

        A last line that a crash has cut off was never answered for, and makes room. Raises
        BrokenChainError if the line before is not one: then nothing is added that would hide it.
        """
        self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
        self.path.touch(0o600)
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            entry = following(_last(file), unix_ms, action, about)
            file.write(encode(entry))
            file.flush()
            os.fsync(file.fileno())
        return entry

    def entries(self) -> list[Entry]:
        """All lines, verified; none if there is no file. Raises BrokenChainError. Blocks."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return verified(content[: content.rfind(b"\n") + 1].splitlines())


def _last(file: BinaryIO) -> Entry | None:
    """The last whole line; the file ends behind it, and is written on from there."""
    size = file.seek(0, os.SEEK_END)
    begin = file.seek(max(size - 2 * _LONGEST_LINE, 0))
    tail = file.read()
    whole = tail.rfind(b"\n") + 1
    file.truncate(begin + whole)
    file.seek(begin + whole)
    lines = tail[:whole].splitlines()
    return decode(lines[-1]) if lines else None
