"""Reads a capture, also what a kill, a full disk or a bad one has left of it. Everything here blocks.

What is damaged is left out and told, with its offset; what comes after it is found again. Nothing in a
file can make the reader allocate more than one block.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from ..errors import CaptureError
from ..vault import files
from . import format as rtmscap
from .format import BLOCK_HEADER_BYTES, MARKER, BlockHeader, Head, Kind, Record, Summary

_SEARCHED_BYTES = 1 << 20


class Damage(msgspec.Struct, frozen=True):
    """A part of the file that is not what was written."""

    offset: int
    bytes: int
    is_end: bool
    """The file ends within something, as after a kill; else the bytes themselves are wrong."""

    def __str__(self) -> str:
        if self.is_end:
            return f"the file ends within a block: {self.bytes} bytes from offset {self.offset} are no whole record"
        return f"{self.bytes} bytes are damaged from offset {self.offset} (the checksum differs)"


class Block(msgspec.Struct, frozen=True):
    """One block of a file, its messages not yet read."""

    offset: int
    header: BlockHeader
    summary: Summary
    available: int
    """How many of its stored bytes there are: fewer than its header says at the end of a cut file."""

    @property
    def is_whole(self) -> bool:
        """Whether it ends within the file."""
        return self.available == self.header.stored_bytes


class CaptureReader:
    """One capture file. ``damages`` grows while one reads; every part that is damaged is in it once.

    Use it in a ``with`` block.
    """

    def __init__(self, path: Path | str) -> None:
        """Raises CaptureError: there is no such file, it is no capture, of a newer version, or not even
        its first record is there.
        """
        self.path = Path(path)
        self._damages: dict[int, Damage] = {}
        try:
            self._file: BinaryIO = files.reading(self.path)
        except OSError as error:
            raise CaptureError(str(path), error.strerror or "it cannot be opened") from error
        try:
            self._size = self._file.seek(0, os.SEEK_END)
            self._file.seek(0)
            rtmscap.check_file_header(str(path), self._file.read(rtmscap.FILE_HEADER.size))
            self.head = self._head()
        except OSError as error:
            self._file.close()
            raise CaptureError(str(path), error.strerror or "it cannot be read") from error
        except BaseException:
            self._file.close()
            raise

    def __repr__(self) -> str:
        return f"<CaptureReader {self.path} stream={self.head.stream.stream_id}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def damages(self) -> tuple[Damage, ...]:
        """What was found damaged so far, in the order of the file."""
        return tuple(damage for _, damage in sorted(self._damages.items()))

    def blocks(self) -> Iterator[Block]:
        """Every block, in order, without reading its messages."""
        at = rtmscap.FILE_HEADER.size
        while at < self._size:
            block = self._block(at)
            if block is not None:
                yield block
                at += BLOCK_HEADER_BYTES + block.header.summary_bytes + block.available
                continue
            after = self._next_marker(at + 1)
            self._note(at, after - at, is_end=after == self._size and self._is_cut(at))
            at = after

    def records(self, since_ns: int | None = None) -> Iterator[Record]:
        """Every record, in order; the messages only from ``since_ns`` (the loop's time) on.

        What began before and is needed to understand the messages, the webhooks and the connections, is
        there in any case.
        """
        for block in self.blocks():
            if since_ns is not None and block.header.last_ns < since_ns:
                yield from block.summary.records()
                continue
            for record in self.records_of(block):
                if since_ns is None or record.time_ns >= since_ns or record.kind not in rtmscap.MESSAGES:
                    yield record

    def messages(self, leg: str, kind: Kind = Kind.RECEIVED) -> Iterator[bytes]:
        """The raw messages of one leg, for whoever wants only these."""
        for block in self.blocks():
            if any(count.leg == leg and count.kind == kind for count in block.summary.counts):
                for record in self.records_of(block):
                    if record.leg == leg and record.kind is kind:
                        yield record.data

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._size

    # --- inside ---

    def _head(self) -> Head:
        for record in self.records():
            if record.kind is Kind.STREAM:
                try:
                    return rtmscap.decode_head(record.data)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise CaptureError(str(self.path), f"its first record cannot be read: {error}") from error
            break
        damages = self.damages
        if damages and not damages[0].is_end:
            raise CaptureError(
                str(self.path),
                f"its beginning is damaged (offset {damages[0].offset}): whose stream it is, is not known",
                offset=damages[0].offset,
            )
        raise CaptureError(str(self.path), "it ends before its first record; nothing was captured")

    def _block(self, at: int) -> Block | None:
        """The block that begins there; None if none does, or its header or summary is not all there."""
        self._file.seek(at)
        start = self._file.read(BLOCK_HEADER_BYTES)
        found = rtmscap.decode_block_header(start)
        if found is None:
            return None
        header, crc = found
        left = self._size - at - BLOCK_HEADER_BYTES - header.summary_bytes
        if left < 0:
            return None
        spelled = self._file.read(header.summary_bytes)
        if not rtmscap.is_intact(start, spelled, crc):
            return None
        try:
            summary = rtmscap.decode_summary(spelled)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return Block(at, header, summary, min(left, header.stored_bytes))

    def records_of(self, block: Block) -> Iterator[Record]:
        """Those of one block; of one that is cut or damaged, those that are whole before that."""
        header = block.header
        at = block.offset + BLOCK_HEADER_BYTES + header.summary_bytes
        self._file.seek(at)
        stored = self._file.read(block.available)
        payload = rtmscap.inflate(header, stored)
        whole = rtmscap.decode_records(header, stored, payload) if block.is_whole else None
        if whole is not None:
            yield from whole
            return
        found, end = rtmscap.salvage_records(payload)
        yield from found
        if header.codec:  # an offset in what was compressed is of no use to anybody
            self._note(at, block.available, is_end=not block.is_whole)
        else:
            self._note(at + end, block.available - end, is_end=not block.is_whole)

    def _is_cut(self, at: int) -> bool:
        """Whether what begins there may be the beginning of a block that was being written."""
        self._file.seek(at)
        start = self._file.read(BLOCK_HEADER_BYTES)
        if len(start) < BLOCK_HEADER_BYTES:
            return start.startswith(MARKER[: len(start)])
        found = rtmscap.decode_block_header(start)
        return found is not None and at + BLOCK_HEADER_BYTES + found[0].summary_bytes > self._size

    def _next_marker(self, at: int) -> int:
        """Where the next block may begin; the end of the file if none does."""
        while at < self._size:
            self._file.seek(at)
            piece = self._file.read(_SEARCHED_BYTES + len(MARKER) - 1)
            found = piece.find(MARKER)
            while found >= 0:
                if self._block(at + found) is not None:
                    return at + found
                found = piece.find(MARKER, found + 1)
            at += _SEARCHED_BYTES
        return self._size

    def _note(self, offset: int, size: int, *, is_end: bool) -> None:
        if size > 0 or is_end:
            self._damages[offset] = Damage(offset, size, is_end)


def find_captures(path: Path) -> list[Path]:
    """The captures in a directory and below, in the order of their names; a file is itself.

    Raises CaptureError if there are none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob(f"*{rtmscap.SUFFIX}"), key=lambda one: (one.parent, len(one.name), one.name))
    if not found:
        raise CaptureError(str(path), f"there is no file *{rtmscap.SUFFIX} in it")
    return found
