"""What is fuzzed: where inputs come from, what reads them, and which answers are right.

A target returns for every input, or raises the errors that its reader documents. Anything else is a finding.
"""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from rtms_engine.capture.overview import overview
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.config.loading import load
from rtms_engine.errors import CaptureError, ConfigError, WebhookRejected
from rtms_engine.model.media import MediaKind, MediaParams
from rtms_engine.protocol.events import LegId
from rtms_engine.protocol.media import MediaProtocol
from rtms_engine.protocol.signaling import SignalingProtocol
from rtms_engine.recording import mp4
from rtms_engine.recording.h264 import AccessUnits, BadAccessUnitError, KeyFrameGate, annex_b
from rtms_engine.recording.label import Label
from rtms_engine.recording.parameter_sets import (
    BadSyntaxError,
    configuration,
    first_macroblock,
    pps_id_of,
    read_pps,
    read_sps,
    sets_in,
)
from rtms_engine.recording.repair import repair
from rtms_engine.recording.wav import WavFile
from rtms_engine.webhook.parse import parse
from rtms_engine.webhook.verify import signing_app
from rtms_engine.wire.json_codec import decode, encode
from rtms_engine.wire.messages import Malformed
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
        image(records(messages), per_block=per_block) for messages, per_block in ((6, 3), (40, 50), (0, 1))
    ]


def _capture(data: bytes) -> None:
    path = _written("x.rtmscap", data)
    try:
        with CaptureReader(path) as capture:
            for record in capture.records():
                assert len(record.data) <= 64 * 1024 * 1024
            overview(capture)
    except CaptureError:
        return


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
    track = _folder() / "track"
    track.mkdir(exist_ok=True)
    path = track / name
    path.write_bytes(data)
    repair(_folder())
    if not path.exists():
        return
    assert path.stat().st_size <= 2 * len(data) + 4096, "it grew"
    once = path.read_bytes()
    repair(_folder())
    assert path.exists()
    assert path.read_bytes() == once, "repaired twice is not the same"
    if name.endswith("mp4") and mp4.read_label(path) is not None:
        for _ in mp4.pictures(path):
            pass
        mp4.read_configuration(path)
    path.unlink()


# --- configuration ---


def _configs() -> list[bytes]:
    example = _EXAMPLE.read_bytes()
    lines = [line.removeprefix(b"# ") for line in example.splitlines()]
    plain = [line for line in lines if (b"=" in line and b'"' in line) or line.startswith(b"[")]
    tables = [b"\n".join(plain[at : at + 12]) for at in range(0, len(plain), 12)]
    return [example[:4000], *tables, b'[[apps]]\nclient_id="a"\nclient_secret="b"\nsecret_token="c"\n']


def _config(data: bytes) -> None:
    path = _written("x.toml", data)
    try:
        loaded = load(path, environ={})
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - any other error is a finding
        str(error)
    else:
        repr(loaded)


TARGETS = {
    "wire": Target(_messages, _wire),
    "webhook": Target(_webhooks, _webhook),
    "h264": Target(_access_units, _h264),
    "capture": Target(_captures, _capture),
    "wav": Target(_wavs, _wav),
    "mp4": Target(_mp4s, _mp4),
    "config": Target(_configs, _config),
}
