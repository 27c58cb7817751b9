import struct
import zlib

import pytest

from rtms_engine.capture import format as rtmscap
from rtms_engine.capture.format import (
    BLOCK_HEADER_BYTES,
    Head,
    Kind,
    decode_block_header,
    decode_head,
    decode_records,
    decode_signal,
    encode_block,
    encode_head,
    encode_signal,
    inflate,
    salvage_records,
)
from rtms_engine.capture.redact import msg_type_of
from rtms_engine.errors import CaptureError
from rtms_engine.model.products import SESSION
from rtms_engine.model.signals import StreamInterrupted, StreamStarted, StreamStopped

from .support import HEAD, record, records

STARTED = StreamStarted(
    "default", SESSION, "E", "S", ("wss://a.zoom.us", "wss://b.zoom.us"), 5, session_key="k"
)


def test_a_file_begins_as_it_always_will():
    """The first 16 bytes are the same in every version, so that every version can refuse the others."""
    assert rtmscap.file_header().hex() == "8952544d53434150" + "0100" + "0000" + "3fdfaad3"


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_block_there_and_back(compression):
    recorded = records(20)
    data = encode_block(recorded, compression, msg_type_of)
    header, _ = decode_block_header(data)
    assert header.block_bytes == len(data)
    assert (header.first_ns, header.last_ns) == (recorded[0].time_ns, recorded[-1].time_ns)
    stored = data[BLOCK_HEADER_BYTES + header.summary_bytes :]
    assert decode_records(header, stored, inflate(header, stored)) == recorded


def test_a_summary_counts_messages_and_keeps_the_rest():
    recorded = [*records(5), record(102, Kind.SENT, data=b'{"msg_type":13}'), record(102, data=b"\xff{")]
    summary = rtmscap.summarise(recorded, msg_type_of)
    counted = {(count.kind, count.msg_type): count.messages for count in summary.counts}
    assert counted == {(Kind.RECEIVED, 14): 5, (Kind.SENT, 13): 1, (Kind.RECEIVED, -1): 1}
    assert summary.records() == [one for one in recorded if one.kind not in rtmscap.MESSAGES]


@pytest.mark.parametrize(
    "signal",
    [
        STARTED,
        StreamInterrupted("default", SESSION, "E", "S", 6, ("wss://c.zoom.us",)),
        StreamStopped("default", SESSION, "", "S", 7, 8),
    ],
)
def test_a_signal_there_and_back(signal):
    assert decode_signal(encode_signal(signal)) == signal


def test_a_head_there_and_back():
    assert decode_head(encode_head(HEAD)) == HEAD
    assert isinstance(HEAD, Head)


def header_of(version, crc=None):
    start = rtmscap.FILE_HEADER.pack(rtmscap.MAGIC, version, 0, 0)[:-4]
    return start + struct.pack("<I", zlib.crc32(start) if crc is None else crc)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not a capture"),
        (b"\x89RTM", "within its header"),
        (header_of(1, crc=1), "damaged"),
        (header_of(2), "format version 2, and this engine reads up to 1"),
        (header_of(0), "no format version 0"),
    ],
)
def test_what_is_no_capture_of_ours_is_refused_by_its_reason(data, why):
    with pytest.raises(CaptureError, match=why):
        rtmscap.check_file_header("x.rtmscap", data)


@pytest.mark.parametrize("field", [6, 7, 8])  # lengths of the summary, the payload, the stored payload
def test_a_hostile_length_is_no_header(field):
    """It is looked at before anything is allocated."""
    data = bytearray(encode_block(records(), "none", msg_type_of))
    at = {6: 12, 7: 16, 8: 20}[field]
    data[at : at + 4] = struct.pack("<I", rtmscap.MAX_BLOCK_BYTES + 1)
    assert decode_block_header(bytes(data)) is None


def test_a_bomb_gives_no_more_than_its_header_says():
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(bytes(200_000_000))
    header = rtmscap.BlockHeader(1, 1, 0, 1_000, len(bomb), 0, 0, zlib.crc32(bomb))
    assert len(inflate(header, bomb)) == 1_000


def test_salvage_stops_at_the_first_record_that_is_not_whole():
    recorded = records()
    payload = b"".join(map(rtmscap.encode_record, recorded))
    last = len(rtmscap.encode_record(recorded[-1]))
    assert salvage_records(payload[:-1]) == (recorded[:-1], len(payload) - last)
    hostile = payload + rtmscap.RECORD_HEADER.pack(2**32 - 1, 0, 0, 7, 2, 0, 1)
    assert salvage_records(hostile) == (recorded, len(payload))
