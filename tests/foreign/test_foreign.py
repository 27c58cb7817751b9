"""The daemon as a black box against a fake Zoom that was written from the protocol text alone."""

import asyncio
import contextlib
import hmac
import json
import os
import random
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import trustme
from websockets.asyncio.client import connect

from tests.foreign.daemon import Daemon, command
from tests.foreign.server import (
    AUDIO,
    CHAT,
    SHARE,
    TRANSCRIPT,
    VIDEO,
    App,
    FakeZoom,
    Json,
    Plan,
    Socket,
    Stream,
    garbage,
    now_ms,
    rtms_signature,
    webhook_signature,
    zoom_server,
)

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(command() is None, reason="the console script rtms-engine is not installed"),
]

FIRST = App("XkWfgHHASGOQC9b95AkIxB", "YZnKVUufg7N18Oej6gHHqNWc7CG5jQ6N", "DyBoLm8OZoJT2Pi3-kY2px")
SECOND = App("2ndClientIdAAAAAAAAAAA", "2ndClientSecretBBBBBBBBBBBBBBBBB", "2ndSecretTokenCCCCCCCC")
ANA, CEM = 16778240, 16779264
PEOPLE = {ANA: "Ana Reäder", CEM: "Cem 読者"}
EVERY_KIND = (AUDIO, VIDEO, SHARE, TRANSCRIPT, CHAT)
LIMIT = 45.0  # seconds for one test, whatever happens
RECONNECTS = (0.9, 8.0)  # "about 3 s" on a noisy machine


# -- the daemons -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return the certificate authority that issues the fake's certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the module's daemons."""
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, folder: Path) -> Path:
    """Return the authority's certificate as a file."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def loopback(folder: Path) -> Iterator[Daemon]:
    """Run a split daemon that may use ws:// on loopback."""
    with Daemon(folder / "loopback", [FIRST, SECOND], insecure_loopback=True) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def secure(folder: Path, ca_file: Path) -> Iterator[Daemon]:
    """Run a split daemon that trusts the fake's authority and no plain ws://."""
    with Daemon(folder / "secure", [FIRST], ca_file=ca_file) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def unified(folder: Path, ca_file: Path) -> Iterator[Daemon]:
    """Run a daemon with one media socket for everything."""
    with Daemon(folder / "unified", [FIRST], mode="unified", ca_file=ca_file) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def mixed(folder: Path) -> Iterator[Daemon]:
    """Run a daemon that asks for mixed audio."""
    with Daemon(folder / "mixed", [FIRST], audio="mixed", insecure_loopback=True) as daemon:
        yield daemon


@contextlib.asynccontextmanager
async def zoom_for(daemon: Daemon, ca: trustme.CA | None = None) -> AsyncIterator[FakeZoom]:
    """Run the fake for one daemon under the overall time limit of a test."""
    async with asyncio.timeout(LIMIT), zoom_server(daemon.webhook_url, ca=ca) as zoom:
        yield zoom


async def eventually(check: Callable[[], None], timeout: float = 15.0) -> None:
    """Repeat a check of files until it holds; its last failure is the test's."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            check()
        except (AssertionError, OSError, ValueError, LookupError):
            if time.monotonic() > deadline:
                raise
        else:
            return
        await asyncio.sleep(0.1)  # the interval of the poll


async def fence(zoom: FakeZoom, app: App = FIRST) -> None:
    """Wait until a stream announced now is connected: what was announced before would have come by then."""
    stream = zoom.stream(app)
    await zoom.announce(stream)
    await stream.ready(AUDIO)
    for other in zoom.streams:
        await other.round_trip()


# -- a meeting and its recording -------------------------------------------------------------------


@dataclass
class Sent:
    """What the fake told the client in one meeting."""

    audio: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    units: list[bytes] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    lines: list[tuple[int, str, int, int]] = field(default_factory=list)
    chats: list[tuple[int, str, str]] = field(default_factory=list)
    events: dict[int, str] = field(default_factory=dict)  # timestamp -> what it was


def pcm(user: int, timestamp: int, milliseconds: int = 100) -> bytes:
    """Return deterministic 16 kHz mono samples."""
    return random.Random(user * 1_000_003 + timestamp).randbytes(milliseconds * 32)


def media_folder() -> Path:
    """Return the folder of recorded test media, which may not exist."""
    return Path(
        os.environ.get("RTMS_TEST_MEDIA", Path(__file__).resolve().parents[2].parent / "shared" / "media")
    )


def camera_units() -> list[bytes]:
    """Return the access units of the camera film; empty if it is absent."""
    film = media_folder() / "camera-360p25.h264"
    if not film.exists():
        return []
    delimiter = b"\x00\x00\x00\x01\x09"
    return [delimiter + unit for unit in film.read_bytes().split(delimiter)[1:]]


def jpeg(number: int, padding: int = 0) -> bytes:
    """Return a real JPEG unlike the others, made larger by comment segments."""
    width, height = 320, 180
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.framerate, encoder.time_base = 1, 1  # type: ignore[assignment]
    frame = av.VideoFrame(width, height, "yuvj420p")
    noise = random.Random(number)
    for plane in frame.planes:
        plane.update(noise.randbytes(plane.buffer_size))
    image = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    comments = b"".join(
        b"\xff\xfe" + struct.pack(">H", 60_002) + noise.randbytes(60_000) for _ in range(padding // 60_000)
    )
    return image[:2] + comments + image[2:]


async def hold_meeting(stream: Stream, *, duplicates: bool = False, large: bool = False) -> Sent:
    """Send 4 s of meeting in less; every audio packet, picture, line, message and event is remembered."""
    sent = Sent(audio={ANA: [], CEM: []}, units=camera_units()[:60])
    base = stream.event_ts
    await stream.session_state(2)
    await stream.stream_state(1)
    sent.events[await stream.event(1)] = "event 1"
    sent.events[await stream.roster(PEOPLE)] = "event 3"
    speaking = {
        ANA: {*range(0, 800, 100), *range(1500, 2300, 100), *range(3100, 4000, 100)},
        CEM: {*range(337, 737, 100), *range(2037, 3137, 100)},
    }
    pictures = iter([jpeg(1), jpeg(2, 2_400_000 if large else 0), jpeg(3)])
    for at in range(4000):
        for user, times in speaking.items():
            if at in times:
                packet = (base + at, pcm(user, at))
                sent.audio[user].append(packet)
                await stream.audio(user, PEOPLE[user], packet[1], packet[0])
                if duplicates and at % 300 == 0:
                    await stream.audio(user, PEOPLE[user], packet[1], packet[0])
        if at % 40 == 0 and at // 40 < len(sent.units):
            await stream.video(ANA, PEOPLE[ANA], sent.units[at // 40], base + at)
        if at == 500:
            sent.events[await stream.event(5, user_id=CEM, user_name=PEOPLE[CEM])] = "event 5"
        if at in (600, 1600, 2600):
            sent.pictures.append(next(pictures))
            await stream.share(CEM, PEOPLE[CEM], sent.pictures[-1], base + at)
        if at == 2700:
            sent.events[await stream.event(6)] = "event 6"
        if at % 1000 == 900:
            user = CEM if at > 2000 else ANA
            line = (user, f"Sätze & <words> number {at}", base + at - 700, base + at)
            sent.lines.append(line)
            await stream.transcript(user, PEOPLE[user], *line[1:])
            sent.events[await stream.event(2, user_id=user, user_name=PEOPLE[user])] = "event 2"
        if at in (1000, 3000):
            message = (CEM, f"chat — “{at}”", f"id-{at}")
            sent.chats.append(message)
            await stream.chat(CEM, PEOPLE[CEM], message[1], message[2], base + at)
        if at % 100 == 0:
            await asyncio.sleep(0.01)  # a meeting is no single burst
    sent.events[await stream.event(10, chat_groups=[{"id": "g1"}])] = "event 10"
    sent.events[await stream.event(4, participants=[{"user_id": CEM}])] = "event 4"
    await stream.round_trip()
    return sent


def wav_samples(path: Path, wanted_rate: int = 16000) -> bytes:
    """Return the samples of a mono 16-bit WAV file, read by hand."""
    raw = path.read_bytes()
    assert raw[:4] == b"RIFF" and raw[8:12] == b"WAVE", raw[:12]
    assert struct.unpack("<I", raw[4:8])[0] == len(raw) - 8, "RIFF size"
    at, form = 12, b""
    while at < len(raw):
        name, size = raw[at : at + 4], struct.unpack("<I", raw[at + 4 : at + 8])[0]
        body = raw[at + 8 : at + 8 + size]
        assert len(body) == size, f"{name!r} is cut short"
        if name == b"fmt ":
            form = body
        if name == b"data":
            tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
            assert (tag, channels, rate, bits) == (1, 1, wanted_rate, 16)
            return body
        at += 8 + size + size % 2
    raise AssertionError(f"no data in {path}")


def check_track(samples: bytes, packets: list[tuple[int, bytes]], t0: int) -> None:
    """Require each packet where its timestamp puts it, and silence everywhere else."""
    expected = bytearray(len(samples))
    for timestamp, payload in packets:
        at = (timestamp - t0) * 32
        assert 0 <= at <= len(samples) - len(payload), f"packet of {timestamp - t0} ms is outside the file"
        assert samples[at : at + len(payload)] == payload, (
            f"packet of {timestamp - t0} ms is not at its place but at {samples.find(payload) / 32} ms"
        )
        expected[at : at + len(payload)] = payload
    assert samples == expected, "sound where none was sent"


def manifest_of(daemon: Daemon, stream: Stream) -> Json:
    """Return the finished manifest of a stream."""
    manifest: Json = json.loads((daemon.recording(stream.stream_id) / "manifest.json").read_text())
    assert manifest["state"] == "done", manifest["state"]
    return manifest


def json_lines(path: Path) -> list[Json]:
    """Return the objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_audio(daemon: Daemon, stream: Stream, sent: Sent) -> None:
    """Require every sample of every user."""
    place, t0 = daemon.recording(stream.stream_id), manifest_of(daemon, stream)["t0_ms"]
    for user, packets in sent.audio.items():
        check_track(wav_samples(place / "audio" / f"{user}.wav"), packets, t0)
    assert {path.stem for path in (place / "audio").iterdir()} == {"mixed", *map(str, sent.audio)}


