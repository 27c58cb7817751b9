"""How loud who is: what a level meter shows. Pure."""

import math

import numpy as np

from ..model.frames import AudioFrame
from ..recording.codecs import sample_rate_of
from ..sinks.sound import VoiceDecoder

SILENCE_DBFS = -90.0
"""Nothing is told to be more silent than that."""
MOST_VOICES = 200
"""Beyond it, hostile input is not measured."""


class Levels:
    """The loudest that every voice was since the last `take`."""

    def __init__(self) -> None:
        self._decoders: dict[int, VoiceDecoder] = {}
        self._peaks: dict[int, float] = {}

    def hear(self, frame: AudioFrame) -> None:
        """A packet of a voice (0: of the mix)."""
        voice = 0 if frame.mixed else frame.speaker.user_id
        if voice not in self._decoders:
            if len(self._decoders) >= MOST_VOICES:
                return
            self._decoders[voice] = VoiceDecoder(frame.params, sample_rate_of(frame.params))
        samples = self._decoders[voice].samples(frame.payload)
        if len(samples):
            power = float(np.mean(np.square(samples, dtype=np.float64)))
            self._peaks[voice] = max(self._peaks.get(voice, 0.0), power)

    def take(self) -> dict[int, float]:
        """Decibels below full scale (a square wave is 0), by ``user_id``; only those who were heard."""
        peaks, self._peaks = self._peaks, {}
        return {voice: _dbfs(power) for voice, power in peaks.items()}


def _dbfs(power: float) -> float:
    if power <= 0:
        return SILENCE_DBFS
    return round(max(10 * math.log10(power / 32768**2), SILENCE_DBFS), 1)
