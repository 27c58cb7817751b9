"""What recorded sound becomes when the stream is over: another format, another beginning.

While a stream runs its sound is in WAV files, since these are whole at any moment. At the end each is
made into what was asked for, in bounded memory, and the WAV file goes when its successor is there. A
process that is killed meanwhile leaves WAV files, and `recovery` does the rest.

Encoding is FFmpeg's, through PyAV. Hours of silence are holes in a WAV file, and hardly take time.
"""

import errno
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import msgspec
import numpy as np

from ..vault.files import replacing
from .mixing import resampled
from .wav import WavFile

SoundFormat = Literal["wav", "flac", "opus"]
Align = Literal["full", "trimmed"]

ENCODED = (".flac", ".opus")
"""How the names of files end that were WAV files."""
_OPUS_RATES = (8000, 12_000, 16_000, 24_000, 48_000)
"""What an Opus encoder takes (RFC 6716 §2); sound of another rate is resampled to the last."""
_OPUS_BITS = {8000: 24_000, 16_000: 32_000}
"""Bits a second of each channel, where it is not those of full band."""
_OPUS_FULL_BAND_BITS = 64_000
_SAME_BYTES = {"fflags": "+bitexact"}
"""The same sound is the same file: else FFmpeg draws the number of an Ogg stream (RFC 3533 §6) by lot."""
_OPUS_EFFORT = {"compression_level": "5"}
"""Twice as fast as the best, and nobody hears the difference in speech."""
_FRAME_MS, _SILENT_FRAMES = 20, 6
"""A packet of Opus; and how many silent frames one may hold (RFC 6716 §3.2.5: 120 ms)."""
_FRAMES_CODE = 3
"""The bits of a packet's first byte that say how many frames it holds; 0: one."""
_AROUND_MS = 20
"""What a resampler must know before and after a stretch."""