def slices(unit: bytes) -> list[bytes]:
    """Return the coded slices of one Annex B access unit."""
    nals = [
        nal.rstrip(b"\x00")
        for nal in unit.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    ]
    return [nal for nal in nals if nal and nal[0] & 0x1F in (1, 5)]


def mp4_slices(packet: bytes) -> list[bytes]:
    """Return the coded slices of one length-prefixed MP4 sample."""
    found, at = [], 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        nal = packet[at + 4 : at + 4 + size]
        if nal[0] & 0x1F in (1, 5):
            found.append(nal.rstrip(b"\x00"))
        at += 4 + size
    return found


def check_video(daemon: Daemon, stream: Stream, sent: Sent) -> None:
    """Require every access unit, in order, undamaged, at its time."""
    place = daemon.recording(stream.stream_id) / "video"
    recorded: list[list[bytes]] = []
    times: list[float] = []
    for path in sorted(place.glob("*.mp4")):
        with av.open(str(path)) as film:
            for packet in film.demux(video=0):
                if packet.size:
                    assert packet.pts is not None and packet.time_base is not None
                    recorded.append(mp4_slices(bytes(packet)))
                    times.append(float(packet.pts * packet.time_base))
    assert len(recorded) == len(sent.units), f"{len(recorded)} of {len(sent.units)} access units"
    assert recorded == [slices(unit) for unit in sent.units]
    assert all(abs(after - before - 0.04) < 0.002 for before, after in pairwise(times)), times


def check_texts(daemon: Daemon, stream: Stream, sent: Sent) -> None:
    """Require every transcript line, chat message and event, and the pictures."""
    place = daemon.recording(stream.stream_id)
    lines = json_lines(place / "transcript.jsonl")
    found = [(line["speaker"]["id"], line["text"], line["start_ms"], line["end_ms"]) for line in lines]
    assert found == sent.lines
    assert [line["speaker"]["name"] for line in lines] == [PEOPLE[line[0]] for line in sent.lines]
    for name in ("transcript.vtt", "transcript.srt"):
        cues = (place / name).read_text()
        for number, (_, text, *_) in enumerate(sent.lines):
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert text in cues or escaped in cues, f"line {number} is not in {name}: {cues}"
    chats = json_lines(place / "chat.jsonl")
    assert [(chat["speaker"]["user_id"], chat["text"], chat["message_id"]) for chat in chats] == sent.chats
    events = {line.get("timestamp_ms") for line in json_lines(place / "events.jsonl")}
    assert not (lost := {at: what for at, what in sent.events.items() if at not in events}), (
        f"events lost: {lost}"
    )
    pictures = sorted((path.read_bytes() for path in (place / "share").iterdir()), key=hash)
    assert pictures == sorted(sent.pictures, key=hash), f"{len(pictures)} of {len(sent.pictures)} pictures"
    people = json.loads((place / "participants.json").read_text())
    assert {user_id: person["name"] for person in people for user_id in person["user_ids"]} == PEOPLE


def check_mix(daemon: Daemon, stream: Stream, sent: Sent) -> None:
    """Require the mix to be a voice itself wherever nobody else speaks."""
    place, t0 = daemon.recording(stream.stream_id), manifest_of(daemon, stream)["t0_ms"]
    samples = wav_samples(place / "audio" / "mixed.wav")
    for user, packets in sent.audio.items():
        others = [at for other, theirs in sent.audio.items() if other != user for at, _ in theirs]
        for timestamp, payload in packets:
            if all(abs(timestamp - at) >= 100 for at in others):
                at = (timestamp - t0) * 32
                assert samples[at : at + len(payload)] == payload, f"the mix at {timestamp - t0} ms"


