"""Annex B taken apart: the same however it is cut, and harmless whatever it holds."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.recording.h264 import AccessUnit, AccessUnits, BadAccessUnitError, KeyFrameGate, annex_b
from tests.recording.support import camera_access_units
from tests.support.media import needs_media

AUD, SEI = b"\x09\xf0", b"\x06\x05\x01\xaa\x80"
SPS, PPS = bytes.fromhex("6742c01e95a0280bfe54"), b"\x68\xce\x3c\x80"
IDR, P, P_SECOND_SLICE = b"\x65\x88\x84", b"\x41\x9a\x02", b"\x41\x4a\x02"

bodies = st.binary(max_size=20).map(lambda body: body.replace(b"\0", b"\1") + b"\x80")
pictures = st.builds(
    lambda aud, sets, first, more: aud + sets + [first] + more,
    st.sampled_from([[], [AUD]]),
    st.sampled_from([[], [SPS, PPS]]),
    bodies.map(lambda body: b"\x65\x80" + body),
    st.lists(bodies, max_size=2).map(
        lambda found: [b"\x65" + place + body for place, body in zip((b"\x40", b"\x60"), found, strict=False)]
    ),
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


def test_a_slice_further_up_begins_a_picture_even_if_the_first_one_is_lost() -> None:
    assert [unit.nals for unit in units_of(annex_b([P, P_SECOND_SLICE, P_SECOND_SLICE]))] == [
        (P, P_SECOND_SLICE),
        (P_SECOND_SLICE,),
    ]


def test_a_key_frame_and_its_successor_are_two_pictures() -> None:
    assert [len(unit.nals) for unit in units_of(annex_b([IDR, P_SECOND_SLICE]))] == [1, 1]


def test_messages_of_the_encoder_belong_to_the_picture_behind_them() -> None:
    assert [unit.nals for unit in units_of(annex_b([SEI, IDR, SEI, SEI, P]))] == [(SEI, IDR), (SEI, SEI, P)]


def test_prefixes_of_scalable_video_stay_with_their_slices() -> None:
    prefix = b"\x6e\x40\x80"
    units = units_of(annex_b([prefix, P, prefix, P_SECOND_SLICE, prefix, P, prefix]))
    assert [unit.nals for unit in units] == [(prefix, P, prefix, P_SECOND_SLICE), (prefix, P)]


def test_what_nobody_can_read_damages_its_picture() -> None:
    """A NAL unit whose first bit is wrong, a slice without content, and too many of them."""
    data = annex_b([IDR, b"\xe5\x11", P, b"\x41", P, *[SEI] * 5000, P, P])
    assert [unit.is_damaged for unit in units_of(data)] == [True, True, False, True, False]


def test_no_picture_is_endless() -> None:
    """Megabytes in front of a slice that never comes, and millions of tiny NAL units, are not kept."""
    units = AccessUnits()
    for _ in range(5):
        units.feed(annex_b([b"\x06" + b"\xff" * 7_000_000]), 0)
    assert units._bytes < 17_000_000
    units.feed(b"\0\0\1\x06" * 200_000, 0)
    assert len(units._current) <= 4096
    assert len(units.feed(b"\0\0\1\x41\x9a" * 1_000_000, 0)) < 20_000


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


def test_the_gate_refuses_sets_and_slices_that_make_no_sense() -> None:
    """It is closed then: what follows builds on what is missing."""
    gate = KeyFrameGate()
    bad_sps, other_pps = b"\x67\xff", b"\x41\x88\x40"
    script = [
        ([SPS, PPS, IDR], True),
        ([AUD, P], True),
        ([AUD, bad_sps, IDR], None),
        ([AUD, P], False),
        ([AUD, IDR], True),
        ([AUD, other_pps], None),
        ([AUD, IDR], True),
    ]
    for unit, (_, admitted) in zip(units_of(*(annex_b(nals) for nals, _ in script)), script, strict=True):
        if admitted is None:
            with pytest.raises(BadAccessUnitError):
                gate.admits(unit)
        else:
            assert gate.admits(unit) is admitted


@needs_media
def test_a_real_stream_has_all_its_pictures() -> None:
    written = camera_access_units()
    units = units_of(*cut(b"".join(written), list(range(0, 500_000, 777))))
    assert [annex_b(unit.nals).replace(b"\0\0\0\1", b"\0\0\1") for unit in units] == [
        data.replace(b"\0\0\0\1", b"\0\0\1") for data in written
    ]
