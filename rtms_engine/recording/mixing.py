"""Several voices in one signal.

The mix is nothing but a function of the voices' files: wherever a voice has got something new, that
stretch is summed up anew, in 32 bits, from all that is there. So it is complete at any moment, it
needs no memory, and it comes out the same in whatever order and in however many batches the voices
come. A sum that is louder than 7/8 of full scale approaches full scale and never clips; a voice
that is alone stays as it is, bit by bit.

Voices of another rate, or with another number of channels, are resampled by FFmpeg, with enough of
what is around them that stretches fit together without a seam.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import av
import numpy as np
import numpy.typing as npt

from .wav import Piece, WavFile

Samples = npt.NDArray[np.int16]
"""PCM of shape (samples, channels)."""
Part = tuple[int, Samples]
"""What is heard of a voice, and where."""
Stretch = tuple[int, int]
"""From a sample to behind another, by absolute number."""

_FULL = 32767.0
_KNEE = 28672
"""7/8 of full scale: below it sums are exact."""
_AROUND_MS = 20
"""What a resampler must know before and after a stretch; FFmpeg's looks 2 ms ahead at 8 kHz."""
_BLOCK_MS = 30_000
"""How much is mixed at once."""


class Track(Protocol):
    """A voice in a file of its own."""

    wav: WavFile

    @property
    def reach(self) -> Stretch:
        """From its first sample to behind its last."""


class Mix:
    """The file of all voices together."""

    def __init__(self, wav: WavFile) -> None:
        self.wav = wav

    def renew(self, changed: Sequence[tuple[Track, Sequence[Piece]]], tracks: Sequence[Track]) -> None:
        """Mix anew wherever a voice has changed. Blocks; raises OSError.

        Args:
            changed: voices, and what has just been written of them.
            tracks: all voices.
        """
        new = {id(track): pieces for track, pieces in changed}
        length = self.wav.sample_rate * _BLOCK_MS // 1000
        behind = max((self._at(track.wav, track.reach[1]) for track in tracks), default=0)
        mixed_pieces: list[Piece] = []
        for start, stop in _merged(self._stretches(changed)):
            for begin in range(start, min(stop, behind), length):
                end = min(begin + length, stop, behind)
                mixed_pieces.append((begin, self._mixed(begin, end, tracks, new)))
                if end - begin == length:
                    self.wav.write(mixed_pieces)
                    mixed_pieces = []
        if mixed_pieces:
            self.wav.write(mixed_pieces)

    def _stretches(self, changed: Iterable[tuple[Track, Sequence[Piece]]]) -> Iterator[Stretch]:
        """What of the mix may sound differently now."""
        for track, pieces in changed:
            wav = track.wav
            for at, data in pieces:
                end = at + len(data) // wav.frame_bytes
                if wav.sample_rate == self.wav.sample_rate:
                    yield at, end
                else:
                    around = self.wav.samples_at(_AROUND_MS)
                    t0 = self.wav.samples_at(self.wav.label.t0_ms)
                    yield max(self._at(wav, at) - around, t0), self._at(wav, end) + around

    def _at(self, wav: WavFile, sample: int) -> int:
        """The sample of the mix at which this one of a voice begins, or the next."""
        return -(-sample * self.wav.sample_rate // wav.sample_rate)

    def _mixed(
        self, start: int, stop: int, tracks: Iterable[Track], new: Mapping[int, Sequence[Piece]]
    ) -> bytes:
        parts: list[Part] = []
        for track in tracks:
            first, end = track.reach
            if track.wav.sample_rate != self.wav.sample_rate:
                parts += self._resampled(track, start, stop)
            elif end > start and first < stop:
                parts += self._parts(track, max(first, start), min(end, stop), start, new.get(id(track), ()))
        if len(parts) == 1 and len(parts[0][1]) == stop - start:
            return parts[0][1].tobytes()
        return mixed(parts, stop - start, self.wav.channels).tobytes()

    def _parts(self, track: Track, first: int, end: int, origin: int, new: Sequence[Piece]) -> Iterator[Part]:
        """A stretch of a voice: what is new, from memory; what is around it, from the file."""
        wav = track.wav
        for at, data in new:
            begin, stop = max(at, first), min(at + len(data) // wav.frame_bytes, end)
            if begin >= stop:
                continue
            if first < begin:
                yield first - origin, self._samples(wav.samples(first, begin), wav)
            yield begin - origin, self._samples(data, wav)[begin - at : stop - at]
            first = stop
        if first < end:
            yield first - origin, self._samples(wav.samples(first, end), wav)

    def _resampled(self, track: Track, start: int, stop: int) -> Iterator[Part]:
        """A stretch of a voice of another rate."""
        wav, (first, end) = track.wav, track.reach
        start_ms = self.wav.milliseconds_at(start) - _AROUND_MS
        stop_ms = self.wav.milliseconds_at(stop) + 1 + _AROUND_MS
        begin, behind = wav.samples_at(start_ms), wav.samples_at(stop_ms)
        if end > begin and first < behind:
            known = self._samples(wav.samples(begin, behind), wav)
            skip = start - self.wav.samples_at(start_ms)
            yield 0, resampled(known, wav.sample_rate, self.wav.sample_rate)[skip : skip + stop - start]

    def _samples(self, data: bytes, wav: WavFile) -> Samples:
        """As many as the mix has: one voice on both of them, or the mean of two."""
        samples = np.frombuffer(data, "<i2").reshape(-1, wav.channels)
        if wav.channels == self.wav.channels:
            return samples
        if wav.channels == 1:
            return np.repeat(samples, self.wav.channels, axis=1)
        mean: Samples = (samples.sum(axis=1, keepdims=True, dtype=np.int32) // wav.channels).astype("<i2")
        return mean


def mixed(parts: Sequence[Part], length: int, channels: int) -> Samples:
    """The sum of voices.

    Args:
        parts: each at its place; those of one voice do not overlap.
        length: of the sum, in samples.
        channels: of all of them.
    """
    is_quiet = sum(_peak(part) for _, part in parts) <= _KNEE
    total = np.zeros((length, channels), "<i2" if is_quiet else "<i4")
    for at, part in parts:
        total[at : at + len(part)] += part
    if is_quiet:  # nothing can reach the knee: half the width, a quarter of the time
        return total
    if total.max(initial=0) > _KNEE or total.min(initial=0) < -_KNEE:
        voices = np.zeros(total.shape, np.uint16)
        for at, part in parts:
            voices[at : at + len(part)] += part != 0
        loud = (np.abs(total) > _KNEE) & (voices > 1)
        excess = (np.abs(total[loud]) - _KNEE) / (_FULL - _KNEE)
        total[loud] = np.sign(total[loud]) * (_KNEE + (_FULL - _KNEE) * np.tanh(excess))
    return total.astype("<i2")


def _peak(part: Samples) -> int:
    return max(int(part.max(initial=0)), -int(part.min(initial=0)))


def resampled(samples: Samples, sample_rate: int, to_rate: int) -> Samples:
    """A stretch of sound at another rate. The first and the last 2 ms are not to be trusted."""
    channels = samples.shape[1]
    layout = "mono" if channels == 1 else "stereo"
    frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), "s16", layout)
    frame.sample_rate = sample_rate
    resampler = av.AudioResampler("s16", layout, to_rate)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([cast(Samples, part.to_ndarray()).reshape(-1, channels) for part in frames])


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same in order, with those joined that touch each other."""
    joined: list[Stretch] = []
    for start, stop in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