def check_sinks_agree(daemon: Daemon, stream: Stream, sent: Sent) -> None:
    """Require one jsonl line for every frame and every event."""
    lines = json_lines(next(daemon.jsonl.rglob(f"*{stream.stream_id}*")))
    kinds = [line.get("type") for line in lines]
    audio = {(line["speaker"]["user_id"], line["timestamp_ms"]) for line in lines if line["type"] == "audio"}
    assert audio == {(user, at) for user, packets in sent.audio.items() for at, _ in packets}
    assert kinds.count("video") == len(sent.units)
    assert kinds.count("share") == len(sent.pictures)
    assert kinds.count("transcript") == len(sent.lines)
    assert kinds.count("chat") == len(sent.chats)
    assert set(sent.events) <= {line.get("timestamp_ms") for line in lines}


def check_everything(daemon: Daemon, stream: Stream, sent: Sent, reason: int = 6) -> None:
    """Require the whole meeting in the recording."""
    assert manifest_of(daemon, stream)["stop_reason"]["code"] == reason
    check_audio(daemon, stream, sent)
    check_mix(daemon, stream, sent)
    check_texts(daemon, stream, sent)
    if sent.units:
        check_video(daemon, stream, sent)
    check_sinks_agree(daemon, stream, sent)


async def record_meeting(zoom: FakeZoom, daemon: Daemon, stream: Stream, **variants: bool) -> None:
    """Announce, hold and end a meeting, then check its recording."""
    stream.event_ts = now_ms() - 5_000
    await zoom.announce(stream)
    await stream.ready(*EVERY_KIND)
    sent = await hold_meeting(stream, **variants)
    await stream.until(
        lambda: all(
            sum(k.answered is not None for k in sock.keepalives) >= 3 for sock in stream.open_sockets()
        ),
        "three keep-alive answers on every socket",
    )
    await zoom.stop(stream)
    await stream.all_closed()
    await eventually(lambda: check_everything(daemon, stream, sent))
    if not sent.units:
        pytest.skip("no camera-360p25.h264 (RTMS_TEST_MEDIA); all but the video was checked")


def subscribed(sock: Socket) -> set[int]:
    """Return the events that a signaling socket has subscribed to."""
    entries = [
        entry for _, message in sock.received if message["msg_type"] == 5 for entry in message["events"]
    ]
    return {entry["event_type"] for entry in entries if entry["subscribe"]}


# -- the fake itself -------------------------------------------------------------------------------


async def test_vectors_of_the_specification() -> None:
    """The fake's own signatures are those of Appendix D."""
    entity, stream_id = "4444AAAiAAAAAiAiAiiAii==", "609340fb2a7946909659956c8aa9250c"
    body = (
        '{"event":"meeting.rtms_started","event_ts":1626230691572,"payload":{"meeting_uuid":"' + entity
        + '","operator_id":"30R7kT7bTIKSNUFEuH_Qlg","rtms_stream_id":"' + stream_id
        + '","server_urls":"wss://127.0.0.1:443"}}'
    )  # fmt: skip
    assert rtms_signature(FIRST.client_id, FIRST.client_secret, entity, stream_id) == (
        "b627a9ebb3496d253cf8bbda4fe1ebc362fb8e085be5db1b61ec228a251a6210"
    )
    assert webhook_signature(FIRST.secret_token, "1626230692", body.encode()) == (
        "v0=7d168a32aa1ea1e652f8cc5ad6b84373a45d57f22325aeb9b93cbabcbe9ee43c"
    )


@dataclass(frozen=True)
class Misdeed:
    """Something a bad client says on one socket, and what the fake must note about it."""

    noted: str
    say: Json
    on: str = "signaling"
    after: tuple[str, ...] = ("signaling", "audio")


MISDEEDS = [
    Misdeed("client sent msg 12", {"msg_type": 12, "timestamp": 1}),
    Misdeed("msg_type is not an integer", {"msg_type": "CLIENT_READY_ACK"}),
    Misdeed("subscribed to event 1", {"msg_type": 5, "events": [{"event_type": 1, "subscribe": True}]}),
    Misdeed("subscribed to event 7", {"msg_type": 5, "events": [{"event_type": 7, "subscribe": True}]}),
    Misdeed("msg 5 entry", {"msg_type": 5, "events": [{"event_type": "2", "subscribe": True}]}),
    Misdeed("msg 7 on a media socket", {"msg_type": 7, "rtms_stream_id": "STREAM"}, on="audio"),
    Misdeed("although no media handshake", {"msg_type": 7, "rtms_stream_id": "STREAM"}, after=("signaling",)),
    Misdeed("msg 7 rtms_stream_id", {"msg_type": 7, "rtms_stream_id": "another"}),
    Misdeed("answer to nothing", {"msg_type": 13, "timestamp": 5}),
    Misdeed("media_type 9", {"media_type": 9}, on="audio", after=("signaling",)),
    Misdeed("wrong signature", {"media_type": 1, "signature": "00"}, on="audio", after=("signaling",)),
    Misdeed("audio.codec is 'L16'", {"media_type": 1, "media_params": {"audio": {"codec": "L16"}}},
            on="audio", after=("signaling",)),
    Misdeed("came to the URL of audio", {"media_type": 8}, on="audio", after=("signaling",)),
    Misdeed("still open", {"media_type": 1}, on="second audio"),
    Misdeed("without an open signaling", {"media_type": 1}, on="audio", after=()),
    Misdeed("msg 1 wrong signature", {"signature": "nonsense"}, after=()),
    Misdeed("keys that do not belong", {"media_type": 1}, after=()),
]  # fmt: skip


@pytest.mark.parametrize("misdeed", MISDEEDS, ids=lambda misdeed: misdeed.noted)
async def test_the_fake_is_strict(misdeed: Misdeed) -> None:
    """Each thing that V1 forbids is noted, and what it allows is not."""
    async with asyncio.timeout(LIMIT), contextlib.AsyncExitStack() as stack:
        zoom = await stack.enter_async_context(FakeZoom("http://127.0.0.1:9/"))
        stream = zoom.stream(FIRST, plan=Plan(keepalive_every=60.0))
        common = {
            "meeting_uuid": stream.entity,
            "rtms_stream_id": stream.stream_id,
            "signature": stream.signature,
        }
        urls = {"signaling": stream.signaling_url, "audio": stream.media_urls()["audio"]}
        hands: dict[str, Json] = {
            "signaling": {"msg_type": 1, "protocol_version": 1, "sequence": 1, **common},
            "audio": {"msg_type": 3, "protocol_version": 1, "media_type": 1, **common},
        }
        sockets = {}
        for name in (*misdeed.after, misdeed.on):
            if name in sockets:
                continue
            sockets[name] = await stack.enter_async_context(connect(urls[name.split()[-1]]))
            if name in misdeed.after:
                await sockets[name].send(json.dumps(hands[name]))
                await stream.until(lambda: stream.sockets and stream.sockets[-1].accepted, "handshake")
        assert stream.violations == []
        say = {key: stream.stream_id if value == "STREAM" else value for key, value in misdeed.say.items()}
        if "msg_type" not in say:
            say = hands[misdeed.on.split()[-1]] | say
        await sockets[misdeed.on].send(json.dumps(say))
        await stream.until(lambda: any(misdeed.noted in text for text in stream.violations), misdeed.noted)


# -- webhooks --------------------------------------------------------------------------------------


