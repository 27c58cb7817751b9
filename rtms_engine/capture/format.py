"""The file format ``.rtmscap``, version 1. Pure: bytes in, values out.

::

    file    magic 89 "RTMSCAP"  version u16  0 u16  crc32 u32                     16 bytes, in every version
    block   "RBLK"  codec u8  0 u8  0 u16  records u32  summary bytes u32
            raw bytes u32  stored bytes u32  first ns i64  last ns i64
            crc32 of the stored payload u32  crc32 of this header and the summary u32  48 bytes
            summary (MessagePack)  payload (as stored)
    record  data bytes u32  crc32 of all but these two u32  ns i64
            kind u8  leg u8  0 u16  connection u32                                  24 bytes
            data

All numbers are little-endian. A file is only ever appended to, a block at a time, about one a second. It has
no footer, so a kill costs what was not yet written and nothing else; to find a time, or to count what is
there, one walks from block to block, which reads a twentieth of a percent of the file. Every byte is under
a checksum. A change of any of this is a new version number, which has nothing to do with the engine's.

The first record of a file is ``STREAM``, a `Head` in JSON. The others may be missing, but never lie.
"""

import enum
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from ..errors import CaptureError, ConfigError
from ..model.signals import StreamInterrupted, StreamSignal, StreamStarted, StreamStopped
from ..sinks.base import StreamInfo

VERSION = 1
SUFFIX = ".rtmscap"
MAGIC = b"\x89RTMSCAP"
MARKER = b"RBLK"
MAX_BLOCK_BYTES = 64 * 1024 * 1024
"""No part of a block is longer; a length beyond it is damage, and nothing is allocated for it."""

FILE_HEADER = struct.Struct("<8sHHI")
BLOCK_HEADER = struct.Struct("<4sBBHIIIIqqI")
BLOCK_CRC = struct.Struct("<I")
RECORD_HEADER = struct.Struct("<IIqBBHI")
_RECORD_TAIL = struct.Struct("<qBBHI")
_RECORD_CRC_AT = 8
BLOCK_HEADER_BYTES = BLOCK_HEADER.size + BLOCK_CRC.size

LEGS = ("", "signaling", "audio", "video", "share", "transcript", "chat", "all")
"""Connections by what they are for, as `rtms_engine.protocol.events.LegId` names them; none: the stream."""
_LEG_NUMBER = {name: number for number, name in enumerate(LEGS)}


class Kind(enum.IntEnum):
    """What a record says."""

    STREAM = 1
    """A `Head`."""
    SIGNAL = 2
    """A webhook of the stream, as `encode_signal` spells it."""
    REQUEST = 3
    """What somebody wanted of the engine: ``end`` or ``release``."""
    CONNECTING = 4
    """The URL that is tried."""
    CONNECTED = 5
    FAILED = 6
    """Why the connection could not be opened."""
    RECEIVED = 7
    """One message from Zoom."""
    SENT = 8
    """One message to Zoom."""
    CLOSING = 9
    """We close it: ``close`` or ``abort``."""
    LOST = 10
    """Why the connection is gone; it was up until now (`Receiver.connection_lost`)."""
    OMITTED = 11
    """A sentence on what is not here, because the disk was too slow or too full."""
    END = 12
    """The `rtms_engine.sinks.base.Ending`, in JSON."""
    BROKEN = 13
    """Why the connection is gone; it may have been dead for a while."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened."""

    time_ns: int
    """The loop's time, nanoseconds; its zero is anywhere."""
    kind: Kind
    leg: str
    """One of `LEGS`."""
    connection: int
    """Counts the connections of the stream from 1; 0: none."""
    data: bytes


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What was known when the capture began: all that a worker is made with."""

    engine: str
    """The version that captured."""
    unix_ms: int
    """The wall clock at the time of this record."""
    stream: StreamInfo
    unified: bool
    follow: str
    buffer_data: bool
    is_late: bool
    scrubbed: bool = False


_decode_head = msgspec.json.Decoder(Head).decode


class Count(msgspec.Struct, frozen=True, array_like=True):
    """Messages of one sort within a block."""

    leg: str
    kind: int
    """`Kind.RECEIVED` or `Kind.SENT`."""
    msg_type: int
    """Zoom's number; -1: it could not be read."""
    messages: int
    bytes: int
    first_ns: int
    last_ns: int


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """What is in a block, without its messages."""

    counts: list[Count]
    marks: list[tuple[int, int, str, int, bytes]]
    """The fields of every record that is no message."""

    def records(self) -> list[Record]:
        """The marks."""
        return [
            Record(ns, Kind(kind), leg, connection, data) for ns, kind, leg, connection, data in self.marks
        ]


