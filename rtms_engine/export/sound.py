"""The track of sound: all mixes of a recording, or all voices, summed up and encoded as AAC or Opus."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.container import OutputContainer

from ..errors import ExportError
from ..vault.files import for_library
from .moving import AnyPacket
from .source import Sound

ENCODERS: dict[str, Literal["aac", "libopus"]] = {"aac": "aac", "opus": "libopus"}
_BITS_PER_CHANNEL = {"aac": 64_000, "opus": 32_000}
_RATES = {"aac": (8_000, 16_000, 32_000, 48_000), "opus": (8_000, 16_000, 48_000)}
"""Of those that Zoom sends, what the codec takes; the last one takes any other."""

Samples = np.ndarray[Any, np.dtype[np.float32]]
"""Channels by samples, full scale 1."""


class SoundTrack:
    """The sum of some files.

    Args:
        codec: ``aac`` or ``opus``.
        sounds: at least one.
        problem: told of each file that cannot be read to its end.
    """

    def __init__(self, codec: str, sounds: Sequence[Sound], problem: Callable[[str], None]) -> None:
        self.title = "Sound"
        self.codec = codec.upper() if codec == "aac" else codec.title()
        self._codec = codec
        self._problem = problem
        self._sounds = []
        rates, channels, ends = [], [1], [0]
        for sound in sounds:
            if found := _look(sound.path):
                rates.append(found[0])
                channels.append(found[1])
                ends.append(sound.later_ms + found[2])
                self._sounds.append(sound)
            else:
                problem(f"{sound.path.name} cannot be read")
        if not self._sounds:
            raise ExportError("none of the files of sound can be read; --audio none leaves them out")
        self.duration_ms = max(ends)
        fitting = _RATES[codec]
        self._rate = max(rates) if max(rates) in fitting else fitting[-1]
        self._layout = "stereo" if max(channels) > 1 else "mono"

    def add_to(self, container: OutputContainer) -> None:
        """Make the track. Raises ExportError if this FFmpeg has no encoder for it."""
        encoder = ENCODERS[self._codec]
        try:
            self._stream = container.add_stream(encoder, rate=self._rate, layout=self._layout)
        except av.FFmpegError as error:
            raise ExportError(
                f"this build of PyAV has no encoder {encoder}; the wheels on PyPI have it"
            ) from error
        context = self._stream.codec_context
        context.bit_rate = _BITS_PER_CHANNEL[self._codec] * (2 if self._layout == "stereo" else 1)
        self._stream.metadata["handler_name"] = self.title

    def packets(self) -> Iterator[AnyPacket]:
        """The sound, in order."""
        context = self._stream.codec_context
        voices = [_Voice(self._decoded(sound), sound.later_ms * self._rate // 1000) for sound in self._sounds]
        channels, at = 2 if self._layout == "stereo" else 1, 0
        while any(voice.goes_on for voice in voices):
            total = np.zeros((channels, self._rate), np.float32)
            reached = max(voice.add_to(total) for voice in voices)
            frame = av.AudioFrame.from_ndarray(np.clip(total[:, :reached], -1, 1), "fltp", self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, at, Fraction(1, self._rate)
            at += reached
            if reached:
                yield from self._of_stream(context.encode(frame))
        yield from self._of_stream(context.encode(None))

    def _of_stream(self, packets: Sequence[AnyPacket]) -> Iterator[AnyPacket]:
        for packet in packets:
            packet.stream = self._stream
            yield packet

    def _decoded(self, sound: Sound) -> Iterator[Samples]:
        resampler = av.AudioResampler("fltp", self._layout, self._rate)
        try:
            with av.open(for_library(sound.path), "r", metadata_errors="replace") as container:
                for frame in container.decode(audio=0):
                    frame.pts = None  # the samples follow each other
                    yield from map(_samples, resampler.resample(frame))
                yield from map(_samples, resampler.resample(None))
        except av.FFmpegError as error:
            self._problem(f"{sound.path.name} cannot be read to its end: {error.strerror}")


def _look(path: Path) -> tuple[int, int, int] | None:
    """Rate, channels, and milliseconds of a file; None if it has no sound that can be decoded."""
    try:
        with av.open(for_library(path), "r", metadata_errors="replace") as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or stream.codec_context is None or not stream.rate or not stream.channels:
                return None
            duration_us = (container.duration or 0) - _pre_skip_us(stream.codec_context)
            return stream.rate, stream.channels, duration_us // 1000
    except av.FFmpegError:
        return None


def _pre_skip_us(codec: Any) -> int:
    """What an Opus decoder throws away (RFC 7845 §5.1), and FFmpeg counts as duration."""
    head = codec.extradata or b""
    return int.from_bytes(head[10:12], "little") * 1000 // 48 if head.startswith(b"OpusHead") else 0


def _samples(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().astype(np.float32, copy=False)


class _Voice:
    """One file, read in blocks."""

    def __init__(self, pieces: Iterator[Samples], later: int) -> None:
        """``later``: samples between time 0 and the first sample; what is before time 0 is left out."""
        self._pieces = pieces
        self._wait = max(later, 0)
        self._cut = max(-later, 0)
        self._rest: Samples | None = None
        self.goes_on = True
        """Whether there may be more."""

    def add_to(self, total: Samples) -> int:
        """Add the next samples, as many as there is room for, and return where they end."""
        room = int(total.shape[1])
        at = min(self._wait, room)
        self._wait -= at
        while at < room:
            piece = self._rest if self._rest is not None else next(self._pieces, None)
            self._rest = None
            if piece is None:
                self.goes_on = False
                return at
            cut = min(self._cut, int(piece.shape[1]))
            self._cut -= cut
            piece = piece[:, cut:]
            fits = min(room - at, int(piece.shape[1]))
            total[:, at : at + fits] += piece[:, :fits]
            at += fits
            if fits < piece.shape[1]:
                self._rest = piece[:, fits:]
        return at