async def test_url_validation(loopback: Daemon) -> None:
    """endpoint.url_validation is answered with the vector of chapter 1.4, as often as it comes."""
    assert loopback.get("/healthz") == 200
    async with zoom_for(loopback) as zoom:
        body: Json = {
            "event": "endpoint.url_validation",
            "event_ts": 1654503849680,
            "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"},
        }
        for _ in range(2):
            status, answer = await zoom.post(body, FIRST.secret_token)
            assert status == 200
            assert json.loads(answer) == {
                "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
                "encryptedToken": "8ecc7afd608f0efe9070c4339b3e01da680e8d41f27cf1fb0218cb2733528357",
            }
        status, answer = await zoom.post(body, SECOND.secret_token)
        expected = hmac.new(SECOND.secret_token.encode(), b"qgg8vlvZRS6UYooatFL8Aw", "sha256").hexdigest()
        assert status == 200 and json.loads(answer)["encryptedToken"] == expected
        status, _ = await zoom.post(body, "not the token")
        assert status == 401


async def test_wrong_webhook_signature(loopback: Daemon) -> None:
    """A webhook that is not signed by an app is answered 401 and opens nothing."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        body = zoom.started_body(stream)
        raw = json.dumps(body).encode()
        stamp = str(int(time.time()))
        good = webhook_signature(FIRST.secret_token, stamp, raw)
        old = str(int(time.time()) - 3600)
        forgeries: list[dict[str, Any]] = [
            {"body": raw, "secret_token": "some other secret"},
            {"body": raw, "secret_token": FIRST.client_secret},
            {
                "body": raw.replace(b'"is_original_host": true', b'"is_original_host": false'),
                "signature": good,
            },
            {"body": raw, "timestamp": old},
            {"body": raw, "timestamp": "soon"},
            {"body": raw, "timestamp": stamp, "signature": good[3:]},
            {"body": raw, "timestamp": stamp, "signature": "v0="},
            {"body": raw, "signed": False},
        ]
        for forged in forgeries:
            status, _ = await zoom.post(**{"secret_token": FIRST.secret_token, "timestamp": stamp} | forged)
            assert status == 401, forged
        await fence(zoom)
        assert stream.sockets == []


async def test_webhooks_that_concern_nobody(loopback: Daemon) -> None:
    """Unknown events are answered 200 and change nothing; a V2 webhook has no "event" at all."""
    async with zoom_for(loopback) as zoom:
        for body in (
            {"event": "meeting.started", "event_ts": now_ms(), "payload": {"object": {"id": 1}}},
            {"event": "rtms.concurrency_near_limit", "event_ts": now_ms(), "payload": {"percentage": 80}},
            {"event": "rtms.start_failed", "event_ts": now_ms(), "payload": {"reason": 5}},
            {"event": "meeting.rtms_stopped", "event_ts": now_ms(), "payload": {"rtms_stream_id": "unknown"}},
            {"event_code": 17, "event_ts": now_ms(), "payload": {}},
        ):
            status, _ = await zoom.post(body, FIRST.secret_token)
            assert status in (200, 204), body
        for raw in (b"", b"[]", b"null", b"{", b'"x"', b'{"event":5,"payload":7}', b"\xff"):
            await zoom.post(raw, FIRST.secret_token)  # whatever the answer
        await fence(zoom)


async def test_second_app(loopback: Daemon) -> None:
    """A stream announced by the second app is joined with the second app's credentials."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(SECOND)
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)


@pytest.mark.parametrize(
    ("product", "key"),
    [
        ("webinar.rtms_started", "webinar_uuid"),
        ("session.rtms_started", "session_id"),
        ("contact_center.voice_rtms_started", "engagement_id"),
    ],
)
async def test_other_products(loopback: Daemon, product: str, key: str) -> None:
    """The id of the product's key enters the signature and goes out as meeting_uuid and that key."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST, entity_key=key)
        body = zoom.started_body(stream, product=product)
        body["payload"].pop("meeting_id")
        status, _ = await zoom.post(body, FIRST.secret_token)
        assert status in (200, 204)
        await stream.ready(AUDIO)


async def test_liberal_webhook(loopback: Daemon) -> None:
    """A nested payload, a dotted event name and a list of URLs are understood."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        body = zoom.started_body(stream, meeting_id="98765432101")
        body["event"] = "meeting.rtms.started"
        inner = body["payload"]
        inner["server_urls"] = f"srt://127.0.0.1:9 , {stream.signaling_url}"
        body["payload"] = {"account_id": inner.pop("account_id"), "object": inner}
        status, _ = await zoom.post(body, FIRST.secret_token)
        assert status in (200, 204)
        await stream.ready(AUDIO)


# -- whole meetings --------------------------------------------------------------------------------


async def test_split_over_loopback(loopback: Daemon) -> None:
    """A meeting over plain ws:// on loopback, one socket for each kind, is recorded whole."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        await record_meeting(zoom, loopback, stream)
        asked = {
            s.media_type: (s.handshake or {})["media_params"] for s in stream.sockets if s.role == "media"
        }
        assert set(asked) == set(EVERY_KIND)
        audio = {
            "content_type": 2,
            "sample_rate": 1,
            "channel": 1,
            "codec": 1,
            "data_opt": 2,
            "send_rate": 100,
        }
        assert {**audio, **asked[AUDIO]["audio"]} == audio
        assert asked[AUDIO]["audio"]["data_opt"] == 2 and asked[AUDIO]["audio"]["send_rate"] == 100
        assert {"codec": 7, "fps": 25}.items() <= asked[VIDEO]["video"].items()
        assert {2, 3, 4, 5, 6} <= subscribed(stream.signaling)


async def test_split_over_wss(secure: Daemon, authority: trustme.CA) -> None:
    """The same over TLS, in the oddest permitted shapes."""
    plan = Plan(
        frames="alternate",
        fragments=True,
        string_ids=True,
        extra_keys=True,
        keepalive="varied",
        share_key="sharescreen",
        urls="no_all",
        payload_encrypted=True,
        echo_params=False,
        events_on_media=True,
    )
    async with zoom_for(secure, authority) as zoom:
        stream = zoom.stream(FIRST, plan=plan, host="localhost")
        await record_meeting(zoom, secure, stream, duplicates=True, large=True)


async def test_unified_over_wss(unified: Daemon, authority: trustme.CA) -> None:
    """One socket with media_type 32 carries everything."""
    plan = Plan(frames="binary", fragments=True, urls="only_all", keepalive="plain", extra_keys=True)
    async with zoom_for(unified, authority) as zoom:
        stream = zoom.stream(FIRST, plan=plan)
        await record_meeting(zoom, unified, stream, large=True)
        assert [s.media_type for s in stream.sockets if s.role == "media"] == [32]


async def test_names_for_numbers_and_no_names_for_people(loopback: Daemon) -> None:
    """Enumerations as names or numeric strings, packets without user_name, fields beside "content"."""
    plan = Plan(
        numbers_as_names=True,
        names=False,
        string_ids=True,
        content="flat",
        urls="only_all",
        keepalive_before_handshake=True,
    )
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST, plan=plan)
        await record_meeting(zoom, loopback, stream)


async def test_mixed_audio_as_string_content(mixed: Daemon) -> None:
    """A backlog of 60 s of mixed audio in one burst, with the bare string as content, is recorded whole."""
    async with zoom_for(mixed) as zoom:
        stream = zoom.stream(FIRST, plan=Plan(content="string", urls="same", frames="alternate"))
        stream.event_ts = now_ms() - 60_000
        packets = [
            (stream.event_ts + at, pcm(0, at)) for at in range(0, 60_000, 100) if not 20_000 <= at < 23_000
        ]
        early = stream.media_message(14, stream.audio_content(0, "", packets[0][1], packets[0][0]))
        stream.plan.before_handshake[AUDIO] = [early]
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        assert stream.media(AUDIO).effective["audio"]["data_opt"] == 1
        for timestamp, payload in packets[1:]:
            await stream.audio(0, "", payload, timestamp)
        await stream.round_trip()
        await zoom.stop(stream)
        await stream.all_closed()

        def check() -> None:
            place, t0 = mixed.recording(stream.stream_id), manifest_of(mixed, stream)["t0_ms"]
            check_track(wav_samples(place / "audio" / "mixed.wav"), packets, t0)

        await eventually(check)


# -- leaving ---------------------------------------------------------------------------------------


async def test_leaves_when_stopped_by_webhook(loopback: Daemon) -> None:
    """meeting.rtms_stopped makes the client close every socket; a late retry of the start changes nothing."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        await zoom.stop(stream, 2)
        await stream.all_closed(6.0)
        assert {sock.close_code for sock in stream.sockets} == {1000}
        await eventually(lambda: _expect(manifest_of(loopback, stream)["stop_reason"]["code"], 2))
        count = len(stream.sockets)
        await zoom.announce(stream)
        await fence(zoom)
        assert len(stream.sockets) == count


