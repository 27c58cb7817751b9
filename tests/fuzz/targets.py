"""What is fuzzed: where inputs come from, what reads them, and which answers are right.

A target returns for every input, or raises the errors that its reader documents. Anything else is a finding.
"""

import atexit
import json
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import zstandard
from yarl import URL

from rtms_engine.api.access import Doorkeeper
from rtms_engine.api.artifacts import Artifacts
from rtms_engine.api.chronicle import Chronicle
from rtms_engine.api.control import Control
from rtms_engine.api.direct_connect import DirectConnect
from rtms_engine.api.intake import Intake
from rtms_engine.api.links import Links
from rtms_engine.api.live import Live
from rtms_engine.api.operation import Operation, read_body, read_query
from rtms_engine.api.picture import Pictures
from rtms_engine.api.problem import Refused
from rtms_engine.api.recordings import Recordings
from rtms_engine.api.session import Sessions
from rtms_engine.api.streams import Streams
from rtms_engine.audit.chain import BrokenChainError, following, verified
from rtms_engine.audit.chain import encode as encode_line
from rtms_engine.capture import format as rtmscap
from rtms_engine.capture.overview import overview
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.capture.redact import msg_type_of
from rtms_engine.capture.scrub import Scrubber
from rtms_engine.config.loading import load
from rtms_engine.consent import read_answer
from rtms_engine.errors import CaptureError, ConfigError, WebhookRejected
from rtms_engine.model.media import MediaKind, MediaParams
from rtms_engine.protocol.events import LegId
from rtms_engine.protocol.media import MediaProtocol
from rtms_engine.protocol.signaling import SignalingProtocol
from rtms_engine.recording import mp4
from rtms_engine.recording.h264 import AccessUnits, BadAccessUnitError, KeyFrameGate, annex_b
from rtms_engine.recording.label import Label
from rtms_engine.recording.library import Library
from rtms_engine.recording.parameter_sets import (
    BadSyntaxError,
    configuration,
    first_macroblock,
    pps_id_of,
    read_pps,
    read_sps,
    sets_in,
)
from rtms_engine.recording.repair import mend
from rtms_engine.recording.wav import WavFile
from rtms_engine.stream.consent import NoAnswerError
from rtms_engine.webhook.parse import parse
from rtms_engine.webhook.verify import signing_app
from rtms_engine.wire.json_codec import decode, encode
from rtms_engine.wire.messages import Malformed
from rtms_engine.zoom_api.exchange import complaint
from tests.capture.support import image, records
from tests.protocol.speaking import Names, identity, unix_ms

_TESTS = Path(__file__).parent.parent
_GOLDEN = _TESTS / "wire" / "golden"
_CAMERA = _TESTS.parent / "rtms_engine" / "simulator" / "meeting" / "camera.h264"
_EXAMPLE = _TESTS.parent / "config.example.toml"
FOUND = Path(__file__).parent / "found"
"""Inputs that were findings once, by target: they stay in the corpus."""


class Target(NamedTuple):
    """One reader."""

    corpus: Callable[[], Sequence[bytes]]
    run: Callable[[bytes], object]


@cache
def corpus_of(name: str) -> Sequence[bytes]:
    """What the inputs of a target are made of."""
    found = [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]
    return [*TARGETS[name].corpus(), *found]


# --- the wire ---


def _messages() -> list[bytes]:
    written = [json.loads(path.read_bytes()) for path in sorted(_GOLDEN.glob("*.json"))]
    return [json.dumps(one.get("message", one)).encode() for one in written] + [
        json.dumps(
            {"msg_type": 15, "content": {"user_id": 7, "data": "AAAA" * 3000, "timestamp": 1}}
        ).encode()
    ]


def _wire(data: bytes) -> None:
    message = decode(data)
    if not isinstance(message, Malformed):
        encode(message)
    for connection in (
        SignalingProtocol(identity(), events=(), unix_ms=unix_ms),
        MediaProtocol(identity(), LegId(frozenset(MediaKind)), MediaParams(), Names(), unix_ms=unix_ms),
    ):
        connection.connected(0.0)
        for _ in range(2):
            connection.receive(data, 1.0)
            connection.data_to_send()
        connection.on_deadline(100.0)


