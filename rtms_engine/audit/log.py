"""``audit.jsonl`` in the state directory: the chain on disk. Several processes may append to it.

What blocks raises OSError.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from .chain import About, Entry, decode, encode, following, verified

NAME = "audit.jsonl"

_LONGEST_LINE = 65_536


Line = tuple[int, str, About]
"""Unix milliseconds, action, and what it is about."""


class AuditLog:
    """Appends and reads; holds no resource."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME

    def append(self, unix_ms: int, action: str, about: About) -> Entry:
        """Add a line; it is on the disk when this returns. Blocks.

        A last line that a crash has cut off was never answered for, and makes room. Raises
        BrokenChainError if the line before is not one: then nothing is added that would hide it.
        """
        return self.append_all([(unix_ms, action, about)])[0]

    def append_all(self, lines: Iterable[Line]) -> list[Entry]:
        """Add lines, in order, with one wait for the disk; else as `append`."""
        self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
        self.path.touch(0o600)
        added: list[Entry] = []
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = _last(file)
            for unix_ms, action, about in lines:
                last = following(last, unix_ms, action, about)
                added.append(last)
            file.write(b"".join(map(encode, added)))
            file.flush()
            os.fsync(file.fileno())
        return added

    def speaks_of(self, *actions: str) -> bool:
        """Whether any line may be of one of these: a look that costs far less than to read all. Blocks."""
        words = [f'"action":"{action}"'.encode() for action in actions]
        try:
            with self.path.open("rb") as file:
                return any(word in line for line in file for word in words)
        except FileNotFoundError:
            return False

    def entries(self) -> list[Entry]:
        """All lines, verified; none if there is no file. Raises BrokenChainError. Blocks."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return verified(content[: content.rfind(b"\n") + 1].splitlines())

    def entries_of(self, *actions: str) -> list[Entry]:
        """The lines with one of these actions, not verified: others are not even decoded. Raises
        BrokenChainError if one is not a line. Blocks.
        """
        words = [f'"action":"{action}"'.encode() for action in actions]
        try:
            with self.path.open("rb") as file:
                found = [
                    decode(line) for line in file if line.endswith(b"\n") and any(w in line for w in words)
                ]
        except FileNotFoundError:
            return []
        return [entry for entry in found if entry.action in actions]


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
