"""Encrypted files by position: a `Layout` that reads and appends records."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import VaultError
from .cipher import FileCipher
from .format import (
    AROUND_BYTES,
    HEAD_BYTES,
    HEADER_BYTES,
    NONCE_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    Begin,
    Damaged,
    DataKey,
    Extents,
    Kind,
    Part,
    Record,
    Tail,
    pieces,
)
from .layout import PLAIN

WRITERS_MEMORY = 256
"""Parts that whoever writes remembers: the last minutes. To look further back it reads the file anew."""


class Sealed:
    """As `rtms_engine.vault.format` says. It follows what others append.

    Args:
        path: for errors.
        cipher: of the file.
        header: its first bytes.
        most: parts of the file to remember, see `Extents`.
        tolerant: what is behind something that was changed counts as not there.

    Raises:
        VaultError: the header was changed.
    """

    def __init__(
        self,
        path: Path,
        cipher: FileCipher,
        header: bytes,
        most: int | None = None,
        *,
        tolerant: bool = False,
    ) -> None:
        self.path = path
        self._cipher = cipher
        self._header = header
        self._is_tolerant = tolerant
        try:
            self._tail = cipher.begin(header)
        except Damaged as error:
            raise self._damaged(error) from None
        self._extents = Extents(most)
        self._newest: tuple[int, bytes] = (0, b"")
        """What was decrypted last, and where it lies."""

    @classmethod
    def create(cls, path: Path, file: int, key: DataKey, most: int | None = WRITERS_MEMORY) -> "Sealed":
        """Write the header of a file that is empty."""
        begin = Begin(key.id, os.urandom(SALT_BYTES))
        cipher = FileCipher(key.secret, begin)
        header = cipher.header()
        PLAIN.append(file, header)
        return cls(path, cipher, header, most)

    def size(self, file: int) -> int:
        """Of the plain file."""
        self._follow(file)
        return self._tail.size

    def final_size(self, file: int) -> int | None:
        """Of the plain file if that is finished, at a look at its end; None if it takes a look at all of it."""
        at = os.fstat(file).st_size - AROUND_BYTES
        if at < HEADER_BYTES:
            return None
        raw = os.pread(file, TAG_BYTES + AROUND_BYTES, at - TAG_BYTES)
        tail = self._tail._replace(at=at, tag=raw[:TAG_BYTES])
        try:
            record = self._cipher.next_record(
                lambda size, offset: raw[offset - at + TAG_BYTES :][:size], tail, at + AROUND_BYTES
            )
            if record is None or record.kind is not Kind.FINAL:
                return None
            self._cipher.open(at, raw[TAG_BYTES:])
        except Damaged:  # the end of a record that is longer
            return None
        return record.tail.size

    def is_final(self, file: int) -> bool:
        """Whether nothing is missing at the end."""
        self._follow(file)
        return self._tail.is_final and self._tail.at == os.fstat(file).st_size

    def read(self, file: int, size: int, offset: int) -> bytes:
        """Decrypt what is wanted, and little more."""
        self._follow(file)
        stop = min(offset + size, self._tail.size)
        if offset >= stop:
            return b""
        if offset < self._extents.known_from:
            return self._anew().read(file, size, offset)
        out = bytearray(stop - offset)
        for part in self._extents.within(offset, stop):
            data = self._data_of(file, part)
            out[part.start - offset : part.stop - offset] = data
        return bytes(out)

    def write(self, file: int, data: Any, offset: int) -> None:
        """Append records; if that fails, none of them is there."""
        tail, records, raw = self._ready(file), [], []
        for at, piece in pieces(data, offset):
            size = max(tail.size, at + len(piece))
            sealed, behind = self._cipher.seal(tail, Kind.DATA, at, piece, size, os.urandom(NONCE_BYTES))
            records.append(Record(tail.at, Kind.DATA, at, len(piece), behind))
            raw.append(sealed)
            tail = behind
        self._append(file, raw, records)

    def append(self, file: int, data: bytes) -> None:
        """Likewise."""
        self._follow(file)
        self.write(file, data, self._tail.size)

    def truncate(self, file: int, size: int) -> None:
        """Append a record that says so."""
        tail = self._ready(file)
        if size != tail.size:
            self._mark(file, Kind.SIZE, size)

    def stretches(self, file: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """What was written."""
        self._follow(file)
        if start < self._extents.known_from:
            yield from self._anew().stretches(file, start, stop)
            return
        begin = end = start
        for part in self._extents.within(start, min(stop, self._tail.size)):
            if part.start > end:
                if begin < end:
                    yield begin, end
                begin = part.start
            end = part.stop
        if begin < end:
            yield begin, end

    def finish(self, file: int) -> None:
        """Append a record that says so, if the last one does not."""
        tail = self._ready(file)
        if not tail.is_final:
            self._mark(file, Kind.FINAL, tail.size)

    def verify(self, file: int) -> None:
        """Decrypt every record, also what was written over. Raises VaultError if anything was changed."""
        end = os.fstat(file).st_size
        try:
            tail = self._cipher.begin(os.pread(file, HEADER_BYTES, 0))
            while record := self._cipher.next_record(_reading(file), tail, end):
                self._cipher.open(record.at, self._raw(file, record))
                tail = record.tail
        except Damaged as error:
            raise self._damaged(error) from None

    def _anew(self) -> "Sealed":
        return Sealed(self.path, self._cipher, self._header)

    def _follow(self, file: int) -> None:
        """Take notice of records that are not known yet."""
        end = os.fstat(file).st_size
        if end == self._tail.at:
            return
        if end < self._tail.at:  # somebody has put another file there
            raise self._damaged(Damaged(end, "it was cut off"))
        read = _reading(file)
        try:
            while record := self._cipher.next_record(read, self._tail, end):
                self._extents.take(record)
                self._tail = record.tail
        except Damaged as error:
            if not self._is_tolerant:
                raise self._damaged(error) from None

    def _ready(self, file: int) -> Tail:
        """The tail, behind which there is nothing: what a killed process has written in part is cut off."""
        self._follow(file)
        if os.fstat(file).st_size > self._tail.at:
            os.ftruncate(file, self._tail.at)
        return self._tail

    def _mark(self, file: int, kind: Kind, size: int) -> None:
        tail = self._tail
        sealed, behind = self._cipher.seal(tail, kind, 0, b"", size, os.urandom(NONCE_BYTES))
        self._append(file, [sealed], [Record(tail.at, kind, 0, 0, behind)])

    def _append(self, file: int, raw: list[bytes], records: list[Record]) -> None:
        if not records:
            return
        PLAIN.append(file, raw[0] if len(raw) == 1 else b"".join(raw))
        for record in records:
            self._extents.take(record)
        self._tail = records[-1].tail

    def _data_of(self, file: int, part: Part) -> bytes | memoryview:
        record = part.record
        if self._newest[0] != record.at:
            try:
                self._newest = (record.at, self._cipher.open(record.at, self._raw(file, record)))
            except Damaged as error:
                raise self._damaged(error) from None
        return memoryview(self._newest[1])[part.start - record.offset : part.stop - record.offset]

    def _raw(self, file: int, record: Record) -> bytes:
        return os.pread(file, record.length + AROUND_BYTES, record.at)

    def _damaged(self, error: Damaged) -> VaultError:
        return VaultError(self.path, f"it is not what was encrypted: {error}")


class _reading:  # noqa: N801 - a function with a memory
    """Reads a file from head to head: behind a tag it looks at the next head at once."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._at, self._next = 0, b""

    def __call__(self, size: int, offset: int) -> bytes:
        if offset == self._at and size <= len(self._next):
            return self._next[:size]
        data = os.pread(self._file, size + HEAD_BYTES, offset)
        self._at, self._next = offset + size, data[size:]
        return data[:size]
