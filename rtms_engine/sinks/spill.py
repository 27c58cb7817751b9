"""Items that wait on disk for a slow sink (overflow policy ``spill``).

The files have no name: the system deletes them when they are closed, or the process dies, however it
dies. They can be read by their owner alone, and only as long as this object lives. Where the engine encrypts,
they are too, by keys that are in its memory alone.
"""

import errno
import struct
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from ..model.events import StreamEvent
from ..model.frames import AudioFrame, ChatMessage, ShareFrame, TranscriptSegment, VideoFrame
from ..vault.files import scratch
from ..vault.layout import Layout
from .base import Item

SEGMENT_BYTES = 16_000_000
"""A file is full at this size; one that has been read is given back to the disk."""
CHUNK_BYTES = 4_000_000
CHUNK_ITEMS = 5_000
"""About how much is read at once."""

_FRAMES: tuple[type[Any], ...] = (AudioFrame, VideoFrame, ShareFrame, TranscriptSegment, ChatMessage)
_NUMBER = {frame: number for number, frame in enumerate(_FRAMES)}
_EVENT = len(_FRAMES)
_DECODERS: tuple[msgspec.msgpack.Decoder[Any], ...] = tuple(
    msgspec.msgpack.Decoder(kind) for kind in (*_FRAMES, StreamEvent)
)
_ENCODER = msgspec.msgpack.Encoder()
_HEAD = struct.Struct("<BI")
"""Before each item: which of the types it is, and how long."""


class _Segment:
    def __init__(self, file: FileIO, layout: Layout) -> None:
        self.file = file
        self.layout = layout
        self.read = 0
        self.written = 0


class DiskSpill:
    """A first-in-first-out of items on disk. Its methods block; they may be called from any thread.

    Args:
        directory: where the files are; made when the first is needed, for its owner alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._segments: deque[_Segment] = deque()
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def waiting_bytes(self) -> int:
        """What is on disk and not read."""
        return sum(segment.written - segment.read for segment in tuple(self._segments))

    def append(self, items: Sequence[Item]) -> None:
        """Add items: all of them, or none if it raises OSError."""
        data = b"".join(map(_record, items))
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, "it is deleted")
            segment = self._segment()
            _write(segment, data)
            segment.written += len(data)

    def take(self) -> Sequence[Item]:
        """The next items, none if there are none; they are no longer on disk. Raises OSError."""
        with self._lock:
            if not self._segments:
                return ()
            segment = self._segments[0]
            items = _read(segment)
            if segment.read == segment.written:
                self._segments.popleft().file.close()
            return items

    def close(self) -> None:
        """Delete everything, for good."""
        with self._lock:
            self._is_closed = True
            while self._segments:
                self._segments.popleft().file.close()

    def _segment(self) -> _Segment:
        if not self._segments or self._segments[-1].written >= SEGMENT_BYTES:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - it lives on
            self._segments.append(_Segment(file, scratch(self._directory, file.fileno())))
        return self._segments[-1]


def _record(item: Item) -> bytes:
    body = _ENCODER.encode(item)
    return _HEAD.pack(_NUMBER.get(type(item), _EVENT), len(body)) + body


def _write(segment: _Segment, data: bytes) -> None:
    segment.layout.write(segment.file.fileno(), data, segment.written)


def _read(segment: _Segment) -> list[Item]:
    data = _bytes(segment, CHUNK_BYTES)
    items: list[Item] = []
    at = 0
    while at < len(data) and len(items) < CHUNK_ITEMS:
        number, length = _HEAD.unpack_from(data, at) if at + _HEAD.size <= len(data) else (0, len(data))
        end = at + _HEAD.size + length
        if end > len(data):
            if items:
                break
            data = _bytes(segment, end)  # one that is larger than a chunk
        items.append(_DECODERS[number].decode(data[at + _HEAD.size : end]))
        at = end
    segment.read += at
    return items


def _bytes(segment: _Segment, count: int) -> bytes:
    return segment.layout.read(
        segment.file.fileno(), min(count, segment.written - segment.read), segment.read
    )
