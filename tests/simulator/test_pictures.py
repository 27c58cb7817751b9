"""H.264 into pictures, and one codec into another."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest

from rtms_engine.simulator import pictures
from rtms_engine.simulator.pictures import H264, JPG, PNG


def test_pictures_without_delimiters_and_in_several_slices() -> None:
    """A picture begins at the slice whose first_mb_in_slice is 0, or at its parameter sets."""
    sps, pps, idr, idr_rest = (
        b"\x00\x00\x00\x01\x67a",
        b"\x00\x00\x01\x68b",
        b"\x00\x00\x01\x65\x88",
        b"\x00\x00\x01\x65\x40",
    )
    other, rest = b"\x00\x00\x01\x41\x9a", b"\x00\x00\x01\x41\x40"
    units = pictures.access_units(sps + pps + idr + idr_rest + other + rest + other + sps + pps + idr)
    assert units == [
        (sps + pps + idr + idr_rest, True),
        (other + rest, False),
        (other, False),
        (sps + pps + idr, True),
    ]
    assert pictures.access_units(b"") == pictures.access_units(b"\x00\x00\x01") == []


def test_codecs_are_known_by_their_first_bytes() -> None:
    """What is neither JPEG nor PNG is H.264."""
    assert [pictures.codec_of(data) for data in (b"\xff\xd8\xff", b"\x89PNG", b"\0\0\0\1")] == [
        JPG,
        PNG,
        H264,
    ]


@pytest.mark.parametrize("codec", [JPG, PNG, H264])
def test_there_and_back(codec: int) -> None:
    """A grey picture stays grey in every codec; half the rate is half the pictures."""
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "rgb24", Fraction(1)
    grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
    png = b"".join(map(bytes, [*encoder.encode(grey), *encoder.encode(None)]))
    there = pictures.converted([png] * 20, PNG, codec, 20, 10)
    assert len(there) == 10
    assert there[0].is_key
    back = pictures.converted([picture.data for picture in there], codec, PNG, 10, 10)
    with av.open(BytesIO(back[-1].data), mode="r") as image:
        assert abs(next(image.decode(video=0)).to_ndarray(format="rgb24").astype(int) - 128).max() < 6
