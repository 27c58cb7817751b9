"""Files by position, plain or encrypted: the same few verbs on a file that is open.

A `Layout` knows how the bytes of one file lie on the disk. It is given the file's descriptor with each verb, so that
whoever uses it opens and closes files as they like. All verbs block, and raise OSError.
"""

import io
import os
from collections.abc import Iterator
from typing import Any, Protocol


class Layout(Protocol):
    """How the bytes of a file lie on the disk."""

    def size(self, file: int) -> int:
        """How many bytes there are."""

    def read(self, file: int, size: int, offset: int) -> bytes:
        """Those that are there, and no more than asked for."""

    def write(self, file: int, data: Any, offset: int) -> None:
        """All of it, over what is there."""

    def append(self, file: int, data: bytes) -> None:
        """All of it behind the end, or nothing."""

    def truncate(self, file: int, size: int) -> None:
        """Cut it off, or make it longer with zeros."""

    def stretches(self, file: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The parts that are no holes, as offsets."""

    def finish(self, file: int) -> None:
        """Nothing more will be written, as far as anybody knows."""

    def final_size(self, file: int) -> int | None:
        """As `size`, if that is soon said; else None."""

    def is_final(self, file: int) -> bool:
        """Whether nothing is missing at the end, as far as the file can say."""

    def verify(self, file: int) -> None:
        """Look at every byte. Raises VaultError if one was changed."""


class Plain:
    """As they are."""

    def size(self, file: int) -> int:
        """As the system says."""
        return os.fstat(file).st_size

    def read(self, file: int, size: int, offset: int) -> bytes:
        """As the system does."""
        return os.pread(file, size, offset)

    def write(self, file: int, data: Any, offset: int) -> None:
        """All of it: a disk that fills up takes a part, and says why with the next."""
        written = os.pwrite(file, data, offset)
        while written < len(data):
            written += os.pwrite(file, data[written:], offset + written)

    def append(self, file: int, data: bytes) -> None:
        """All of it or nothing."""
        whole = os.fstat(file).st_size
        try:
            self.write(file, data, whole)
        except OSError:
            os.ftruncate(file, whole)
            raise

    def truncate(self, file: int, size: int) -> None:
        """As the system does."""
        os.ftruncate(file, size)

    def stretches(self, file: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """As the system says; where it cannot tell holes from data, everything is data."""
        if not hasattr(os, "SEEK_DATA"):
            if start < stop:
                yield start, stop
            return
        while start < stop:
            try:
                start = os.lseek(file, start, os.SEEK_DATA)
            except OSError:  # a hole up to the end
                return
            end = min(os.lseek(file, start, os.SEEK_HOLE), stop)
            if start < end:
                yield start, end
            start = end

    def finish(self, file: int) -> None:
        """Nothing says so in a plain file."""

    def final_size(self, file: int) -> int | None:
        """As the system says."""
        return self.size(file)

    def is_final(self, file: int) -> bool:
        """Nobody knows."""
        return True

    def verify(self, file: int) -> None:
        """There is nothing to compare with."""


PLAIN = Plain()


class RawFile(io.RawIOBase):
    """An encrypted file as Python's own: to read, or to write anywhere. It closes the descriptor."""

    def __init__(self, file: int, layout: Layout, *, writable: bool, at_end: bool = False) -> None:
        self._file = file
        self._layout = layout
        self._is_writable = writable
        self._at_end = at_end
        self._position = layout.size(file) if at_end else 0

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """If it was opened so."""
        return self._is_writable

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As everywhere."""
        data = self._layout.read(self._file, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def write(self, data: Any) -> int:
        """As everywhere; all of it."""
        view = memoryview(data).cast("B")
        if self._at_end:
            self._position = self._layout.size(self._file)
        self._layout.write(self._file, view, self._position)
        self._position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As everywhere."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        position = offset + (self._layout.size(self._file) if base is None else base)
        if position < 0:
            raise ValueError("a position before the beginning")
        self._position = position
        return position

    def tell(self) -> int:
        """As everywhere."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """As everywhere."""
        size = self._position if size is None else size
        self._layout.truncate(self._file, size)
        return size

    def stretches(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """See `Layout.stretches`."""
        return self._layout.stretches(self._file, start, stop)

    def sync(self) -> None:
        """Have it on the disk, also if the power fails."""
        os.fsync(self._file)

    def finish(self) -> None:
        """See `Layout.finish`."""
        self._layout.finish(self._file)

    def close(self) -> None:
        """Let go of the file."""
        if not self.closed:
            try:
                super().close()
            finally:
                os.close(self._file)
