"""Captures to read."""

import json

from rtms_engine.capture import format as rtmscap
from rtms_engine.capture.format import Head, Kind, Record, encode_block, encode_head, file_header
from rtms_engine.capture.redact import msg_type_of
from rtms_engine.model.products import MEETING
from rtms_engine.sinks.base import StreamInfo

INFO = StreamInfo("STREAM", "default", MEETING, "MEETING==", 1_790_000_000_000)
HEAD = Head(
    engine="0.0.0",
    unix_ms=1_790_000_000_500,
    stream=INFO,
    unified=False,
    follow="active_speaker",
    buffer_data=True,
    is_late=False,
)


def record(at_s, kind=Kind.RECEIVED, leg="audio", connection=1, data=b""):
    return Record(round(at_s * 1e9), kind, leg, connection, data)


def audio(number):
    content = {"user_id": 7, "user_name": "Ada", "timestamp": 1_790_000_000_000 + 20 * number, "data": "AAAA"}
    return json.dumps({"msg_type": 14, "content": content}).encode()


def records(messages=6):
    """A head and some messages, 20 ms apart, from second 100 on."""
    return [
        record(100, Kind.STREAM, "", 0, encode_head(HEAD)),
        record(100, Kind.CONNECTING, data=b"wss://rtms.zoom.us"),
        record(100, Kind.CONNECTED),
        *(record(100 + 0.02 * n, data=audio(n)) for n in range(messages)),
        record(101, Kind.LOST, data=b"lost without a close frame"),
    ]


def image(recorded, compression="none", per_block=3):
    """The bytes of a file with these records."""
    blocks = [recorded[at : at + per_block] for at in range(0, len(recorded), per_block)]
    return file_header() + b"".join(encode_block(block, compression, msg_type_of) for block in blocks)


def block_offsets(data):
    """Where the blocks of a whole file begin."""
    at = rtmscap.FILE_HEADER.size
    while at < len(data):
        yield at
        header, _ = rtmscap.decode_block_header(data[at:])
        at += header.block_bytes