def _expect(found: object, wanted: object) -> None:
    assert found == wanted


async def test_leaves_at_state_terminated(loopback: Daemon) -> None:
    """Msg 8 state 4, reason as a name, ends the stream without any webhook; media after state 3 counts."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        sent = Sent(audio={ANA: []})
        for at in range(0, 500, 100):
            if at == 300:
                await stream.stream_state(3, reason="STOP_BC_MEETING_ENDED")
            sent.audio[ANA].append((stream.event_ts + at, pcm(ANA, at)))
            await stream.audio(ANA, PEOPLE[ANA], pcm(ANA, at), stream.event_ts + at)
        await stream.round_trip()
        await stream.stream_state(4, reason="STOP_BC_MEETING_ENDED")
        await stream.all_closed(8.0)
        await eventually(lambda: check_audio(loopback, stream, sent))
        await eventually(lambda: _expect(manifest_of(loopback, stream)["stop_reason"]["code"], 6))


@pytest.mark.parametrize("ending", [False, True], ids=["left", "ended"])
async def test_sigterm_in_a_meeting(folder: Path, ending: bool) -> None:
    """SIGTERM leaves every stream in order, finishes the recording and ends with exit code 0.

    With --end-streams the stream is ended at Zoom too, with msg 21 (5.8).
    """
    place, options = folder / f"sigterm-{ending}", ["--end-streams"] if ending else []
    with Daemon(place, [FIRST], insecure_loopback=True, options=options) as daemon:
        async with asyncio.timeout(LIMIT), zoom_server(daemon.webhook_url) as zoom:
            stream = zoom.stream(FIRST)
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            sent = Sent(audio={ANA: [(stream.event_ts + at, pcm(ANA, at)) for at in range(0, 1000, 100)]})
            for timestamp, payload in sent.audio[ANA]:
                await stream.audio(ANA, PEOPLE[ANA], payload, timestamp)
            await stream.round_trip()
            daemon.send_sigterm()
            await stream.all_closed(15.0)
            assert await asyncio.to_thread(daemon.terminate) == 0, daemon.tail()
            check_audio(daemon, stream, sent)
            assert (21 in stream.signaling.sent_types()) is ending
            assert manifest_of(daemon, stream)["stop_reason"]["code"] == (20 if ending else 0)
            assert {sock.close_code for sock in stream.sockets} <= {1000, 1001}


async def test_sigterm_lets_the_meeting_end(folder: Path) -> None:
    """Within drain_timeout_s a stream goes on to its end; one that is announced meanwhile is not lost."""
    with Daemon(folder / "drain", [FIRST], insecure_loopback=True, drain_timeout_s=30) as daemon:
        async with asyncio.timeout(LIMIT), zoom_server(daemon.webhook_url) as zoom:
            stream, late = zoom.stream(FIRST), zoom.stream(FIRST)
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            packets = [(stream.event_ts + at, pcm(ANA, at)) for at in range(0, 1000, 100)]
            for number, (timestamp, payload) in enumerate(packets):
                if number == 5:
                    await stream.round_trip()
                    daemon.send_sigterm()
                    while daemon.get("/readyz") == 200:  # until it has heard
                        await asyncio.sleep(0.05)
                    status, _ = await zoom.post(zoom.started_body(late), FIRST.secret_token)
                await stream.audio(ANA, PEOPLE[ANA], payload, timestamp)
            await stream.round_trip()
            await zoom.stop(stream)
            await stream.all_closed()
            assert await asyncio.to_thread(daemon.terminate) == 0, daemon.tail()
            check_audio(daemon, stream, Sent(audio={ANA: packets}))
            assert manifest_of(daemon, stream)["stop_reason"]["code"] == 6
            assert late.sockets or status >= 500, (
                f"a start answered {status} and not joined is lost for good: only a 5xx is retried (1.5)"
            )


# -- trouble ---------------------------------------------------------------------------------------


async def test_refused_kind(loopback: Daemon) -> None:
    """Status 10 on video costs the video only; status 25 is retried once, on a new socket, with defaults."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST, plan=Plan(refuse={VIDEO: [10, 10, 10]}))
        defaults = zoom.stream(FIRST, plan=Plan(refuse={VIDEO: [25]}))
        await zoom.announce(stream)
        await zoom.announce(defaults)
        await stream.ready(AUDIO, SHARE, TRANSCRIPT, CHAT)
        await defaults.ready(*EVERY_KIND)
        again = defaults.media(VIDEO).handshake or {}
        assert "video" not in (again.get("media_params") or {}) or again["media_params"]["video"] == {}
        sent = Sent(audio={ANA: [(stream.event_ts, pcm(ANA, 0))]})
        await stream.audio(ANA, PEOPLE[ANA], pcm(ANA, 0), stream.event_ts)
        await stream.transcript(ANA, PEOPLE[ANA], "still here", stream.event_ts, stream.event_ts + 100)
        await stream.round_trip()
        await stream.until(
            lambda: all(s.closed for s in stream.sockets if s.rejected), "refused socket closed"
        )
        assert len([s for s in stream.sockets if s.media_type == VIDEO]) == 1
        await zoom.stop(stream)
        await stream.all_closed()

        def check() -> None:
            check_audio(loopback, stream, sent)
            lines = json_lines(loopback.recording(stream.stream_id) / "transcript.jsonl")
            assert [line["text"] for line in lines] == ["still here"]

        await eventually(check)


