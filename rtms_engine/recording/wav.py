"""A WAV file that tells whose it is, and that can be written anywhere.

Each write ends with a header that says what is there. Silence is a hole: it costs nothing on the
disk, and is passed over where the file is copied or searched. Beyond 4 GiB (37 h of 16 kHz sound,
6 h of Opus in stereo) the header becomes that of RF64 (EBU Tech 3306), for which it keeps a place.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from .folder import replacing
from .label import Label, decode_label

_COUNTED_BYTES = 2**32 - 1
"""What a field of a WAV header can say at most; in RF64 it says that ``ds64`` knows better."""
_START = struct.Struct("<4sI4s4sIQQQI4sIHHIIHH4sI")
"""All chunks up to the length of the label; the label follows, and then the chunk of the samples."""
_SIZE = struct.Struct("<I")
_RIFF_SIZE_AT = 4
_DS64_BYTES = 28
_BLOCK = 1 << 20

Piece = tuple[int, bytes]
"""PCM and the absolute number of its first sample (`timeline`)."""


class WavFile:
    """A WAV file of 16-bit PCM that can be written anywhere from t0 on, and holds no resource.

    Samples have absolute numbers (`timeline`), and are little-endian and interleaved. What touches
    the file blocks, and raises OSError.
    """

    def __init__(self, path: Path, label: Label, sample_rate: int, channels: int) -> None:
        self.path = path
        self.label = label
        self.sample_rate = sample_rate
        self.channels = channels
        self.frame_bytes = 2 * channels
        self._name = str(path)
        self._place(label)

    @classmethod
    def create(cls, path: Path, label: Label, sample_rate: int, channels: int) -> Self:
        """Make an empty file whole, before there is any sound in it."""
        wav = cls(path, label, sample_rate, channels)
        path.write_bytes(wav._header)
        wav._says_end = wav._sound_at
        return wav

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """A file that an earlier process wrote; None if it is not one of ours."""
        with path.open("rb") as file:
            start = file.read(_START.size)
            if len(start) < _START.size or start[-8:-4] != b"rtms":
                return None
            *_, channels, sample_rate, _, _, _, _, label_bytes = _START.unpack(start)
            label = decode_label(file.read(label_bytes))
        return cls(path, label, sample_rate, channels) if label else None

    def write(self, pieces: Iterable[Piece]) -> None:
        """Put each piece in its place, over what is there.

        If that fails, the file still says how long it is.
        """
        file = os.open(self._name, os.O_RDWR)
        try:
            end = self._says_end
            if end is None:
                end = self._finish(file)
            for position, data in pieces:
                offset = self._offset(position)
                _write_at(file, data, offset)
                end = max(end, offset + len(data))
            if end != self._says_end:
                self._say(file, end)
        except OSError:
            self._finish(file)
            raise
        finally:
            os.close(file)

    def samples(self, start: int, stop: int) -> bytes:
        """What the file holds from one sample up to another; silence where it holds nothing."""
        wanted = (stop - start) * self.frame_bytes
        begin = self._offset(start)
        before = min(max(self._sound_at - begin, 0), wanted)
        file = os.open(self._name, os.O_RDONLY)
        try:
            data = os.pread(file, wanted - before, begin + before) if wanted > before else b""
        finally:
            os.close(file)
        if len(data) == wanted:
            return data
        return (bytes(before) + data).ljust(wanted, b"\0")

    def begin_at(self, t0_ms: int) -> None:
        """Put silence in front of everything if the recording's t0 has moved back.

        The file is replaced at once. That costs a copy of it, and happens when media overtake each
        other at the very start of a stream.
        """
        if t0_ms == self.label.t0_ms:
            return
        later = type(self)(self.path, self.label.at(t0_ms), self.sample_rate, self.channels)
        with self.path.open("rb") as old, replacing(self.path) as new:
            later.take(old, self._sound_at, self._t0, new)
        self.label = later.label
        self._place(self.label)

    def take(self, old: BinaryIO, sound_at: int, first: int, new: BinaryIO) -> None:
        """Make ``new`` this file, with the sound of an old one.

        Args:
            old: what is open of it.
            sound_at: where in it the samples begin.
            first: the absolute number of the first of them.
            new: an empty file.
        """
        size = os.fstat(old.fileno()).st_size
        moved = self._offset(first) - sound_at
        for start, end in stretches(old, sound_at, size):
            old.seek(start)
            new.seek(start + moved)
            _copy(old, new, end - start)
        new.flush()
        os.ftruncate(new.fileno(), size + moved)
        self._finish(new.fileno())

    def last_until(self, sample: int) -> None:
        """Put silence behind everything, up to a sample; nothing happens to a file that is longer."""
        file = os.open(self._name, os.O_RDWR)
        try:
            if os.fstat(file).st_size < self._offset(sample):
                os.ftruncate(file, self._offset(sample))
            self._finish(file)
        finally:
            os.close(file)

    def samples_at(self, unix_ms: int) -> int:
        """The absolute number of the sample at a time."""
        return round(unix_ms * self.sample_rate / 1000)

    def milliseconds_at(self, sample: int) -> int:
        """The time of the sample with this absolute number."""
        return sample * 1000 // self.sample_rate

    def close(self, t0_ms: int) -> None:
        """Make the file what it is to be for good, also after a process that could not."""
        self.begin_at(t0_ms)
        self.write([])

    @property
    def end(self) -> int:
        """The absolute number of the sample behind the last."""
        return self._t0 + max(self.path.stat().st_size - self._sound_at, 0) // self.frame_bytes

    @property
    def end_ms(self) -> int:
        """Unix milliseconds at which it ends."""
        return self.milliseconds_at(self.end)

    def blocks(self, first: int) -> Iterator[tuple[int, bytes]]:
        """All sound from a sample on, in pieces of moderate length: their places and what they hold.

        Holes are left out.
        """
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            size -= (size - self._sound_at) % self.frame_bytes
            for start, stop in stretches(file, max(self._offset(first), self._sound_at), size):
                at = start - (start - self._sound_at) % self.frame_bytes
                end = stop + -(stop - self._sound_at) % self.frame_bytes
                file.seek(at)
                while at < end and (data := file.read(min(_BLOCK, end - at))):
                    yield self._t0 + (at - self._sound_at) // self.frame_bytes, data
                    at += len(data)

    def first_sound_ms(self) -> int | None:
        """Unix milliseconds of the first sample that is not silent."""
        for position, data in self.blocks(self._t0):
            (sounding,) = np.frombuffer(data, "<i2").nonzero()
            if sounding.size:
                return self.milliseconds_at(position + int(sounding[0]) // self.channels)
        return None

    def _place(self, label: Label) -> None:
        self._sound_at = _START.size + len(label.encode()) + 8
        """Where in the file the samples begin."""
        self._t0 = self.samples_at(label.t0_ms)
        self._says_end: int | None = None
        """Where the file ends by its header; None if nobody has looked."""
        self._header = self._header_of(0)

    def _offset(self, position: int) -> int:
        return self._sound_at + (position - self._t0) * self.frame_bytes

    def _finish(self, file: int) -> int:
        """Cut off what is no whole sample, say how much there is, and return where the file ends."""
        size = os.fstat(file).st_size
        data_bytes = max(size - self._sound_at, 0)
        end = self._sound_at + data_bytes - data_bytes % self.frame_bytes
        if end < size:
            os.ftruncate(file, end)
        self._say(file, end)
        return end

    def _say(self, file: int, end: int) -> None:
        """Write into the header that the file ends there."""
        riff_bytes = end - 8
        if riff_bytes > _COUNTED_BYTES:
            self._header = self._header_of(end - self._sound_at)
        else:
            _SIZE.pack_into(self._header, _RIFF_SIZE_AT, riff_bytes)
            _SIZE.pack_into(self._header, self._sound_at - _SIZE.size, end - self._sound_at)
        _write_at(file, self._header, 0)
        self._says_end = end

    def _header_of(self, data_bytes: int) -> bytearray:
        text = self.label.encode()
        riff_bytes = self._sound_at - 8 + data_bytes
        is_long = riff_bytes > _COUNTED_BYTES
        start = _START.pack(
            b"RF64" if is_long else b"RIFF",
            _COUNTED_BYTES if is_long else riff_bytes,
            b"WAVE",
            b"ds64" if is_long else b"JUNK",
            _DS64_BYTES,
            riff_bytes if is_long else 0,
            data_bytes if is_long else 0,
            data_bytes // self.frame_bytes if is_long else 0,
            0,
            b"fmt ",
            16,
            1,
            self.channels,
            self.sample_rate,
            self.sample_rate * self.frame_bytes,
            self.frame_bytes,
            16,
            b"rtms",
            len(text),
        )
        size = _COUNTED_BYTES if is_long else data_bytes
        return bytearray(start + text + b"data" + _SIZE.pack(size))


def stretches(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes, as offsets. Blocks; raises OSError."""
    if not hasattr(os, "SEEK_DATA"):
        if start < end:
            yield start, end
        return
    while start < end:
        try:
            start = os.lseek(file.fileno(), start, os.SEEK_DATA)
        except OSError:  # a hole up to the end
            return
        stop = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), end)
        if start < stop:
            yield start, stop
        start = stop


def _copy(old: BinaryIO, new: BinaryIO, size: int) -> None:
    while size > 0 and (data := old.read(min(_BLOCK, size))):
        new.write(data)
        size -= len(data)


def _write_at(file: int, data: Any, offset: int) -> None:
    """All of it: a disk that fills up takes a part, and says why with the next."""
    written = os.pwrite(file, data, offset)
    while written < len(data):
        written += os.pwrite(file, data[written:], offset + written)
