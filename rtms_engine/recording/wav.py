"""A WAV file that tells whose it is, and that can be written anywhere.

Each write ends with a header that says what is there. Silence is a hole: it costs nothing on the
disk, and is passed over where the file is copied or searched. Beyond 4 GiB (37 h of 16 kHz sound,
6 h of Opus in stereo) the header becomes that of RF64 (EBU Tech 3306), for which it keeps a place.
"""

import contextlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from ..vault import files
from ..vault.files import replacing
from ..vault.layout import PLAIN, Layout
from .holes import stretches
from .label import Label, decode_label
from .open_files import ROOM, OpenFile

_COUNTED_BYTES = 2**32 - 1
"""What a field of a WAV header can say at most; in RF64 it says that ``ds64`` knows better."""
_START = struct.Struct("<4sI4s4sIQQQI4sIHHIIHH4sI")
"""All chunks up to the length of the label; the label follows, and then the chunk of the samples."""
_SIZE = struct.Struct("<I")
_RIFF_SIZE_AT = 4
_DS64_BYTES = 28
_BLOCK = 1 << 20
_MOST_CHANNELS, _HIGHEST_RATE = 8, 192_000
"""More than Zoom sends (V1.md §9.3)."""

Piece = tuple[int, bytes]
"""PCM and the absolute number of its first sample (`timeline`)."""