async def test_garbage_on_every_socket(loopback: Daemon) -> None:
    """Frames that mean nothing disturb neither the sockets nor the recording."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        stream.event_ts = now_ms() - 5_000
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        sockets = list(stream.sockets)
        for sock in sockets:
            for payload, text in garbage():
                await sock.send_raw(payload, text=text)
        await stream.round_trip()
        for sock in sockets:  # late duplicates of the handshake answers
            await sock.send(
                {"msg_type": 2, "status_code": 0, "media_server": {"server_urls": stream.media_urls()}}
                if sock.role == "signaling"
                else {"msg_type": 4, "status_code": 0, "reason": "", "media_params": sock.effective}
            )
        sent = await hold_meeting(stream)
        assert stream.sockets == sockets and stream.open_sockets() == sockets
        await zoom.stop(stream)
        await stream.all_closed()

        def check() -> None:
            check_audio(loopback, stream, sent)
            if sent.units:
                check_video(loopback, stream, sent)
            place = loopback.recording(stream.stream_id)
            texts = [line["text"] for line in json_lines(place / "transcript.jsonl")]
            assert [text for text in texts if text in {line[1] for line in sent.lines}] == [
                s[1] for s in sent.lines
            ]
            assert sorted(p.read_bytes() for p in (place / "share").iterdir()) == sorted(sent.pictures)

        await eventually(check)


async def test_same_webhook_again(loopback: Daemon) -> None:
    """A redelivered webhook, even at the same moment, does not open a second connection."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        await asyncio.gather(*(zoom.announce(stream) for _ in range(4)))
        await stream.ready(*EVERY_KIND)
        await zoom.announce(stream)
        await fence(zoom)
        assert len(stream.sockets) == 6, stream.sockets


async def test_newer_webhook_moves_the_stream(loopback: Daemon) -> None:
    """A newer rtms_started with other URLs is a failover: old sockets go, the new handshake comes at once."""
    async with zoom_for(loopback) as zoom:
        old = zoom.stream(FIRST)
        old.event_ts = now_ms() - 9_000
        await zoom.announce(old)
        await old.ready(*EVERY_KIND)
        packets = [(old.event_ts + at, pcm(ANA, at)) for at in range(0, 1200, 100)]
        for timestamp, payload in packets[:6]:
            await old.audio(ANA, PEOPLE[ANA], payload, timestamp)
        await old.round_trip()
        new = zoom.stream(FIRST, entity=old.entity, stream_id=old.stream_id)
        began = time.monotonic()
        await zoom.announce(new)
        handshake = await new.until(
            lambda: [at for s in new.sockets for at, message in s.received if message["msg_type"] == 1],
            "msg 1 at the new server",
        )
        assert handshake[0] - began - zoom.lag.during(began, handshake[0]) < 2.0
        await old.all_closed(5.0)
        await new.ready(*EVERY_KIND)
        assert subscribed(new.signaling) == subscribed(old.signaling)
        await zoom.announce(old)  # a late redelivery must not move it back
        for timestamp, payload in packets[4:]:  # two of them for the second time
            await new.audio(ANA, PEOPLE[ANA], payload, timestamp)
        await fence(zoom)
        assert len(old.sockets) == 6 and len(new.open_sockets()) == 6
        await zoom.stop(new)
        await new.all_closed()
        await eventually(lambda: check_audio(loopback, new, Sent(audio={ANA: packets})))


async def test_server_off_the_allow_list(secure: Daemon, authority: trustme.CA) -> None:
    """An address off the list, or plain ws:// where it is not allowed, gets 200 and no connection."""
    connections: list[str] = []

    async def on_connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(str(writer.get_extra_info("sockname")))
        writer.close()

    foreign = await asyncio.start_server(on_connection, "127.0.0.2", 0)
    plain = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with foreign, plain, zoom_for(secure, authority) as zoom:
        for server, scheme in ((foreign, "wss"), (foreign, "ws"), (plain, "ws")):
            host, port = server.sockets[0].getsockname()
            await zoom.announce(zoom.stream(FIRST), server_urls=f"{scheme}://{host}:{port}/signaling")
        host, port = plain.sockets[0].getsockname()
        for trick in (
            f"http://{host}:{port}/",
            f"{host}:{port}",
            "wss://",
            "",
            None,
            f"wss://127.0.0.1@127.0.0.2:{port}",
        ):
            status, _ = await zoom.post(
                zoom.started_body(zoom.stream(FIRST), server_urls=trick), FIRST.secret_token
            )
            assert status in (200, 204), trick
        await fence(zoom)
        assert connections == []


async def test_untrusted_certificate(loopback: Daemon, authority: trustme.CA) -> None:
    """Without ca_file the fake's certificate is not trusted: no handshake message reaches it."""
    hellos: list[object] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.sni_callback = lambda *_: hellos.append(1)
    data: list[bytes] = []
    tried = asyncio.Event()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            data.append(await reader.read(100))
        tried.set()
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=context)
    async with server, zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        port = server.sockets[0].getsockname()[1]
        await zoom.announce(stream, server_urls=f"wss://localhost:{port}/signaling")
        async with asyncio.timeout(10):
            while not hellos:
                await asyncio.sleep(0.05)  # the interval of the poll
        await fence(zoom)
        await zoom.stop(stream)
        assert not any(data), data


# -- losses ----------------------------------------------------------------------------------------


def within(seconds: float, lag: float) -> None:
    """Require "about 3 s"."""
    assert RECONNECTS[0] <= seconds <= RECONNECTS[1] + lag, f"reconnected after {seconds:.2f} s"


async def test_losing_a_media_socket(loopback: Daemon) -> None:
    """A media socket that is reset, closed, or reported lost comes back alone in about 3 s, with an ACK."""

    async def reset(stream: Stream, sock: Socket) -> None:
        sock.reset()

    async def close(stream: Stream, sock: Socket) -> None:
        await sock.close(1011)

    async def report(stream: Stream, sock: Socket) -> None:
        await stream.event(7, media_type=AUDIO)
        await stream.stream_state(2, reason=14)

    async def report_list(stream: Stream, sock: Socket) -> None:
        await stream.event(7, media_types=[AUDIO])

    async with zoom_for(loopback) as zoom:

        async def lose_all() -> None:  # event 7 that does not say which: all, since all look healthy (5.3)
            stream = zoom.stream(FIRST)
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            before = [s for s in stream.sockets if s.role == "media"]
            await stream.event(7)
            await stream.ready(*EVERY_KIND, but_not=before, timeout=15.0)
            assert all(sock.closed for sock in before)
            assert len([s for s in stream.sockets if s.role == "signaling"]) == 1
            assert len(stream.sockets) == 11

        async def lose(how: Callable[[Stream, Socket], Awaitable[None]]) -> None:
            stream = zoom.stream(FIRST)
            stream.event_ts = now_ms() - 5_000
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            packets = [(stream.event_ts + at, pcm(ANA, at)) for at in range(0, 1000, 100)]
            for timestamp, payload in packets[:5]:
                await stream.audio(ANA, PEOPLE[ANA], payload, timestamp)
            await stream.round_trip()
            lost = stream.media(AUDIO)
            others = [s for s in stream.open_sockets() if s is not lost]
            began = time.monotonic()
            await how(stream, lost)
            await stream.until(
                lambda: stream.is_ready(AUDIO, but_not=[lost]), f"{how.__name__}: audio is back", 15.0
            )
            back = stream.media(AUDIO)
            within(back.opened - began, zoom.lag.during(began, time.monotonic()))
            for timestamp, payload in packets[5:]:
                await stream.audio(ANA, PEOPLE[ANA], payload, timestamp)
            await stream.round_trip()
            assert stream.open_sockets() == [*others, back], f"{how.__name__}: {stream.sockets}"
            assert len(stream.sockets) == 7, stream.sockets
            await zoom.stop(stream)
            await stream.all_closed()
            await eventually(lambda: check_audio(loopback, stream, Sent(audio={ANA: packets})))

        async with asyncio.TaskGroup() as together:
            for how in (reset, close, report, report_list):
                together.create_task(lose(how))
            together.create_task(lose_all())