_decode_summary = msgspec.msgpack.Decoder(Summary).decode


Compression = Literal["none", "zstd"]


class BlockHeader(msgspec.Struct, frozen=True):
    """A block's own description."""

    codec: int
    records: int
    summary_bytes: int
    raw_bytes: int
    stored_bytes: int
    first_ns: int
    last_ns: int
    payload_crc: int

    @property
    def block_bytes(self) -> int:
        """Of all of it."""
        return BLOCK_HEADER_BYTES + self.summary_bytes + self.stored_bytes


# --- the file ---


def file_header() -> bytes:
    """How a file begins."""
    start = FILE_HEADER.pack(MAGIC, VERSION, 0, 0)[:-4]
    return start + BLOCK_CRC.pack(zlib.crc32(start))


def check_file_header(path: str, data: bytes) -> None:
    """Raises CaptureError if these are not the first bytes of a capture that can be read."""
    if not data:
        raise CaptureError(path, "the file is empty")
    if not data.startswith(MAGIC[: len(data)]):
        raise CaptureError(path, "it is not a capture of rtms-engine")
    if len(data) < FILE_HEADER.size:
        raise CaptureError(path, f"it ends within its header, after {len(data)} bytes")
    _, version, _, crc = FILE_HEADER.unpack_from(data)
    if zlib.crc32(data[: FILE_HEADER.size - 4]) != crc:
        raise CaptureError(path, "its header is damaged (offset 0)", offset=0)
    if version > VERSION:
        raise CaptureError(
            path, f"it has format version {version}, and this engine reads up to {VERSION}: update the engine"
        )
    if version < 1:
        raise CaptureError(path, f"there is no format version {version}")


# --- blocks ---


def encode_block(
    records: Sequence[Record], compression: Compression, msg_type: Callable[[bytes], int]
) -> bytes:
    """Several records, at least one, as a block.

    Args:
        records: in the order of their times.
        compression: of the payload.
        msg_type: Zoom's number of a message.
    """
    payload = b"".join(map(encode_record, records))
    codec, stored = _CODEC[compression], payload
    if codec:
        stored = _zstd().ZstdCompressor(level=3).compress(payload)
    summary = msgspec.msgpack.encode(summarise(records, msg_type))
    start = BLOCK_HEADER.pack(
        MARKER,
        codec,
        0,
        0,
        len(records),
        len(summary),
        len(payload),
        len(stored),
        records[0].time_ns,
        records[-1].time_ns,
        zlib.crc32(stored),
    )
    return b"".join((start, BLOCK_CRC.pack(zlib.crc32(summary, zlib.crc32(start))), summary, stored))


def decode_block_header(data: bytes) -> tuple[BlockHeader, int] | None:
    """The header in the first bytes of a block and its checksum, not yet compared; None if it is none."""
    if len(data) < BLOCK_HEADER_BYTES:
        return None
    marker, codec, zero, zeros, *rest = BLOCK_HEADER.unpack_from(data)
    header = BlockHeader(codec, *rest)
    if marker != MARKER or zero or zeros or codec not in _CODEC.values():
        return None
    if max(header.summary_bytes, header.raw_bytes, header.stored_bytes) > MAX_BLOCK_BYTES:
        return None
    (crc,) = BLOCK_CRC.unpack_from(data, BLOCK_HEADER.size)
    return header, crc


def is_intact(header: bytes, summary: bytes, crc: int) -> bool:
    """Whether a block's header and summary are what was written."""
    return zlib.crc32(summary, zlib.crc32(header[: BLOCK_HEADER.size])) == crc


def decode_summary(data: bytes) -> Summary:
    """Raises msgspec.DecodeError or ValueError if it is none."""
    summary = _decode_summary(data)
    legs = {*(count.leg for count in summary.counts), *(record.leg for record in summary.records())}
    if not legs <= _LEG_NUMBER.keys():
        raise ValueError("a leg is none of this version's")
    return summary


def inflate(header: BlockHeader, stored: bytes) -> bytes:
    """The payload, or as much of it as a part of the stored bytes, or a damaged one, gives.

    Never more than the header says. Raises ConfigError if the codec's library is missing.
    """
    if not header.codec:
        return stored
    zstandard = _zstd()
    out = bytearray()
    try:
        with zstandard.ZstdDecompressor(max_window_size=MAX_BLOCK_BYTES).stream_reader(stored) as reader:
            while len(out) < header.raw_bytes:
                piece = reader.read(min(header.raw_bytes - len(out), 1 << 20))
                if not piece:
                    break
                out += piece
    except zstandard.ZstdError:
        pass  # what came out before is what there is; the records' own checksums judge it
    return bytes(out)