# --- webhooks ---


def _webhooks() -> list[bytes]:
    return [path.read_bytes() for path in sorted((_GOLDEN / "webhooks").glob("*.json"))]


def _webhook(data: bytes) -> None:
    half = data[:60].decode("latin-1")
    for timestamp, signature in ((half, "v0=" + half), ("1700000000", half), (half[:12], half)):
        try:
            signing_app({"app": ["token"]}, timestamp, signature, data, 1_700_000_000.0)
        except WebhookRejected:
            continue
        raise AssertionError("a forged webhook was taken")
    try:
        msgspec.json.encode(parse(data, "app", 1_700_000_000_000))
    except WebhookRejected as rejection:
        assert rejection.status == 400  # noqa: PT017 - any other error is a finding


# --- pictures ---


@lru_cache(1)
def _camera() -> bytes:
    return _CAMERA.read_bytes()[: 48 * 1024]


@lru_cache(1)
def _sets() -> list[bytes]:
    units = AccessUnits()
    return [nal for unit in units.feed(_camera(), 0) for nal in (*unit.of_kind(7), *unit.of_kind(8))][:2]


def _access_units() -> list[bytes]:
    camera = _camera()
    return [
        *_sets(),
        annex_b(_sets()),
        camera[:600],
        camera[:6000],
        annex_b([*_sets(), b"\x65\x88\x84\x00", b"\x41\x9a"]),
    ]


def _h264(data: bytes) -> None:
    units, gate = AccessUnits(), KeyFrameGate()
    middle = len(data) // 2
    for unit in (*units.feed(data[:middle], 1), *units.feed(data[middle:], 2), *units.flush()):
        try:
            gate.admits(unit)
        except BadAccessUnitError:
            continue
    if sets := gate.parameter_sets:
        sets_in(configuration(sets))
    for read in (read_sps, read_pps, first_macroblock, pps_id_of, sets_in):
        try:
            read(data)
        except BadSyntaxError:
            continue


# --- files ---