async def test_losing_the_signaling_socket(loopback: Daemon) -> None:
    """Without signaling all is connected anew after about 3 s, in order, and the events subscribed again."""

    async def reset(stream: Stream) -> None:
        stream.signaling.reset()

    async def close(stream: Stream) -> None:
        await stream.signaling.close(1000)

    async def interrupted(stream: Stream) -> None:
        body = stream.zoom.stopped_body(stream)
        body["event"] = "meeting.rtms_interrupted"
        del body["payload"]["stop_reason"]
        status, _ = await stream.zoom.post(body, FIRST.secret_token)
        assert status in (200, 204)

    async with zoom_for(loopback) as zoom:

        async def lose(how: Callable[[Stream], Awaitable[None]]) -> None:
            stream = zoom.stream(FIRST)
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            before = list(stream.sockets)
            old_signaling = stream.signaling
            began = time.monotonic()
            await how(stream)
            await stream.ready(*EVERY_KIND, but_not=before, timeout=15.0)
            assert all(sock.closed for sock in before), f"{how.__name__}: {before}"
            within(stream.signaling.opened - began, zoom.lag.during(began, time.monotonic()))
            assert subscribed(stream.signaling) == subscribed(old_signaling)
            packets = [(stream.event_ts + at, pcm(ANA, at)) for at in range(0, 300, 100)]
            for timestamp, payload in packets:
                await stream.audio(ANA, PEOPLE[ANA], payload, timestamp)
            await stream.round_trip()
            assert len(stream.sockets) == 12, f"{how.__name__}: {stream.sockets}"
            await zoom.stop(stream)
            await stream.all_closed()
            await eventually(lambda: check_audio(loopback, stream, Sent(audio={ANA: packets})))

        async with asyncio.TaskGroup() as together:
            for how in (reset, close, interrupted):
                together.create_task(lose(how))


async def test_transient_statuses(loopback: Daemon) -> None:
    """Status 8 in signaling is retried after 1.5 s, status 16 on media with backoff, each on a new socket."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST, plan=Plan(signaling_status=[8]))
        other = zoom.stream(FIRST, plan=Plan(refuse={AUDIO: [16]}))
        silent = zoom.stream(FIRST, plan=Plan(signaling_status=[-1] * 9))
        for each in (stream, other, silent):
            await zoom.announce(each)
        await stream.ready(*EVERY_KIND)
        await other.ready(*EVERY_KIND, timeout=15.0)
        first, second = [sock for sock in stream.sockets if sock.role == "signaling"]
        assert 1.0 <= second.opened - first.opened <= 4.0 + zoom.lag.during(first.opened, second.opened)
        # a server that closes without a word is not hammered
        assert all(after.opened - before.opened >= 0.9 for before, after in pairwise(silent.sockets))


# -- what else V1 says -----------------------------------------------------------------------------


async def test_invalid_payload_is_retried_with_one_id(loopback: Daemon) -> None:
    """Status 4 for a product with two id fields is retried once with only one of them (0.4)."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST, plan=Plan(signaling_status=[4]), entity_key="session_id")
        status, _ = await zoom.post(
            zoom.started_body(stream, product="session.rtms_started"), FIRST.secret_token
        )
        assert status in (200, 204)
        await stream.until(lambda: [s for s in stream.sockets if s.accepted], "second handshake")
        ids = [
            {"meeting_uuid", "session_id"} & set(sock.handshake or {})
            for sock in stream.sockets
            if sock.role == "signaling"
        ]
        assert [len(keys) for keys in ids] == [2, 1]
        await stream.ready(AUDIO)
        stream.violations = [
            text for text in stream.violations if not text.endswith(f"None, expected {stream.entity!r}")
        ]


async def test_secrets_stay_secret(loopback: Daemon) -> None:
    """Neither credentials nor signatures are in the log or in what is recorded (Appendix A)."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        await zoom.stop(stream)
        await stream.all_closed()
        await eventually(lambda: _expect(manifest_of(loopback, stream)["rtms_stream_id"], stream.stream_id))
        secrets = [app.client_secret for app in (FIRST, SECOND)] + [
            app.secret_token for app in (FIRST, SECOND)
        ]
        for path in loopback.folder.rglob("*"):
            if path.is_file() and path != loopback.config:
                content = path.read_bytes()
                assert not [s for s in [*secrets, stream.signature] if s.encode() in content], path


async def test_revoked_stream_is_deleted(loopback: Daemon) -> None:
    """Stop reason 8 means: delete all assets of the stream at once (8.8)."""
    async with zoom_for(loopback) as zoom:
        by_webhook, by_state = zoom.stream(FIRST), zoom.stream(FIRST)
        for stream in (by_webhook, by_state):
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            await stream.audio(ANA, PEOPLE[ANA], pcm(ANA, 0), stream.event_ts)
            await stream.transcript(ANA, PEOPLE[ANA], "secret", stream.event_ts, stream.event_ts + 100)
            await stream.round_trip()
        await eventually(lambda: _expect(len(list(loopback.recordings.rglob(by_webhook.stream_id))), 1))
        await zoom.stop(by_webhook, 8)
        await by_state.stream_state(4, reason=8)
        for stream in (by_webhook, by_state):
            await stream.all_closed()
            await eventually(lambda s=stream: _expect(left_of(loopback, s), []))  # type: ignore[misc]


def left_of(daemon: Daemon, stream: Stream) -> list[str]:
    """Return the files that still hold media of a stream."""
    files = [path for path in daemon.folder.rglob("*") if path.is_file() and stream.stream_id in str(path)]
    return [
        str(path)
        for path in files
        if path.suffix in (".wav", ".mp4", ".jpg") or b"secret" in path.read_bytes()
    ]


async def test_state_updates_keep_their_time(loopback: Daemon) -> None:
    """Msg 8 and 9 carry Zoom's timestamp, and that is the one recorded; a pause closes nothing."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        stream.event_ts = now_ms() - 30_000
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        sent = [
            await stream.session_state(2),
            await stream.stream_state(1, reason=0),
            await stream.session_state(3),
            await stream.stream_state(5),
            await stream.session_state(4),
            await stream.stream_state(6),
            await stream.session_state(5, stop_reason=3),  # one session's end is not the stream's
        ]
        await stream.round_trip()
        await fence(zoom)
        assert len(stream.open_sockets()) == 6
        await zoom.stop(stream)
        await stream.all_closed()

        def check() -> None:
            events = json_lines(loopback.recording(stream.stream_id) / "events.jsonl")
            states = [event for event in events if event["type"].endswith("state_changed")]
            assert [event["state"] for event in states] == [
                "STARTED", "ACTIVE", "PAUSED", "PAUSED", "RESUMED", "RESUMED", "STOPPED"
            ]  # fmt: skip
            assert [event["timestamp_ms"] for event in states] == sent

        await eventually(check, 5.0)


