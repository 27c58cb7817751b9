"""Pictures: H.264 split into access units, and one codec turned into another (V1.md §6.4, §6.5)."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from typing import NamedTuple, cast

import av
import av.video.frame

JPG, PNG, H264 = 5, 6, 7
"""MEDIA_PAYLOAD_TYPE (V1.md §9.8)."""

_START = b"\x00\x00\x01"
_SLICE, _IDR, _DELIMITER = 1, 5, 9
_BEFORE_A_PICTURE = (6, 7, 8, _DELIMITER)  # SEI, SPS, PPS


class Picture(NamedTuple):
    """One picture as it is sent, and whether decoding can begin with it."""

    data: bytes
    is_key: bool = True


def access_units(stream: bytes) -> list[Picture]:
    """Split H.264 in Annex B into pictures.

    A picture begins with its delimiter or parameter sets, or with a slice whose first_mb_in_slice is
    0: the exp-Golomb code of 0 is a single 1 bit, the first after the NAL header.
    """
    units: list[Picture] = []
    begin, has_slice, is_key = 0, False, False
    for start, header in _nal_units(stream):
        kind = stream[header] & 0x1F
        is_slice = kind in (_SLICE, _IDR)
        first_slice = is_slice and header + 1 < len(stream) and bool(stream[header + 1] & 0x80)
        if has_slice and (kind in _BEFORE_A_PICTURE or first_slice):
            units.append(Picture(stream[begin:start], is_key))
            begin, has_slice, is_key = start, False, False
        has_slice |= is_slice
        is_key |= kind == _IDR
    return [*units, Picture(stream[begin:], is_key)] if has_slice else units


def _nal_units(stream: bytes) -> Iterator[tuple[int, int]]:
    """Where each NAL unit's start code (of 3 or 4 bytes) and its header are."""
    at = stream.find(_START)
    while at >= 0 and at + 3 < len(stream):
        yield at - (at > 0 and stream[at - 1] == 0), at + 3
        at = stream.find(_START, at + 3)


def codec_of(data: bytes) -> int:
    """What a picture file holds, by its first bytes."""
    return JPG if data.startswith(b"\xff\xd8") else PNG if data.startswith(b"\x89PNG") else H264


def converted(
    pictures: Sequence[bytes], from_codec: int, to_codec: int, from_fps: int, to_fps: int
) -> list[Picture]:
    """The same moving picture in another codec and at another rate."""
    decoded = list(_decoded(pictures, from_codec))
    wanted = max(len(decoded) * to_fps // from_fps, 1)
    chosen = [decoded[n * len(decoded) // wanted] for n in range(wanted)]
    return _as_h264(chosen, to_fps) if to_codec == H264 else [_as_image(image, to_codec) for image in chosen]


def _decoded(pictures: Sequence[bytes], codec: int) -> Iterator[av.VideoFrame]:
    if codec != H264:
        known: dict[bytes, av.VideoFrame] = {}
        for data in pictures:
            if data not in known:
                with av.open(BytesIO(data), mode="r") as image:
                    known[data] = next(image.decode(video=0))
            yield known[data]
        return
    decoder = av.VideoCodecContext.create("h264", "r")
    decoder.thread_count = 1
    for data in pictures:
        yield from decoder.decode(av.Packet(data))
    yield from decoder.decode(None)


_IMAGE_ENCODERS = {JPG: ("mjpeg", "yuvj420p"), PNG: ("png", "rgb24")}


def _as_image(picture: av.VideoFrame, codec: int) -> Picture:
    name, pixels = _IMAGE_ENCODERS[codec]
    return Picture(b"".join(_encoded(name, pixels, [picture], 1, {})))


def _as_h264(pictures: Sequence[av.VideoFrame], fps: int) -> list[Picture]:
    x264 = f"keyint={fps}:aud=1:repeat-headers=1"
    options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": x264}
    return access_units(b"".join(_encoded("libx264", "yuv420p", pictures, fps, options)))


def _encoded(
    name: str, pixels: str, pictures: Sequence[av.VideoFrame], fps: int, options: dict[str, str]
) -> Iterable[bytes]:
    encoder = cast(av.VideoCodecContext, av.CodecContext.create(name, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = pictures[0].width, pictures[0].height, pixels
    encoder.time_base, encoder.thread_count, encoder.options = Fraction(1, fps), 1, options
    for n, picture in enumerate(pictures):
        frame = picture.reformat(encoder.width, encoder.height, format=pixels)
        frame.pts, frame.pict_type = n, av.video.frame.PictureType.NONE  # the encoder chooses key frames
        yield from map(bytes, encoder.encode(frame))
    yield from map(bytes, encoder.encode(None))
