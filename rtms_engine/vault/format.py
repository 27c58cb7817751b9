"""The format of an encrypted file, version 1. Pure: bytes in, values out.

::

    file    magic 89 "RTMSEAL"  version u16  0 u16  0 u32  key id 16  salt 16  check 16           64 bytes
    record  kind u8  0 u24  sequence u32  data bytes u32  offset u64  size u64  nonce 12  check 8  48 bytes
            data, encrypted
            tag                                                                                    16 bytes

All numbers are little-endian. A file is a log of what was written to the plain one: ``DATA`` goes to an offset,
over what is there; ``SIZE`` cuts the plain file off or makes it longer; ``FINAL`` says that it is finished.
``size`` is that of the plain file from then on. What nobody wrote is zeros. So a file is only ever appended to, a
kill costs the record that was being written and nothing else, and any part can be read alone.

The key of a file comes from the data key that ``key id`` names, by HKDF-SHA256 with the file's salt (and a text
with version and key id). One half encrypts (AES-256-GCM, a random nonce for each record, the 48 bytes before the
data as associated data), the other one vouches for heads (BLAKE2b, keyed): a file's check is over what stands
before it, a record's is over the 16 bytes before the record, which are the tag of the one before, and its own
first 40. So records cannot be changed, left out, repeated, or moved, neither within a file nor between two.
What can be cut off unseen is the end of a file that is not finished: so does a kill.
"""

import enum
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"\x89RTMSEAL"
VERSION = 1
KEY_BYTES, ID_BYTES, SALT_BYTES, NONCE_BYTES, TAG_BYTES = 32, 16, 16, 12, 16
RECORD_BYTES = 64 * 1024
"""More data than this becomes several records: who wants a byte decrypts no more."""

FILE = struct.Struct("<8sHHI16s16s")
HEAD = struct.Struct("<B3xIIQQ12s")
CHECK_BYTES = 8
HEADER_BYTES = FILE.size + TAG_BYTES
HEAD_BYTES = HEAD.size + CHECK_BYTES
AROUND_BYTES = HEAD_BYTES + TAG_BYTES
"""Of a record, besides its data."""
_HIGHEST = 2**63 - 1


class Kind(enum.IntEnum):
    """What a record does."""

    DATA = 1
    SIZE = 2
    FINAL = 3


class Damaged(Exception):
    """A file is not what was written; ``at`` is where."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(at, why)
        self.at = at
        self.why = why

    def __str__(self) -> str:
        return f"{self.why} (offset {self.at})"


class DataKey(NamedTuple):
    """The key of one recording."""

    id: bytes
    secret: bytes


class Begin(NamedTuple):
    """The beginning of a file."""

    key_id: bytes
    salt: bytes


class Tail(NamedTuple):
    """Where a file ends, and what the next record goes on from."""

    at: int
    """Behind the last whole record."""
    tag: bytes
    """Of that record."""
    sequence: int
    """Of the next one."""
    size: int
    """Of the plain file."""
    is_final: bool


class Record(NamedTuple):
    """One record that is there as a whole."""

    at: int
    """Where its head begins."""
    kind: Kind
    offset: int
    length: int
    tail: Tail
    """Of the file up to and with this record."""


def begin_of(header: bytes) -> Begin | None:
    """What a file's first bytes say; None if they are not those of an encrypted file.

    Raises Damaged if its version is not known.
    """
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        return None
    _, version, _, _, key_id, salt = FILE.unpack_from(header)
    if version != VERSION:
        raise Damaged(len(MAGIC), f"there is no format version {version}, or this engine is too old for it")
    return Begin(key_id, salt)


def pieces(data: bytes | memoryview, offset: int) -> Iterator[tuple[int, memoryview]]:
    """Data as records take them, each with its offset. Raises ValueError for what no file has room for."""
    view = memoryview(data).cast("B")
    if not 0 <= offset <= _HIGHEST - len(view):
        raise ValueError(f"there is no offset {offset}")
    for at in range(0, len(view), RECORD_BYTES):
        yield offset + at, view[at : at + RECORD_BYTES]


class Part(NamedTuple):
    """A stretch of the plain file, and the record that holds it."""

    start: int
    stop: int
    record: Record


class Extents:
    """Where each byte of the plain file was written last.

    Args:
        most: parts to remember; of more, those nearest to the beginning are forgotten. None: all are kept.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._starts: list[int] = []
        self._parts: list[Part] = []
        self.known_from = 0
        """What is before this offset may be forgotten."""

    def take(self, record: Record) -> None:
        """Take notice of the next record."""
        if record.kind is Kind.DATA:
            self._put(record)
        elif record.kind is Kind.SIZE:
            self._cut(record.tail.size)

    def within(self, start: int, stop: int) -> Iterator[Part]:
        """What was written between two offsets, in order; between the parts are zeros."""
        for index in range(max(bisect_right(self._starts, start) - 1, 0), len(self._parts)):
            part = self._parts[index]
            if part.start >= stop:
                return
            if part.stop > start:
                yield Part(max(part.start, start), min(part.stop, stop), part.record)

    def _put(self, record: Record) -> None:
        start, stop = record.offset, record.offset + record.length
        if self._parts and start < self._parts[-1].stop:
            self._clear(start, stop)
        index = bisect_left(self._starts, start)
        self._starts.insert(index, start)
        self._parts.insert(index, Part(start, stop, record))
        if self._most is not None and len(self._parts) > self._most:
            gone = len(self._parts) - self._most // 2
            self.known_from = max(self.known_from, self._parts[gone - 1].stop)
            del self._parts[:gone], self._starts[:gone]

    def _clear(self, start: int, stop: int) -> None:
        """Forget what is between two offsets, since something else is there now."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        if self._parts[first].stop <= start:
            first += 1
        last = bisect_left(self._starts, stop)
        left = []
        for part in self._parts[first:last]:
            if part.start < start:
                left.append(part._replace(stop=start))
            if part.stop > stop:
                left.append(part._replace(start=stop))
        self._parts[first:last] = left
        self._starts[first:last] = [part.start for part in left]

    def _cut(self, size: int) -> None:
        if self._parts and self._parts[-1].stop > size:
            self._clear(size, _HIGHEST)