async def test_terminated_then_sigterm_keeps_the_reason(folder: Path) -> None:
    """The reason in msg 8 counts if no webhook tells a better one, even if the daemon ends at once (8.9)."""
    with Daemon(folder / "reason", [FIRST], insecure_loopback=True) as daemon:
        async with asyncio.timeout(LIMIT), zoom_server(daemon.webhook_url) as zoom:
            stream = zoom.stream(FIRST)
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
            await stream.stream_state(4, reason=6)
            await stream.all_closed()
            assert await asyncio.to_thread(daemon.terminate) == 0
            assert manifest_of(daemon, stream)["stop_reason"]["code"] == 6


async def test_granted_parameters_count(loopback: Daemon) -> None:
    """Msg 4 tells the effective parameters (4.3): 8 kHz instead of 16, one mixed stream for several."""
    async with zoom_for(loopback) as zoom:
        slow = zoom.stream(FIRST, plan=Plan(grant={"audio": {"sample_rate": 0}}))
        one = zoom.stream(FIRST, plan=Plan(grant={"audio": {"data_opt": 1}}))
        for stream in (slow, one):
            await zoom.announce(stream)
            await stream.ready(*EVERY_KIND)
        first, second = pcm(ANA, 0, 50), pcm(ANA, 100, 50)  # 100 ms of 8 kHz
        await slow.audio(ANA, PEOPLE[ANA], first, slow.event_ts)
        await slow.audio(ANA, PEOPLE[ANA], second, slow.event_ts + 200)
        packets = [(one.event_ts + at, pcm(0, at)) for at in (0, 100, 300)]
        for timestamp, payload in packets:
            await one.audio(0, "", payload, timestamp)
        for stream in (slow, one):
            await stream.round_trip()
            await zoom.stop(stream)
            await stream.all_closed()

        def check() -> None:
            voice = loopback.recording(slow.stream_id) / "audio" / f"{ANA}.wav"
            assert wav_samples(voice, 8000) == first + bytes(len(first)) + second
            mix = wav_samples(loopback.recording(one.stream_id) / "audio" / "mixed.wav")
            check_track(mix, packets, manifest_of(loopback, one)["t0_ms"])

        await eventually(check)


async def test_contact_center_channels(loopback: Daemon) -> None:
    """channel_id alone tells caller and agent apart (6.3); event 8 is no PARTICIPANT_VIDEO_ON (5.4)."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST, entity_key="engagement_id")
        body = zoom.started_body(stream, product="contact_center.voice_rtms_started")
        body["payload"] = {
            k: v
            for k, v in body["payload"].items()
            if k in ("engagement_id", "rtms_stream_id", "server_urls")
        }
        status, _ = await zoom.post(body, FIRST.secret_token)
        assert status in (200, 204)
        await stream.ready(AUDIO, TRANSCRIPT)
        voices = {name: pcm(number, 0) for number, name in enumerate(("caller-1", "agent-2"))}
        for channel, voice in voices.items():
            content = stream.audio_content(0, "", voice, stream.event_ts) | {"channel_id": channel}
            content.pop("user_id")
            await stream.media_data(14, content)
        who = {"channel_id": "caller-1", "participant_mode": "caller", "display_name": "Ana"}
        stamps = [
            await stream.event(8, event_ts=stream.event_ts + 11, participant_info=who),
            await stream.event(10, event_ts=stream.event_ts + 12, paticipant_info=who),
            await stream.event(33, event_ts=stream.event_ts + 13),
        ]
        await stream.round_trip()
        body = zoom.stopped_body(stream, 21, product="contact_center.voice_rtms_stopped")
        status, _ = await zoom.post(body, FIRST.secret_token)
        assert status in (200, 204)
        await stream.all_closed()

        def check() -> None:
            place = loopback.recording(stream.stream_id)
            tracks = [wav_samples(path) for path in (place / "audio").iterdir() if path.stem != "mixed"]
            assert sorted(track.strip(b"\0") for track in tracks) == sorted(
                v.strip(b"\0") for v in voices.values()
            )
            events = {event["timestamp_ms"]: event for event in json_lines(place / "events.jsonl")}
            assert set(stamps) <= set(events)
            assert "video" not in json.dumps(events[stamps[0]])

        await eventually(check)


async def test_hostile_ids_stay_in_the_folder(loopback: Daemon) -> None:
    """Ids that look like paths are used verbatim on the wire and name nothing outside the recordings."""
    async with zoom_for(loopback) as zoom:
        before = {path.name for path in loopback.folder.iterdir()}
        for entity, stream_id in (
            ("../../../up", "../../evil"),
            ("..", f"..\\{now_ms()}"),
            ("CON\n\t:", f"a/b {now_ms()}"),
        ):
            stream = zoom.stream(FIRST, entity=entity, stream_id=stream_id)
            status, _ = await zoom.post(zoom.started_body(stream, meeting_id="../../.."), FIRST.secret_token)
            assert status in (200, 204)
            await fence(zoom)
            if stream.sockets:
                await stream.ready(AUDIO)
                await stream.audio(ANA, PEOPLE[ANA], pcm(ANA, 0), stream.event_ts)
                await stream.round_trip()
        assert {path.name for path in loopback.folder.iterdir()} - before <= {
            "recordings",
            loopback.jsonl.name,
        }
        assert not [path for path in loopback.folder.parent.iterdir() if "evil" in path.name]


async def test_transcript_and_chat_corrections(loopback: Daemon) -> None:
    """attribute 2 and 3 replace and delete a sentence (6.6); chat operations refer to message_id (6.7)."""
    async with zoom_for(loopback) as zoom:
        stream = zoom.stream(FIRST)
        await zoom.announce(stream)
        await stream.ready(*EVERY_KIND)
        base = stream.event_ts
        for attribute, sentence, text in (
            (1, "s1", "wrong"),
            (1, "s2", "gone"),
            (2, "s1", "right"),
            (3, "s2", "gone"),
        ):
            await stream.media_data(
                17,
                {
                    "user_id": ANA,
                    "user_name": PEOPLE[ANA],
                    "start_time": base,
                    "end_time": base + 500,
                    "timestamp": base,
                    "language": 9,
                    "data": text,
                    "attribute": attribute,
                    "sentence_id": sentence,
                },
            )
        for operation, text in ((1, "first"), (3, "edited"), (4, "👍"), (2, "")):
            await stream.chat(ANA, PEOPLE[ANA], text, "m1", base, operation_type=operation)
        await stream.round_trip()
        await zoom.stop(stream)
        await stream.all_closed()

        def check() -> None:
            place = loopback.recording(stream.stream_id)
            cues = (place / "transcript.vtt").read_text()
            assert "right" in cues and "wrong" not in cues and "gone" not in cues, cues
            operations = [line["operation"] for line in json_lines(place / "chat.jsonl")]
            assert len(operations) == 4 and len(set(operations)) == 4, operations

        await eventually(check)
