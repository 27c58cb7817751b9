"""Sound as Zoom sends it becomes 16-bit PCM, one decoder per run of packets.

Decoding is FFmpeg's, through PyAV. Opus packets come bare, without Ogg and so without a pre-skip
(V1.md §6.3): every packet yields as many samples as it lasts, and all of them are kept.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import av

from ..model.media import AudioCodec, AudioParams

Decode = Callable[[bytes], bytes]
"""One packet to its samples: little-endian, interleaved, whole. Raises `AudioDecodeError`."""

_FFMPEG_NAMES: dict[AudioCodec, str] = {"g711": "pcm_alaw", "g722": "g722", "opus": "libopus"}
_FIXED_RATES: dict[AudioCodec, int] = {"g711": 8000, "g722": 16000, "opus": 48000}


class AudioDecodeError(Exception):
    """The packet is not what was negotiated."""


def sample_rate_of(params: AudioParams) -> int:
    """Hertz of the decoded sound. All codecs but L16 have only one, whatever was negotiated."""
    return _FIXED_RATES.get(params.codec, params.sample_rate)


def decoder_for(params: AudioParams) -> Decode:
    """A decoder that knows nothing yet. Use a new one wherever packets do not follow each other."""
    frame_bytes = 2 * params.channels
    if params.codec == "l16":
        return partial(_whole, frame_bytes)
    context = cast(av.AudioCodecContext, av.CodecContext.create(_FFMPEG_NAMES[params.codec], "r"))
    context.sample_rate = sample_rate_of(params)
    context.layout = "mono" if params.channels == 1 else "stereo"

    def decode(payload: bytes) -> bytes:
        try:
            frames = context.decode(av.Packet(payload))
        except av.FFmpegError as error:
            raise AudioDecodeError from error
        data = b"".join(frame.to_ndarray().astype("<i2", copy=False).tobytes() for frame in frames)
        return _whole(frame_bytes, data)

    return decode


def _whole(frame_bytes: int, data: bytes) -> bytes:
    """The same, without a sample that is cut off at the end."""
    torn = len(data) % frame_bytes
    return data[:-torn] if torn else data