@lru_cache(1)
def _folder() -> Path:
    """In memory where there is such a place; it goes with the process that made it."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="rtms-fuzz-", dir=memory if os.access(memory, os.W_OK) else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _captures() -> list[bytes]:
    return [
        image(records(messages), per_block=per_block, compression=compression)
        for messages, per_block, compression in (
            (6, 3, "none"),
            (20, 50, "none"),
            (6, 5, "zstd"),
            (0, 1, "none"),
        )
    ]


def _capture(data: bytes) -> None:
    _read_capture(_written("x.rtmscap", data))


def _read_capture(path: Path) -> None:
    try:
        with CaptureReader(path) as capture:
            for record in capture.records():
                assert len(record.data) <= 64 * 1024 * 1024
            overview(capture)
            scrubber = Scrubber(capture.head)
            for record in capture.records():
                scrubber.scrubbed(record)
    except CaptureError:
        return


_BLOCK_START = struct.Struct("<BBIHI")
"""Of an input of ``block``: codec, what the summary is, records, bytes of the summary, bytes unpacked."""


def _blocks() -> list[bytes]:
    """What a block holds: payloads of both codecs, a summary, and one that unpacks to much more than it is."""
    found = records(6)
    summary = msgspec.msgpack.encode(rtmscap.summarise(found, msg_type_of))
    payload = b"".join(map(rtmscap.encode_record, found))
    squeezed = zstandard.ZstdCompressor().compress
    bomb = squeezed(bytes(300_000))
    return [
        _BLOCK_START.pack(codec, len(found), kept, len(summary), unpacked) + summary + stored
        for codec, kept, unpacked, stored in (
            (0, 0, len(payload), payload),
            (1, 0, len(payload), squeezed(payload)),
            (1, 0, 300_000, bomb),
            (1, 0, 20, bomb),
        )
    ]


def _block(data: bytes) -> None:
    """A capture whose checksums are right, whatever it says."""
    codec, number, _, summary_bytes, unpacked = _BLOCK_START.unpack(
        data[: _BLOCK_START.size].ljust(12, b"\0")
    )
    behind = data[_BLOCK_START.size :]
    summary, stored = behind[:summary_bytes], behind[summary_bytes:]
    start = rtmscap.BLOCK_HEADER.pack(
        *(rtmscap.MARKER, codec & 1, 0, 0, number, len(summary), unpacked % 400_000, len(stored)),
        *(100, 200, zlib.crc32(stored)),
    )
    crc = rtmscap.BLOCK_CRC.pack(zlib.crc32(summary, zlib.crc32(start)))
    _read_capture(_written("x.rtmscap", b"".join((_first_block(), start, crc, summary, stored))))


@lru_cache(1)
def _first_block() -> bytes:
    return image(records(0), per_block=10)


def _wavs() -> list[bytes]:
    path = _folder() / "begun.wav"
    wav = WavFile.create(path, Label(1_700_000_000_000, "participant_audio", 7, "Ana"), 16_000, 1)
    begun = path.read_bytes()
    first = wav.samples_at(1_700_000_000_000)
    wav.write([(first, b"\1\2" * 320)])
    wav.close(1_700_000_000_000)
    whole = path.read_bytes()
    path.unlink()
    return [begun, whole]


def _wav(data: bytes) -> None:
    _repaired("x.wav", data)


def _mp4s() -> list[bytes]:
    units = list(AccessUnits().feed(_camera(), 0))[:3]
    gate = KeyFrameGate()
    for unit in units:
        gate.admits(unit)
    assert gate.parameter_sets is not None
    head = mp4.header(320, 180, configuration(gate.parameter_sets))
    label = mp4.label_box(Label(1_700_000_000_000, "camera"))
    pictures = [mp4.Picture(40 * n, n == 0, b"\0\0\0\2\x65\x88") for n in range(3)]
    return [
        head + label,
        label + head,
        *(
            first + mp4.fragment(1, pictures, 40) + mp4.fragment(2, pictures, 40)
            for first in (head + label, label + head)
        ),
    ]


def _mp4(data: bytes) -> None:
    _repaired("x.mp4", data)


def _repaired(name: str, data: bytes) -> None:
    """What repair leaves opens again, and is no larger than a recording of a day."""
    path = _written(name, data)
    mend(path)
    if not path.exists():
        return
    once = path.read_bytes()
    assert len(once) <= 2 * len(data) + 4096, "it grew"
    if once != data:
        mend(path)
        assert path.read_bytes() == once, "repaired twice is not the same"
    if name.endswith("mp4") and mp4.read_label(path) is not None:
        for _ in mp4.pictures(path):
            pass
        mp4.read_configuration(path)


# --- configuration ---


def _configs() -> list[bytes]:
    example = _EXAMPLE.read_bytes()
    lines = [line.removeprefix(b"# ") for line in example.splitlines()]
    plain = [line for line in lines if (b"=" in line and b'"' in line) or line.startswith(b"[")]
    tables = [b"\n".join(plain[at : at + 12]) for at in range(0, len(plain), 12)]
    return [
        *_pieces(example[:4000], 800),
        *tables,
        b'[[apps]]\nclient_id="a"\nclient_secret="b"\nsecret_token="c"\n',
    ]


def _pieces(data: bytes, size: int) -> list[bytes]:
    """Of whole lines."""
    pieces = [b""]
    for line in data.splitlines(keepends=True):
        if len(pieces[-1]) + len(line) > size:
            pieces.append(b"")
        pieces[-1] += line
    return pieces


def _config(data: bytes) -> None:
    path = _written("x.toml", data)
    try:
        loaded = load(path, environ={})
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - any other error is a finding
        str(error)
    else:
        repr(loaded)


# --- the API ---


@lru_cache(1)
def _operations() -> list[Operation]:
    """All of them; of no engine, since none is called."""
    engine, library, roots = cast(Any, None), Library(), lambda: cast(list[Path], [])
    sets = (
        Streams(engine),
        Intake(engine, lambda: 0),
        Control(engine),
        DirectConnect(engine, library, roots, lambda: 0, Links(bytes(32), lambda: 0.0)),
        Live(engine),
        Recordings(library, roots),
        Artifacts(engine, library, roots),
        Chronicle(engine, None),
        Pictures(engine, library, roots),
        Sessions(_doorkeeper()),
    )
    return [operation for one in sets for operation in one.operations()]


@lru_cache(1)
def _with_bodies() -> list[Operation]:
    return list({str(one.body): one for one in _operations() if one.body is not None}.values())


@lru_cache(1)
def _with_queries() -> list[Operation]:
    return list({one.query: one for one in _operations()}.values())


@lru_cache(1)
def _doorkeeper() -> Doorkeeper:
    return Doorkeeper(
        lambda _: None, anonymous="loopback", hosts=frozenset({"x.example"}), requests_per_s=1e9
    )


def _requests() -> list[bytes]:
    direct = {
        "zoom_rtms": {
            "meeting_uuid": "u==",
            "rtms_stream_id": "s",
            "server_urls": "wss://a.zoom.us,wss://b.zoom.us",
            "signature": "0" * 64,
        }
    }
    return [
        *_webhooks(),
        json.dumps(direct).encode(),
        b'{"user_id": 16778240}',
        b'{"user_id": null}',
        b'{"token": "rtms_abc"}',
        b"limit=10&cursor=abc&state=live&from=2026-01-01&to=2026-02-01&participant=Ann&meeting=a%2Fb%3D&part=2",
        b"format=twilio&encoding=mulaw&rate=8000&participant=7&levels=true&as_text=1&app=default",
        b"127.0.0.1:8081",
        b"Bearer rtms_0123456789",
        b"http://x.example",
    ]


def _request(data: bytes) -> None:
    text = data.decode("latin-1")
    asked = data[:4096].decode(errors="ignore").replace("#", "").replace("\n", "")
    query = URL.build(path="/", query_string=asked, encoded=True).query  # as aiohttp does
    for operation in _with_bodies():
        with suppress(Refused):
            read_body(operation, data)
    for operation in _with_queries():
        with suppress(Refused):
            read_query(operation, query)
    headers = {"Host": "127.0.0.1", "Authorization": text, "Origin": text, "X-Forwarded-For": text}
    for chosen in (("Host", "Authorization"), ("Host", "Origin"), ("Host", "X-Forwarded-For")):
        with suppress(Refused):
            _doorkeeper().admit("192.0.2.1", {name: headers[name] for name in chosen}, text[:20], 0.0)
    with suppress(Refused):
        _doorkeeper().admit(text, {"Host": text}, "", 0.0)


# --- what others answer, and what we kept ---


def _answers() -> list[bytes]:
    entry = following(None, 1_700_000_000_000, "stream_deleted", {"stream_id": "s", "files": 3})
    return [
        b'{"allow": true, "notice": "v3", "exclude": ["Ann Other", "16778240"]}',
        b'{"code": 2310, "message": "The meeting has ended."}',
        b'{"reason": "Invalid client_id", "error": "invalid_client"}',
        encode_line(entry),
        encode_line(following(entry, 1, "x", {})),
    ]


def _answer(data: bytes) -> None:
    with suppress(NoAnswerError):
        read_answer(data)
    code, message = complaint(data)
    assert isinstance(code, int)
    assert len(message) <= 200
    with suppress(BrokenChainError):
        verified(data.splitlines())


TARGETS = {
    "wire": Target(_messages, _wire),
    "webhook": Target(_webhooks, _webhook),
    "h264": Target(_access_units, _h264),
    "capture": Target(_captures, _capture),
    "block": Target(_blocks, _block),
    "wav": Target(_wavs, _wav),
    "mp4": Target(_mp4s, _mp4),
    "config": Target(_configs, _config),
    "request": Target(_requests, _request),
    "answer": Target(_answers, _answer),
}
