import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtms_engine.capture.format import BLOCK_HEADER_BYTES, FILE_HEADER, Kind, decode_block_header
from rtms_engine.capture.reader import CaptureReader, find_captures
from rtms_engine.errors import CaptureError

from .support import HEAD, audio, block_offsets, image, record, records

RECORDS = records(9)
IMAGES = {compression: image(RECORDS, compression) for compression in ("none", "zstd")}
HEAD_END = {name: list(block_offsets(data))[1] for name, data in IMAGES.items()}
"""Where the first block, with the head in it, ends."""
EXAMPLES = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(folder, data):
    path = folder / "x.rtmscap"
    path.write_bytes(data)
    with CaptureReader(path) as reader:
        found = list(reader.records())
        return found, reader.damages


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_was_written_is_read(tmp_path, compression):
    assert read(tmp_path, IMAGES[compression]) == (RECORDS, ())


@EXAMPLES
@given(data=st.data(), compression=st.sampled_from(["none", "zstd"]))
def test_a_cut_at_any_byte_costs_only_what_is_not_whole(tmp_path, data, compression):
    whole = IMAGES[compression]
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        found, damages = read(tmp_path, whole[:cut])
    except CaptureError:
        assert cut < HEAD_END[compression]
        return
    assert found == RECORDS[: len(found)]
    offsets = [*block_offsets(whole)]
    assert len(found) >= 3 * sum(end <= cut for end in offsets[1:])
    if cut in offsets:
        assert damages == ()
    else:
        assert [damage.is_end for damage in damages] == [True]
        assert damages[0].offset + damages[0].bytes == cut


@EXAMPLES
@given(data=st.data(), compression=st.sampled_from(["none", "zstd"]))
def test_any_flipped_byte_is_told_with_its_offset_and_costs_its_block_at_most(tmp_path, data, compression):
    whole = IMAGES[compression]
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    try:
        found, damages = read(tmp_path, bytes(flipped))
    except CaptureError:
        assert at < HEAD_END[compression]
        return
    assert [one.offset <= at < one.offset + one.bytes for one in damages] == [True]
    lost = [one for one in RECORDS if one not in found]
    assert [one for one in RECORDS if one in found] == found
    assert len(lost) <= 3


def test_a_flipped_byte_in_an_uncompressed_record_costs_no_record_before_it(tmp_path):
    data = bytearray(IMAGES["none"])
    data[-1] ^= 1
    found, (damage,) = read(tmp_path, bytes(data))
    assert found == RECORDS[:-1]
    assert "checksum" in str(damage)


@EXAMPLES
@given(noise=st.binary(max_size=300), at=st.integers(0, 3))
def test_noise_between_blocks_is_stepped_over(tmp_path, noise, at):
    whole = IMAGES["none"]
    offset = [*block_offsets(whole)][at]
    if at == 0 and noise:
        return  # then the head is not the first thing in it; see the next test
    found, damages = read(tmp_path, whole[:offset] + noise + whole[offset:])
    assert found == RECORDS
    assert sum(damage.bytes for damage in damages) == len(noise)


@EXAMPLES
@given(noise=st.binary(max_size=400))
def test_no_noise_makes_it_raise_anything_else(tmp_path, noise):
    for data in (noise, IMAGES["none"][: FILE_HEADER.size] + noise):
        with contextlib.suppress(CaptureError):
            read(tmp_path, data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"hello, world, this is no capture", "not a capture"),
        (IMAGES["none"][: FILE_HEADER.size], "nothing was captured"),
        (IMAGES["none"][: FILE_HEADER.size] + b"RBLK", "nothing was captured"),
        (image(RECORDS[1:]), "its first record"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, data, why):
    if "first record" in why:
        why = "before its first record"
    with pytest.raises(CaptureError, match=why):
        read(tmp_path, data)


def test_no_such_file(tmp_path):
    with pytest.raises(CaptureError, match="No such file"):
        CaptureReader(tmp_path / "x.rtmscap")
    with pytest.raises(CaptureError, match="no file"):
        find_captures(tmp_path)


def test_seeking_reads_only_what_is_asked_for(tmp_path):
    """From the middle on: no message from before, but the connections; and no payload before is read."""
    data = bytearray(IMAGES["none"])
    second = [*block_offsets(data)][1]
    header, _ = decode_block_header(bytes(data[second:]))
    data[second + BLOCK_HEADER_BYTES + header.summary_bytes + 5] ^= 255  # damage that nobody must meet
    path = tmp_path / "x.rtmscap"
    path.write_bytes(data)
    with CaptureReader(path) as reader:
        found = list(reader.records(since_ns=round(100.1e9)))
        assert reader.damages == ()
    assert [one.kind for one in found if one.kind is not Kind.RECEIVED] == [
        Kind.STREAM,
        Kind.CONNECTING,
        Kind.CONNECTED,
        Kind.LOST,
    ]
    assert [one.data for one in found if one.kind is Kind.RECEIVED] == [audio(n) for n in range(5, 9)]


def test_the_messages_of_one_leg(tmp_path):
    path = tmp_path / "x.rtmscap"
    path.write_bytes(
        image([*records(4), record(102, leg="video", data=b"{}"), record(102, Kind.SENT, data=b"13")])
    )
    with CaptureReader(path) as reader:
        assert reader.head == HEAD
        assert list(reader.messages("audio")) == [audio(n) for n in range(4)]
        assert list(reader.messages("video")) == [b"{}"]
        assert list(reader.messages("audio", Kind.SENT)) == [b"13"]


def test_captures_are_found_in_the_order_of_their_parts(tmp_path):
    for name in ("b/S.rtmscap", "b/S.10.rtmscap", "b/S.2.rtmscap", "a/T.rtmscap", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_captures(tmp_path)]
    assert found == ["a/T.rtmscap", "b/S.rtmscap", "b/S.2.rtmscap", "b/S.10.rtmscap"]
