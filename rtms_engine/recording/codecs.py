"""Sound as Zoom sends it becomes 16-bit PCM, one decoder per run of packets.

Decoding is FFmpeg's, through PyAV. Opus packets come bare, without Ogg and so without a pre-skip
(V1.md §6.3): every packet yields as many samples as it lasts, and all of them are kept.
"""

from collections.abc import Callable
from typing import cast

import av
import numpy as np
import numpy.typing as npt

from ..model.media import AudioCodec, AudioParams

Samples = npt.NDArray[np.int16]
"""PCM of shape (samples, channels)."""
Decode = Callable[[bytes], Samples]
"""One packet to its samples. Raises `AudioDecodeError`."""

_FFMPEG_NAMES: dict[AudioCodec, str] = {"g711": "pcm_alaw", "g722": "g722", "opus": "libopus"}
_FIXED_RATES: dict[AudioCodec, int] = {"g711": 8000, "g722": 16000, "opus": 48000}


class AudioDecodeError(Exception):
    """The packet is not what was negotiated."""


def sample_rate_of(params: AudioParams) -> int:
    """Hertz of the decoded sound. All codecs but L16 have only one, whatever was negotiated."""
    return _FIXED_RATES.get(params.codec, params.sample_rate)


def decoder_for(params: AudioParams) -> Decode:
    """A decoder that knows nothing yet. Use a new one wherever packets do not follow each other."""
    if params.codec == "l16":
        return lambda payload: _pcm(payload, params.channels)
    context = cast(av.AudioCodecContext, av.CodecContext.create(_FFMPEG_NAMES[params.codec], "r"))
    context.sample_rate = sample_rate_of(params)
    context.layout = "mono" if params.channels == 1 else "stereo"

    def decode(payload: bytes) -> Samples:
        try:
            frames = context.decode(av.Packet(payload))
        except av.FFmpegError as error:
            raise AudioDecodeError from error
        return _pcm(b"".join(frame.to_ndarray().tobytes() for frame in frames), params.channels)

    return decode


def _pcm(data: bytes, channels: int) -> Samples:
    """Little-endian 16-bit samples; a sample that is cut off at the end is left out."""
    whole = len(data) - len(data) % (2 * channels)
    return np.frombuffer(data[:whole], "<i2").astype(np.int16, copy=False).reshape(-1, channels)