def check_compression(compression: Compression) -> None:
    """Raises ConfigError if its library is missing."""
    if _CODEC[compression]:
        _zstd()


_CODEC: dict[Compression, int] = {"none": 0, "zstd": 1}


def _zstd() -> Any:
    """The module `zstandard`."""
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError(
            ["captures with zstd need a library: pip install 'rtms-engine[zstd]', or compression \"none\""]
        ) from error
    return zstandard


# --- records ---


def encode_record(record: Record) -> bytes:
    """One record. Raises KeyError for a leg that is not one of `LEGS`."""
    leg = _LEG_NUMBER[record.leg]
    tail = _RECORD_TAIL.pack(record.time_ns, record.kind, leg, 0, record.connection)
    crc = zlib.crc32(record.data, zlib.crc32(tail))
    return b"".join((len(record.data).to_bytes(4, "little"), crc.to_bytes(4, "little"), tail, record.data))


def decode_records(header: BlockHeader, stored: bytes, payload: bytes) -> list[Record] | None:
    """The records of a whole block; None if it is not what was written, or nothing of this version."""
    if zlib.crc32(stored) != header.payload_crc or len(payload) != header.raw_bytes:
        return None
    unpack, size, at, end = RECORD_HEADER.unpack_from, RECORD_HEADER.size, 0, len(payload)
    found: list[Record] = []
    try:
        while at < end:
            length, _, time_ns, kind, leg, _, connection = unpack(payload, at)
            at += size
            found.append(Record(time_ns, _KINDS[kind], LEGS[leg], connection, payload[at : at + length]))
            at += length
    except (struct.error, KeyError, IndexError):
        return None
    return found if at == end and len(found) == header.records else None


def salvage_records(payload: bytes) -> tuple[list[Record], int]:
    """The whole records at the beginning of a payload that is cut or damaged, and where they end."""
    found, at = [], 0
    while at + RECORD_HEADER.size <= len(payload):
        length, crc, time_ns, kind, leg, _, connection = RECORD_HEADER.unpack_from(payload, at)
        start = at + RECORD_HEADER.size
        data = payload[start : start + length]
        tail = payload[at + _RECORD_CRC_AT : start]
        if len(data) < length or zlib.crc32(data, zlib.crc32(tail)) != crc:
            break
        if kind not in _KINDS or leg >= len(LEGS):
            break
        found.append(Record(time_ns, _KINDS[kind], LEGS[leg], connection, data))
        at = start + length
    return found, at


_KINDS = {int(kind): kind for kind in Kind}


def summarise(records: Iterable[Record], msg_type: Callable[[bytes], int]) -> Summary:
    """What is in them, without the messages."""
    counts: dict[tuple[str, Kind, int], Count] = {}
    marks: list[tuple[int, int, str, int, bytes]] = []
    for record in records:
        if record.kind not in MESSAGES:
            marks.append((record.time_ns, int(record.kind), record.leg, record.connection, record.data))
            continue
        key = (record.leg, record.kind, msg_type(record.data))
        known = counts.get(key)
        counts[key] = Count(
            record.leg,
            int(record.kind),
            key[2],
            (known.messages if known else 0) + 1,
            (known.bytes if known else 0) + len(record.data),
            known.first_ns if known else record.time_ns,
            record.time_ns,
        )
    return Summary(list(counts.values()), marks)


MESSAGES = frozenset({Kind.RECEIVED, Kind.SENT})
"""The records that are messages."""


# --- values in records ---

_SIGNALS: dict[str, type[StreamSignal]] = {
    "started": StreamStarted,
    "interrupted": StreamInterrupted,
    "stopped": StreamStopped,
}
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _SIGNALS.items()}
_NAMES = {kind: name for name, kind in _SIGNALS.items()}


def encode_signal(signal: StreamSignal) -> bytes:
    """JSON: ``["started", {…}]``."""
    return msgspec.json.encode([_NAMES[type(signal)], signal])


def decode_signal(data: bytes) -> StreamSignal:
    """Raises msgspec.DecodeError if it is none."""
    name, value = msgspec.json.decode(data, type=tuple[str, msgspec.Raw])
    if name not in _SIGNALS:
        raise msgspec.ValidationError(f"no signal is called {name[:20]!r}")
    return _DECODERS[name].decode(value)


def encode_head(head: Head) -> bytes:
    """JSON."""
    return msgspec.json.encode(head)


def decode_head(data: bytes) -> Head:
    """Raises msgspec.DecodeError if it is none."""
    return _decode_head(data)
