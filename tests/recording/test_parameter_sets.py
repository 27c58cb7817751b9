"""Parameter sets: their sizes as FFmpeg reads them, and no harm by those that make no sense."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.recording.h264 import AccessUnits, KeyFrameGate
from rtms_engine.recording.parameter_sets import (
    BadSyntaxError,
    Bits,
    configuration,
    first_macroblock,
    pps_id_of,
    read_pps,
    read_sps,
)

SPS = bytes.fromhex("6742c01e95a0280bfe54")


def encoded(width: int, height: int, pix_fmt: str, **options: str) -> bytes:
    """A key frame by x264."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pix_fmt
    encoder.time_base, encoder.options = Fraction(1, 25), {"preset": "ultrafast", **options}
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), "rgb24").reformat(
        format=pix_fmt
    )
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@pytest.mark.parametrize(
    ("width", "height", "pix_fmt", "options"),
    [
        (640, 360, "yuv420p", {"profile": "baseline"}),
        (1920, 1080, "yuv420p", {"profile": "high", "x264-params": "cqm=jvt"}),
        (322, 184, "yuv420p", {"flags": "+ildct+ilme"}),
        (162, 91, "yuv422p", {}),
        (161, 91, "yuv444p", {}),
        (160, 90, "yuv420p10le", {}),
        (162, 90, "gray", {}),
    ],
)
def test_sizes_are_as_the_encoder_says(
    width: int, height: int, pix_fmt: str, options: dict[str, str]
) -> None:
    """Cropped, interlaced, with scaling lists, and of all chroma formats."""
    data = encoded(width, height, pix_fmt, **options)
    gate, units = KeyFrameGate(), AccessUnits()
    assert all(gate.admits(unit) for unit in [*units.feed(data, 0), *units.flush()])
    sets = gate.parameter_sets
    assert sets is not None
    assert (sets.active.width, sets.active.height) == (width, height)
    assert configuration(sets)[:4] == b"\1" + sets.active.nal[1:4]


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_read_within_bounds(data: bytes) -> None:
    for nal in (b"\x67" + data, SPS[:4] + data, SPS[:-3] + data):
        try:
            sps = read_sps(nal)
        except BadSyntaxError:
            continue
        assert 0 < sps.width <= 16_880
        assert 0 < sps.height <= 16_880
        assert sps.id <= 31


@pytest.mark.parametrize("nal", [b"\x67", SPS[:5], SPS + bytes(5000), b"\x67" + bytes(60)])
def test_what_makes_no_sense_is_refused(nal: bytes) -> None:
    with pytest.raises(BadSyntaxError):
        read_sps(nal)


@pytest.mark.parametrize("read", [read_pps, first_macroblock, pps_id_of])
def test_nothing_is_read_behind_the_end(read: Any) -> None:
    for nal in (b"\x68", b"\x68\0", b"\x68" + bytes(5000)):
        with pytest.raises(BadSyntaxError):
            read(nal)


def test_bits_are_read_as_the_standard_writes_them() -> None:
    """Exp-Golomb codes of table 9-2 and 9-3; the byte of emulation prevention is no bit."""
    bits = Bits(b"\x67" + bytes([0b1_010_011_0, 0b0100_0010, 0b1_000_0000]) + b"\0\0\3\1")
    assert [bits.ue(), bits.ue(), bits.ue(), bits.ue(), bits.se()] == [0, 1, 2, 3, -2]
    assert (bits.u(7), bits.u(24)) == (0, 1)