class Sound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What sound is made into."""

    format: SoundFormat = "wav"
    align: Align = "full"
    """``full``: every file spans the whole stream, from t0 to the end. ``trimmed``: from its first sound
    to its last."""


class Span(NamedTuple):
    """Of a file, in Unix milliseconds."""

    start_ms: int
    end_ms: int


def finish(wav: WavFile, sound: Sound, span: Span) -> Path:
    """Make a closed WAV file what was asked for, and return where that is.

    Blocks; raises OSError, and leaves the WAV file as it was if it cannot be made into anything else.

    Args:
        wav: the file.
        sound: what was asked for.
        span: from where to where the result is to go. Silence fills what the file has not.
    """
    if sound.format == "wav":
        wav.cut(span.start_ms)
        wav.last_until(wav.samples_at(span.end_ms))
        return wav.path
    finished = wav.path.with_suffix(f".{sound.format}")
    try:
        with replacing(finished, like=wav.path) as file:
            _ENCODERS[sound.format](wav, span, file)
    except av.FFmpegError as error:
        raise OSError(errno.EIO, f"{wav.path.name} stays as it is: {error}") from error
    wav.path.unlink()
    return finished


def _encode_flac(wav: WavFile, span: Span, file: Any) -> None:
    with av.open(file, "w", format="flac") as container:
        container.metadata["comment"] = wav.label.at(span.start_ms).encode().decode()
        stream: Any = container.add_stream("flac", rate=wav.sample_rate)
        stream.layout, stream.format = _layout(wav), "s16"
        silence = np.zeros((wav.sample_rate, wav.channels), np.int16)
        at = 0
        for samples, length in _seconds(wav, span, wav.sample_rate):
            frame = _frame(silence[:length] if samples is None else samples, wav.sample_rate, at)
            container.mux(stream.encode(frame))
            at += length
        container.mux(stream.encode(None))


def _encode_opus(wav: WavFile, span: Span, file: Any) -> None:
    rate = wav.sample_rate if wav.sample_rate in _OPUS_RATES else _OPUS_RATES[-1]
    with av.open(file, "w", format="ogg", options=_SAME_BYTES) as container:
        stream: Any = container.add_stream("libopus", rate=rate, options=_OPUS_EFFORT)
        stream.layout, stream.format = _layout(wav), "s16"
        stream.bit_rate = _OPUS_BITS.get(rate, _OPUS_FULL_BAND_BITS) * wav.channels
        stream.metadata["comment"] = wav.label.at(span.start_ms).encode().decode()
        speech = _Opus(container, stream, rate)
        silence = np.zeros((rate, wav.channels), np.int16)
        for samples, length in _seconds(wav, span, rate):
            if samples is not None:
                speech.say(samples)
            elif not speech.repeat(length):
                speech.say(silence[:length])
        speech.end()


class _Opus:
    """Ogg with packets of 20 ms. What the encoder makes of silence is the same again and again: where
    that goes on it is asked no more, and its answer repeated.
    """

    def __init__(self, container: Any, stream: Any, rate: int) -> None:
        self._container = container
        self._stream = stream
        self._time_base = Fraction(1, rate)
        self._rate = rate
        self._size = rate * _FRAME_MS // 1000
        self._said = 0
        """Samples that the encoder has got."""
        self._repeated = 0
        """Samples that it has not."""
        self._next = 0
        """Where the next packet belongs: a little behind, since the encoder looks ahead."""
        self._answer = b""
        """The encoder's last one, if it was to silence."""

    def say(self, samples: Any) -> None:
        """Encode a second, or less if it is the last."""
        packets: list[Any] = []
        for begin in range(0, len(samples), self._size):
            part = samples[begin : begin + self._size]
            packets += self._stream.encode(_frame(part, self._rate, self._said))
            self._said += len(part)
        self._answer = bytes(packets[-1]) if packets and not samples.any() else b""
        self._mux(packets)

    def repeat(self, length: int) -> bool:
        """Go on with silence, and return whether that was possible."""
        answer = self._answer
        if length % self._size or not answer or answer[0] & _FRAMES_CODE:
            return False
        for data, frames in _repeated(answer, length // self._size):
            packet: Any = av.Packet(data)
            packet.stream, packet.time_base = self._stream, self._time_base
            packet.pts = packet.dts = self._next
            packet.duration = frames * self._size
            self._next += packet.duration
            self._container.mux(packet)
        self._repeated += length
        return True

    def end(self) -> None:
        """Encode what the encoder keeps back."""
        self._mux(self._stream.encode(None))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.pts += self._repeated
            packet.dts += self._repeated
            self._next = packet.pts + packet.duration
            self._container.mux(packet)


def _repeated(answer: bytes, frames: int) -> Iterator[tuple[bytes, int]]:
    """Packets of several frames that are all alike (RFC 6716 §3.2.5), and how many are in each."""
    while frames:
        count = min(frames, _SILENT_FRAMES)
        yield bytes([answer[0] | _FRAMES_CODE, count]) + answer[1:] * count, count
        frames -= count


def _seconds(wav: WavFile, span: Span, rate: int) -> Iterator[tuple[Any, int]]:
    """The sound second by second, at a rate: samples or, where there are none, None; and their number."""
    with wav.reading() as reader:
        for start_ms in range(span.start_ms, span.end_ms, 1000):
            end_ms = min(start_ms + 1000, span.end_ms)
            length = (end_ms - start_ms) * rate // 1000
            around_ms = 0 if rate == wav.sample_rate else _AROUND_MS
            start, stop = wav.samples_at(start_ms - around_ms), wav.samples_at(end_ms + around_ms)
            if reader.is_hole(start, stop):
                yield None, length
                continue
            samples = np.frombuffer(reader.samples(start, stop), "<i2").reshape(-1, wav.channels)
            if rate != wav.sample_rate:
                skip = around_ms * rate // 1000
                samples = resampled(samples, wav.sample_rate, rate)[skip : skip + length]
            yield samples, length


def _frame(samples: Any, rate: int, at: int) -> Any:
    channels = samples.shape[1]
    layout = "mono" if channels == 1 else "stereo"
    frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), "s16", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame


def _layout(wav: WavFile) -> str:
    return "mono" if wav.channels == 1 else "stereo"


_ENCODERS = {"flac": _encode_flac, "opus": _encode_opus}
