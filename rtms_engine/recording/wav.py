"""A WAV file that tells whose it is, and that can be written anywhere.

Each write is one of what came in a batch, and ends with a header that says what is there. A WAV
header counts to 4 GiB: 37 h of 16 kHz sound, 6 h of Opus in stereo; beyond that it says 4 GiB, and
the data go on.
"""

import shutil
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from .codecs import Samples
from .folder import replacing
from .label import Label, decode_label
from .mixing import mixed

_LONGEST_BYTES = 2**32 - 1
_START = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""All chunks up to the length of the label; the label follows, and then the chunk of the samples."""
_BLOCK = 1 << 20

Piece = tuple[int, Samples]
"""Samples and the absolute number of the first of them (`timeline`)."""


class WavFile:
    """A WAV file of 16-bit PCM that can be written anywhere from t0 on, and holds no resource."""

    def __init__(self, path: Path, label: Label, sample_rate: int, channels: int) -> None:
        self.path = path
        self.label = label
        self.sample_rate = sample_rate
        self.channels = channels
        self._frame_bytes = 2 * channels

    @classmethod
    def create(cls, path: Path, label: Label, sample_rate: int, channels: int) -> Self:
        """Make an empty file whole, before there is any sound in it."""
        wav = cls(path, label, sample_rate, channels)
        path.write_bytes(wav._header(label, 0))
        return wav

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """A file that an earlier process wrote; None if it is not one of ours."""
        with path.open("rb") as file:
            start = file.read(_START.size)
            if start[-8:-4] != b"rtms":
                return None
            *_, channels, sample_rate, _, _, _, _, label_bytes = _START.unpack(start)
            label = decode_label(file.read(label_bytes))
        return cls(path, label, sample_rate, channels) if label else None

    def write(self, pieces: Iterable[Piece], *, mix: bool = False) -> None:
        """Put each piece in its place, over what is there or, with ``mix``, together with it.

        Raises OSError; the file then still says how long it is.
        """
        t0 = self.samples_at(self.label.t0_ms)
        with self.path.open("r+b") as file:
            for position, samples in pieces:
                offset = _sound_at(self.label) + (position - t0) * self._frame_bytes
                together = mixed(self._read(file, offset, samples), samples) if mix else samples
                file.seek(offset)
                file.write(together.astype("<i2", copy=False).tobytes())
            file.flush()
            self._finish(file, self.label)

    def begin_at(self, t0_ms: int) -> None:
        """Put silence in front of everything if the recording's t0 has moved back.

        The file is replaced at once. That costs a copy of it, and happens when media overtake each
        other at the very start of a stream.
        """
        if t0_ms == self.label.t0_ms:
            return
        label = self.label.at(t0_ms)
        missing = self.samples_at(self.label.t0_ms) - self.samples_at(t0_ms)
        with self.path.open("rb") as old, replacing(self.path) as new:
            old.seek(_sound_at(self.label))
            new.seek(_sound_at(label) + missing * self._frame_bytes)
            shutil.copyfileobj(old, new)
            self._finish(new, label)
        self.label = label

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
    def end_ms(self) -> int:
        """Unix milliseconds at which it ends. Blocks; raises OSError."""
        samples = max(self.path.stat().st_size - _sound_at(self.label), 0) // self._frame_bytes
        return self.milliseconds_at(self.samples_at(self.label.t0_ms) + samples)

    def first_sound_ms(self) -> int | None:
        """Unix milliseconds of the first sample that is not silent. Blocks; raises OSError."""
        with self.path.open("rb") as file:
            file.seek(_sound_at(self.label))
            for number, data in enumerate(iter(lambda: file.read(2 * _BLOCK), b"")):
                (sounding,) = np.frombuffer(data, "<i2").nonzero()
                if sounding.size:
                    sample = (number * _BLOCK + int(sounding[0])) // self.channels
                    return self.milliseconds_at(self.samples_at(self.label.t0_ms) + sample)
        return None

    def _read(self, file: BinaryIO, offset: int, like: Samples) -> Samples:
        """As many samples as ``like`` has; silence behind the end of the file."""
        file.seek(offset)
        data = file.read(like.nbytes)
        return np.frombuffer(data.ljust(like.nbytes, b"\0"), "<i2").reshape(like.shape)

    def _finish(self, file: BinaryIO, label: Label) -> None:
        """Cut off what is no whole sample, and say how much there is."""
        data_bytes = max(file.seek(0, 2) - _sound_at(label), 0)
        data_bytes -= data_bytes % self._frame_bytes
        file.truncate(_sound_at(label) + data_bytes)
        file.seek(0)
        file.write(self._header(label, data_bytes))

    def _header(self, label: Label, data_bytes: int) -> bytes:
        following = _sound_at(label) - 8
        text = label.encode()
        start = _START.pack(
            b"RIFF",
            min(following + data_bytes, _LONGEST_BYTES),
            b"WAVE",
            b"fmt ",
            16,
            1,
            self.channels,
            self.sample_rate,
            self.sample_rate * self._frame_bytes,
            self._frame_bytes,
            16,
            b"rtms",
            len(text),
        )
        return start + text + struct.pack("<4sI", b"data", min(data_bytes, _LONGEST_BYTES - following))


def _sound_at(label: Label) -> int:
    """Where in a file the samples begin."""
    return _START.size + len(label.encode()) + 8
