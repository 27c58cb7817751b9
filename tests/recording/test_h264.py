"""Annex B taken apart: the same however it is cut, and harmless whatever it holds."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.recording.h264 import AccessUnit, AccessUnits, KeyFrameGate, annex_b
from tests.recording.support import camera_access_units
from tests.support.media import needs_media

AUD, SPS, PPS = b"\x09\xf0", b"\x67\x42\xc0\x1e", b"\x68\xce\x3c\x80"
IDR, P, P_SECOND_SLICE = b"\x65\x88\x84", b"\x41\x9a\x02", b"\x41\x4a\x02"

bodies = st.binary(max_size=20).map(lambda body: body.replace(b"\0", b"\1") + b"\x80")
pictures = st.builds(
    lambda aud, sets, first, more: aud + sets + [first] + more,
    st.sampled_from([[], [AUD]]),
    st.sampled_from([[], [SPS, PPS]]),
    bodies.map(lambda body: b"\x65\x80" + body),
    st.lists(bodies.map(lambda body: b"\x41\x40" + body), max_size=2),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def units_of(*messages: bytes) -> list[AccessUnit]:
    units = AccessUnits()
    return [unit for n, data in enumerate(messages) for unit in units.feed(data, n)] + units.flush()


@given(st.lists(pictures, max_size=8), st.lists(st.integers(0, 10_000), max_size=10), st.booleans())
def test_access_units_survive_any_cut(
    written: list[list[bytes]], places: list[int], short_codes: bool
) -> None:
    """Several in a message or one in several, with start codes of three bytes or four."""
    data = b"".join(annex_b(nals) for nals in written)
    if short_codes:
        data = data.replace(b"\0\0\0\1", b"\0\0\1")
    assert [list(unit.nals) for unit in units_of(*cut(data, places))] == written


@given(st.lists(st.binary(max_size=50) | st.sampled_from([b"\0\0\1", b"\0\0\0\1", SPS, IDR]), max_size=20))
def test_garbage_is_harmless(messages: list[bytes]) -> None:
    """It never raises, and where it is cut makes no difference."""
    whole = units_of(b"".join(messages))
    assert [unit.nals for unit in units_of(*messages)] == [unit.nals for unit in whole]


def test_an_access_unit_has_the_time_of_its_first_message() -> None:
    data = annex_b([AUD, IDR])
    units = units_of(annex_b([AUD, SPS, PPS]), annex_b([IDR]), data[:5], data[5:])
    assert [(unit.timestamp_ms, len(unit.nals)) for unit in units] == [(0, 4), (2, 2)]


def test_slices_of_one_picture_stay_together() -> None:
    assert [unit.nals for unit in units_of(annex_b([P, P_SECOND_SLICE, P]))] == [(P, P_SECOND_SLICE), (P,)]


def test_without_start_codes_nothing_is_kept() -> None:
    """An endless NAL unit is given up, and the next start code begins anew."""
    units = AccessUnits()
    for _ in range(10):
        units.feed(b"\0\0\1\x65" + b"\xff" * 1_000_000, 0)
        for _ in range(9):
            units.feed(b"\xff" * 1_000_000, 0)
        assert len(units._nals._buffer) < 9_000_000


def test_the_gate_waits_for_a_key_frame_with_its_sets() -> None:
    gate = KeyFrameGate()
    units = units_of(annex_b([P, IDR, AUD, SPS, P, AUD, PPS, P, P, IDR, P]))
    assert [gate.admits(unit) for unit in units] == [False, False, False, False, False, True, True]
    gate.close()
    assert [gate.admits(unit) for unit in units_of(annex_b([P, IDR]))] == [False, True]


@needs_media
def test_a_real_stream_has_all_its_pictures() -> None:
    written = camera_access_units()
    units = units_of(*cut(b"".join(written), list(range(0, 500_000, 777))))
    assert [annex_b(unit.nals).replace(b"\0\0\0\1", b"\0\0\1") for unit in units] == [
        data.replace(b"\0\0\0\1", b"\0\0\1") for data in written
    ]