class WavFile:
    """A WAV file of 16-bit PCM that can be written anywhere from t0 on.

    It may stay open after a `write`, until it is to `rest` or is closed. Samples have absolute numbers (`timeline`), and are little-endian and interleaved. What touches
    the file blocks, and raises OSError.
    """

    _says_end: int | None
    """Where the file ends by its header; None if nobody has looked."""

    def __init__(self, path: Path, label: Label, sample_rate: int, channels: int) -> None:
        self.path = path
        self.label = label
        self.sample_rate = sample_rate
        self.channels = channels
        self.frame_bytes = 2 * channels
        self._name = str(path)
        self._open: OpenFile | None = None
        self._place(label)

    @classmethod
    def create(cls, path: Path, label: Label, sample_rate: int, channels: int) -> Self:
        """Make an empty file whole, before there is any sound in it."""
        wav = cls(path, label, sample_rate, channels)
        file = os.open(wav._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            wav._layout_of(file).write(file, wav._header, 0)
        finally:
            os.close(file)
        wav._says_end = wav.sound_at
        return wav

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """A file that an earlier process wrote; None if it is not one of ours."""
        with files.reading(path) as file:
            start = file.read(_START.size)
            if len(start) < _START.size or start[-8:-4] != b"rtms":
                return None
            *_, channels, sample_rate, _, _, _, _, label_bytes = _START.unpack(start)
            text = file.read(label_bytes)
        label = decode_label(text)
        # A damaged header must not be written out again as a whole one.
        is_ours = label and label.encode() == text and 0 < channels <= _MOST_CHANNELS
        is_ours = is_ours and 0 < sample_rate <= _HIGHEST_RATE
        return cls(path, label, sample_rate, channels) if label and is_ours else None

    def write(self, pieces: Iterable[Piece]) -> None:
        """Put each piece in its place, over what is there.

        If that fails, the file still says how long it is.
        """
        if self._open is not None and self._open.is_deleted:
            self.rest()  # to open it will fail, and say why
        if self._open is None:
            self._open = ROOM.open(self._name)
        file = os.open(self._name, os.O_RDWR) if self._open is None else self._open.number
        try:
            layout = self._layout_of(file)
            end = self._says_end
            if end is None:
                end = self._finish(file)
            for position, data in pieces:
                offset = self.offset(position)
                layout.write(file, data, offset)
                end = max(end, offset + len(data))
            if end != self._says_end:
                self._say(file, end)
        except OSError:
            self._finish(file)
            raise
        finally:
            if self._open is None:
                os.close(file)

    def rest(self) -> None:
        """Nothing is written for a while: let go of what is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def samples(self, start: int, stop: int) -> bytes:
        """What the file holds from one sample up to another; silence where it holds nothing."""
        file = os.open(self._name, os.O_RDONLY)
        try:
            return Reader(self, file, self._layout_of(file)).samples(start, stop)
        finally:
            os.close(file)

    def begin_at(self, t0_ms: int) -> None:
        """Put silence in front of everything if the recording's t0 has moved back.

        The file is replaced at once. That costs a copy of it, and happens when media overtake each
        other at the very start of a stream.
        """
        if t0_ms == self.label.t0_ms:
            return
        self.rest()
        later = type(self)(self.path, self.label.at(t0_ms), self.sample_rate, self.channels)
        with files.reading(self.path) as old, replacing(self.path) as new:
            later.take(old, self.sound_at, self._t0, new)
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
        size = old.seek(0, os.SEEK_END)
        moved = self.offset(first) - sound_at
        for start, end in stretches(old, sound_at, size):
            old.seek(start)
            new.seek(start + moved)
            _copy(old, new, end - start)
        end = self._whole(size + moved)
        new.truncate(end)
        new.seek(0)
        new.write(self._header_saying(end))
        self._says_end = end

    def cut(self, from_ms: int) -> None:
        """Let the file begin at a time, whether that is before or behind its beginning. It is replaced at
        once.
        """
        if from_ms <= self.label.t0_ms:
            self.begin_at(from_ms)
            return
        self.rest()
        first = self.samples_at(from_ms)
        later = type(self)(self.path, self.label.at(from_ms), self.sample_rate, self.channels)
        with files.reading(self.path) as old, replacing(self.path) as new:
            later.take(old, self.offset(first), first, new)
        self.label = later.label
        self._place(self.label)

    @contextlib.contextmanager
    def reading(self) -> Iterator["Reader"]:
        """Open it once for many looks at it."""
        file = os.open(self._name, os.O_RDONLY)
        try:
            layout = PLAIN if self._layout is PLAIN else files.layout_of(self.path, file, in_full=True)
            yield Reader(self, file, layout)
        finally:
            os.close(file)

    def last_until(self, sample: int) -> None:
        """Put silence behind everything, up to a sample; nothing happens to a file that is longer."""
        file = os.open(self._name, os.O_RDWR)
        try:
            layout = self._layout_of(file)
            if layout.size(file) < self.offset(sample):
                layout.truncate(file, self.offset(sample))
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
        self.rest()

    @property
    def end(self) -> int:
        """The absolute number of the sample behind the last."""
        return self._t0 + max(files.size_of(self.path) - self.sound_at, 0) // self.frame_bytes

    @property
    def end_ms(self) -> int:
        """Unix milliseconds at which it ends."""
        return self.milliseconds_at(self.end)

    def sounding_ms(self) -> tuple[int, int] | None:
        """Unix milliseconds of the first sample that is not silent, and behind the last; None if all are."""
        with files.reading(self.path) as file:
            blocks = [
                (at, min(_BLOCK, stop - at))
                for start, stop in stretches(file, self.sound_at, file.seek(0, os.SEEK_END))
                for at in range(start, stop, _BLOCK)
            ]
            first = next(filter(None, (self._sounding(file, *block) for block in blocks)), None)
            last = next(filter(None, (self._sounding(file, *block) for block in reversed(blocks))), None)
        if first is None or last is None:
            return None
        return self.milliseconds_at(first[0]), -(-(last[1] + 1) * 1000 // self.sample_rate)

    def _sounding(self, file: BinaryIO, at: int, size: int) -> tuple[int, int] | None:
        """The first and the last sample in a part of the file that are not silent."""
        file.seek(at)
        (loud,) = np.frombuffer(file.read(size & ~1), "<i2").nonzero()
        if not loud.size:
            return None
        before = at - self.sound_at
        first, last = (self._t0 + (before + 2 * int(loud[n])) // self.frame_bytes for n in (0, -1))
        return first, last

    def _place(self, label: Label) -> None:
        self.sound_at = _START.size + len(label.encode()) + 8
        """Where in the file the samples begin."""
        self._t0 = self.samples_at(label.t0_ms)
        self._says_end = None
        self._header = self._header_of(0)
        self._layout: Layout | None = None
        """How the file lies on the disk; None if nobody has looked."""

    def _layout_of(self, file: int) -> Layout:
        if self._layout is None:
            self._layout = files.layout_of(self.path, file)
        return self._layout

    def offset(self, position: int) -> int:
        """Where in the file a sample is."""
        return self.sound_at + (position - self._t0) * self.frame_bytes

    def _finish(self, file: int) -> int:
        """Cut off what is no whole sample, say how much there is, and return where the file ends."""
        layout = self._layout_of(file)
        size = layout.size(file)
        end = self._whole(size)
        if end < size:
            layout.truncate(file, end)
        self._say(file, end)
        return end

    def _whole(self, size: int) -> int:
        """Where a file of so many bytes ends, without what is no whole sample."""
        data_bytes = max(size - self.sound_at, 0)
        return self.sound_at + data_bytes - data_bytes % self.frame_bytes

    def _say(self, file: int, end: int) -> None:
        """Write into the header that the file ends there."""
        self._layout_of(file).write(file, self._header_saying(end), 0)
        self._says_end = end

    def _header_saying(self, end: int) -> bytearray:
        riff_bytes = end - 8
        if riff_bytes > _COUNTED_BYTES or self._header.startswith(b"RF64"):
            self._header = self._header_of(end - self.sound_at)
        else:
            _SIZE.pack_into(self._header, _RIFF_SIZE_AT, riff_bytes)
            _SIZE.pack_into(self._header, self.sound_at - _SIZE.size, end - self.sound_at)
        return self._header

    def _header_of(self, data_bytes: int) -> bytearray:
        text = self.label.encode()
        riff_bytes = self.sound_at - 8 + data_bytes
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


class Reader:
    """A WAV file that is open."""

    def __init__(self, wav: WavFile, file: int, layout: Layout) -> None:
        self._wav = wav
        self._file = file
        self._layout = layout

    def samples(self, start: int, stop: int) -> bytes:
        """What the file holds from one sample up to another; silence where it holds nothing."""
        wav = self._wav
        wanted, begin = (stop - start) * wav.frame_bytes, wav.offset(start)
        if begin >= wav.sound_at:
            data = self._layout.read(self._file, wanted, begin)
            return data if len(data) == wanted else data.ljust(wanted, b"\0")
        before = min(wav.sound_at - begin, wanted)
        data = self._layout.read(self._file, wanted - before, begin + before)
        return (bytes(before) + data).ljust(wanted, b"\0")

    def is_hole(self, start: int, stop: int) -> bool:
        """Whether it is certain that there is nothing but silence."""
        begin = max(self._wav.offset(start), self._wav.sound_at)
        return next(self._layout.stretches(self._file, begin, self._wav.offset(stop)), None) is None


def _copy(old: BinaryIO, new: BinaryIO, size: int) -> None:
    while size > 0 and (data := old.read(min(_BLOCK, size))):
        new.write(data)
        size -= len(data)
