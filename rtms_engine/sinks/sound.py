"""Sound as live consumers want it: one channel of 16-bit PCM at a rate of theirs, or µ-law."""

from typing import cast

import av
import numpy as np
import numpy.typing as npt

from ..model.media import AudioParams
from ..recording.codecs import AudioDecodeError, decoder_for, sample_rate_of

Mono = npt.NDArray[np.int16]
"""PCM of shape (samples,)."""

SILENCE: Mono = np.zeros(0, np.int16)


class VoiceDecoder:
    """Packets of one voice that follow each other, to PCM. Use a new one behind a gap.

    Args:
        params: how the packets are coded.
        sample_rate: Hertz of the PCM.
    """

    def __init__(self, params: AudioParams, sample_rate: int) -> None:
        self._decode = decoder_for(params)
        self._from = sample_rate_of(params)
        self._channels = params.channels
        self._resampler: av.AudioResampler | None = None
        if self._from != sample_rate:
            self._resampler = av.AudioResampler("s16", "mono", sample_rate)

    def samples(self, payload: bytes) -> Mono:
        """One packet's sound; none if it cannot be decoded. When the rate is changed, a few samples wait
        for the next packet.
        """
        try:
            samples = np.frombuffer(self._decode(payload), "<i2").reshape(-1, self._channels)
        except AudioDecodeError:
            return SILENCE
        mono: Mono = samples[:, 0] if self._channels == 1 else samples.mean(axis=1).astype(np.int16)
        if self._resampler is None or not len(mono):
            return mono
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None], "s16", "mono")
        frame.sample_rate = self._from
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        return cast(Mono, np.concatenate([SILENCE, *parts]))


def mulaw(samples: Mono) -> bytes:
    """ITU-T G.711 µ-law, one byte for each sample."""
    coded: npt.NDArray[np.uint8] = _MULAW[samples.view(np.uint16)]
    return coded.tobytes()


def _mulaw_table() -> npt.NDArray[np.uint8]:
    """The byte of each 16-bit sample, by its bits (G.711, table 2a: segments of 16 steps)."""
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(value), 32635) + 132
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    step = (magnitude >> (segment + 3)) & 0x0F
    sign = np.where(value < 0, 0x80, 0)
    coded: npt.NDArray[np.uint8] = (~(sign | (segment << 4) | step) & 0xFF).astype(np.uint8)
    return coded


_MULAW = _mulaw_table()
