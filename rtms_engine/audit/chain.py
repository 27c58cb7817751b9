"""The lines of the audit log, each bound to the one before by its hash. Pure.

Whoever changes, removes or inserts a line breaks the chain from there on. Only lines at the end can be
cut off unseen; who wants to notice that too keeps the newest hash elsewhere.
"""

import hashlib
from collections.abc import Iterable

import msgspec

About = dict[str, str | int]
"""Ids, causes, counts."""

_NOTHING = ""


class Entry(msgspec.Struct, frozen=True):
    """One line."""

    seq: int
    """1 for the first, then counting."""
    unix_ms: int
    action: str
    about: About
    previous: str
    """The ``hash`` of the line before; empty in the first."""
    hash: str = ""
    """SHA-256 of this line without it, in hexadecimal."""


_decode_entry = msgspec.json.Decoder(Entry).decode


class BrokenChainError(Exception):
    """A line is not what was written; the message says which and why."""


def following(last: Entry | None, unix_ms: int, action: str, about: About) -> Entry:
    """The line that comes after ``last``; None: the first of all."""
    seq, previous = (last.seq + 1, last.hash) if last else (1, _NOTHING)
    entry = Entry(seq, unix_ms, action, about, previous)
    return msgspec.structs.replace(entry, hash=_hash(entry))


def encode(entry: Entry) -> bytes:
    """The line."""
    return _encode(entry) + b"\n"


def decode(line: bytes) -> Entry:
    """The entry of a line. Raises BrokenChainError."""
    try:
        return _decode_entry(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenChainError("it is not a line of an audit log") from error


def verified(lines: Iterable[bytes]) -> list[Entry]:
    """All entries, if none was touched. Raises BrokenChainError with the number of the first bad line."""
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = decode(line)
        except BrokenChainError as error:
            raise BrokenChainError(f"line {number}: {error}") from error
        if entry != following(entries[-1] if entries else None, entry.unix_ms, entry.action, entry.about):
            raise BrokenChainError(f"line {number}: it does not follow from the line before")
        entries.append(entry)
    return entries


def _hash(entry: Entry) -> str:
    return hashlib.sha256(_encode(msgspec.structs.replace(entry, hash=""))).hexdigest()


def _encode(entry: Entry) -> bytes:
    return msgspec.json.encode(entry, order="sorted")
