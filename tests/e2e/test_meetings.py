"""Meetings of every sort, through the simulator, the engine and the disk, on the virtual clock."""

import asyncio
import json
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest
import soundfile

from rtms_engine import (
    AudioParams,
    ConfigError,
    Engine,
    MediaKind,
    MediaParams,
    ShareParams,
    SinkConfig,
    StopReason,
    TranscriptSegment,
    VideoParams,
)
from rtms_engine.errors import ExportError
from rtms_engine.export.movie import Wanted, export
from rtms_engine.export.source import read
from rtms_engine.model.products import PRODUCTS, Product
from rtms_engine.simulator import FakeZoom, Faults, Injection, LiveMeeting, Script, synthetic_script
from rtms_engine.stream.worker import StreamStatistics
from tests.e2e.support import config, manifest_of, over, recording, zoom_and_engine

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(duration_ms=6_000, camera=True, slides=True, chat_every_ms=2_000)


async def recorded(
    tmp_path: Path, script: Script = SCRIPT, media: MediaParams | None = None, **options: Any
) -> tuple[LiveMeeting, StreamStatistics, Path, dict[str, Any]]:
    """Play a meeting to its end; what Zoom sent, what the engine got, where it is."""
    async with zoom_and_engine(recording(tmp_path), media=media or MediaParams()) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url, **options)
        stats = await over(engine, meeting)
    folder, manifest = manifest_of(tmp_path, meeting)
    return meeting, stats, folder, manifest


def assert_nothing_lost(meeting: LiveMeeting, stats: StreamStatistics) -> None:
    """Everything on the wire reached the sinks, and the engine kept to the protocol."""
    assert stats.received == {kind: meeting.ledger.frames[kind] for kind in MediaKind}
    assert all(not sink.dropped for sink in stats.sinks)
    assert not meeting.ledger.client_errors


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
async def test_every_product(tmp_path: Path, product: Product) -> None:
    """One row each: its webhooks, its ids, its events."""
    meeting, stats, folder, manifest = await recorded(tmp_path, product=product)
    assert_nothing_lost(meeting, stats)
    assert manifest["product"] == product.name
    assert manifest["stop_reason"]["name"] == "MEETING_ENDED"
    assert len(list((folder / "audio").glob("*.wav"))) == 3


@pytest.mark.parametrize(
    ("params", "rate", "exact"),
    [
        (AudioParams(), 16_000, True),
        (AudioParams(sample_rate=32_000, send_rate_ms=60), 32_000, True),
        (AudioParams(sample_rate=48_000, send_rate_ms=20), 48_000, True),
        (AudioParams(sample_rate=8_000, send_rate_ms=1_000), 8_000, True),
        (AudioParams(codec="opus", sample_rate=48_000, send_rate_ms=20), 48_000, False),
        (AudioParams(codec="opus", sample_rate=48_000, channels=2, send_rate_ms=20), 48_000, False),
        (AudioParams(codec="g711", sample_rate=8_000), 8_000, False),
        (AudioParams(codec="g722", sample_rate=16_000), 16_000, False),
    ],
    ids=lambda value: (
        f"{value.codec}-{value.sample_rate}-{value.channels}" if isinstance(value, AudioParams) else ""
    ),
)
async def test_every_audio_codec(tmp_path: Path, params: AudioParams, rate: int, exact: bool) -> None:
    """Each is recorded as PCM, at the right place and of the right length."""
    meeting, stats, folder, _ = await recorded(tmp_path, media=MediaParams(audio=params))
    assert_nothing_lost(meeting, stats)
    sound, found_rate = soundfile.read(folder / "audio" / "16778240.wav", dtype="int16", always_2d=True)
    assert (found_rate, sound.shape[1]) == (rate, params.channels)
    assert abs(len(sound) / rate - 6.0) < (0.001 if exact else 0.1)  # she speaks from 0 to 2 and 4 to 6 s
    level = np.abs(sound.astype(int)).mean(axis=1)
    assert not level[int(2.2 * rate) : int(3.8 * rate)].any()
    assert level[: 2 * rate].mean() > 100


async def test_mixed_audio_goes_to_one_file(tmp_path: Path) -> None:
    """Zoom's own mix is recorded as it comes, and attributed by the active speaker."""
    media = MediaParams(audio=AudioParams(mode="mixed"))
    faults = Faults(binary_frames=True, string_content=True)
    meeting, stats, folder, _ = await recorded(tmp_path, media=media, faults=faults)
    assert_nothing_lost(meeting, stats)
    assert [path.name for path in (folder / "audio").iterdir()] == ["mixed.wav"]


async def test_pictures_instead_of_video(tmp_path: Path) -> None:
    """H.264 for the share, where the script has pictures, is not what this tests: JPEG for both is."""
    media = MediaParams(video=VideoParams(codec="jpg", fps=5), share=ShareParams(codec="jpg"))
    meeting, stats, folder, manifest = await recorded(tmp_path, media=media)
    assert_nothing_lost(meeting, stats)
    shared = len(list((folder / "share").iterdir()))
    assert shared == meeting.ledger.frames[MediaKind.SHARE] > 0
    assert manifest["state"] == "done"


async def test_one_participants_camera(tmp_path: Path) -> None:
    """Single-participant video flows only because the engine asks for a camera that is on."""
    media = MediaParams(video=VideoParams(mode="single_participant"))
    meeting, stats, _, _ = await recorded(tmp_path, media=media)
    assert_nothing_lost(meeting, stats)
    assert stats.received[MediaKind.VIDEO] > 100


def two_cameras() -> Script:
    """Turns of two seconds; both cameras are on from the beginning, the second one's until the fifth second."""
    other = SCRIPT.participants[1]
    [camera] = SCRIPT.video
    second = msgspec.structs.replace(camera, user_id=other.user_id, user_name=other.user_name, end_ms=5_000)
    return msgspec.structs.replace(SCRIPT, video=(camera, second))


FIRST, SECOND = (one.user_id for one in SCRIPT.participants[:2])


@pytest.mark.parametrize(
    ("follow", "shown"),
    [
        ("active_speaker", [FIRST, SECOND, FIRST]),
        ("first_camera", [FIRST]),
        (f"user:{SECOND}", [SECOND]),
        (f"user:{SCRIPT.participants[1].user_name}", [SECOND]),
        ("user:Nobody", []),
    ],
)
async def test_whose_camera_is_recorded(tmp_path: Path, follow: str, shown: list[int]) -> None:
    """By policy, end to end: the pictures say whose they are, in the log, in the manifest, and in the chapters."""
    media = MediaParams(video=VideoParams(mode="single_participant"))
    async with zoom_and_engine(recording(tmp_path), media=media, follow=follow) as (zoom, engine):
        meeting = await zoom.start(two_cameras(), engine.webhook_url)
        stats = await over(engine, meeting)
    assert_nothing_lost(meeting, stats)
    folder, manifest = manifest_of(tmp_path, meeting)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    changes = [one for one in events if one["type"] == "picture_source_changed" and one["kind"] == "camera"]
    assert [one["participant"]["user_id"] for one in changes] == shown
    cameras = [one for one in manifest["artefacts"] if one["kind"] == "camera"]
    names = {one.user_id: one.user_name for one in SCRIPT.participants}
    if len(shown) == 1:
        assert {(one["user_id"], one["name"]) for one in cameras} == {(shown[0], names[shown[0]])}
    else:
        assert len([one for one in cameras if "user_id" not in one]) == len(shown) // 2
    exported = export(read(folder), tmp_path / "meeting.mp4", Wanted(), lambda _, __: None)
    assert not exported.problems
    with av.open(str(tmp_path / "meeting.mp4")) as movie:
        titles = [chapter["metadata"]["title"] for chapter in movie.chapters()]
        assert bool([one for one in movie.streams.video if one.metadata["handler_name"] == "Camera"]) is bool(
            shown
        )
    if len(shown) > 1:
        assert [title for title in titles if title != "Start"] == [names[who] for who in shown]


@pytest.mark.parametrize(("codec", "fps"), [("jpg", 1), ("png", 1), ("h264", 15)])
async def test_a_shared_screen_of_every_codec(tmp_path: Path, codec: Any, fps: int) -> None:
    """Pictures stay files and become a slide show on request; H.264 is a film. Both are a track of the movie."""
    media = MediaParams(share=ShareParams(codec=codec, fps=fps))
    meeting, stats, folder, manifest = await recorded(tmp_path, media=media)
    assert_nothing_lost(meeting, stats)
    sent = meeting.ledger.frames[MediaKind.SHARE]
    files = list((folder / "share").iterdir())
    assert {path.suffix for path in files} == {".mp4" if codec == "h264" else f".{codec}"}
    assert len(files) == (1 if codec == "h264" else sent)
    assert not any(manifest["skipped"].values())
    target = tmp_path / "out.mp4"
    assert not export(read(folder), target, Wanted(), lambda _, __: None).problems
    with av.open(str(target)) as movie:
        [share] = [one for one in movie.streams.video if one.metadata["handler_name"] == "Screen share"]
        [subtitles] = movie.streams.subtitles
        assert subtitles.metadata["language"] == "eng"
        assert sum(1 for _ in movie.decode(share)) == sent
    if codec == "h264":
        with pytest.raises(ExportError, match="no single pictures"):
            export(read(folder), target, Wanted(slides_only=True), lambda _, __: None)
        return
    export(read(folder), target, Wanted(slides_only=True), lambda _, __: None)
    with av.open(str(target)) as movie:
        times = [frame.time for frame in movie.decode(video=0)]
    assert times == pytest.approx([float(n) for n in range(sent)], abs=0.1)


async def test_pause_and_resume(tmp_path: Path) -> None:
    """Nothing comes in between, nothing is lost, and the time of the pause is silence."""
    script = synthetic_script(duration_ms=6_000, speakers=1)
    async with zoom_and_engine(recording(tmp_path)) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url)
        await asyncio.sleep(2)
        meeting.pause()
        await asyncio.sleep(2)
        meeting.resume()
        stats = await over(engine, meeting)
    assert_nothing_lost(meeting, stats)
    folder, _ = manifest_of(tmp_path, meeting)
    sound, rate = soundfile.read(folder / "audio" / "16778240.wav", dtype="int16")
    assert not sound[int(2.2 * rate) : int(3.8 * rate)].any()
    states = [json.loads(line).get("state") for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [state for state in states if state in ("PAUSED", "RESUMED")] == [
        "PAUSED",
        "PAUSED",
        "RESUMED",
        "RESUMED",
    ]


@pytest.mark.parametrize("mode", ["split", "unified"])
async def test_kinds_that_zoom_does_not_grant(tmp_path: Path, mode: str) -> None:
    """They are dropped with a reason; the others go on."""
    granted = frozenset({MediaKind.AUDIO, MediaKind.CHAT})
    async with zoom_and_engine(recording(tmp_path), mode=mode) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=granted)
        stats = await over(engine, meeting)
    assert_nothing_lost(meeting, stats)
    assert stats.received[MediaKind.AUDIO] > 0
    _, manifest = manifest_of(tmp_path, meeting)
    if mode == "split":
        assert set(manifest["media"]["refused"]) == {"video", "share", "transcript"}
        assert "meeting:read:meeting_video" in manifest["media"]["refused"]["video"]


@pytest.mark.parametrize("status", [8, 45, 4])
async def test_signaling_refused_for_a_while(tmp_path: Path, status: int) -> None:
    """Transient statuses are tried again, and the audio since the start is not lost."""
    product = next(p for p in PRODUCTS if p.name == "session")
    meeting, stats, _, _ = await recorded(
        tmp_path, product=product, faults=Faults(signaling_statuses=(status,))
    )
    assert_nothing_lost(meeting, stats)
    assert stats.received[MediaKind.AUDIO] == 60


async def test_parameters_refused_once(tmp_path: Path) -> None:
    """Zoom's defaults are taken then, and what is granted is what is recorded: mixed, 20 ms."""
    faults = Faults(media_statuses={MediaKind.AUDIO: (22,)})
    meeting, stats, folder, manifest = await recorded(tmp_path, faults=faults)
    assert_nothing_lost(meeting, stats)
    assert manifest["media"]["granted"]["audio"]["mode"] == "mixed"
    assert [path.name for path in (folder / "audio").iterdir()] == ["mixed.wav"]


async def test_hostile_messages_on_every_socket(tmp_path: Path) -> None:
    """Garbage, unknown, truncated and absurd messages are counted; the stream lives on."""
    junk = [
        b"",
        b"\xff\xfe\x00garbage",
        b"{",
        b"[]",
        b"null",
        b'{"msg_type": 999, "x": {}}',
        b'{"msg_type": {"a": 1}}',
        b'{"msg_type": 14}',
        b'{"msg_type": 14, "content": {"data": 5, "user_id": [], "timestamp": {}}}',
        b'{"msg_type": 15, "content": "!!!"}',
        b'{"msg_type": 6, "event": {"event_type": [1]}}',
        b'{"msg_type": 8, "state": null}',
        b'{"msg_type": 2, "status_code": 3}',
        b'{"msg_type": 4, "status_code": 3}',
        b'{"msg_type": 13}',
        b"[" * 100_000,
        b'{"msg_type": 14, "content": {"user_id": 1e300, "timestamp": 1e300, "data": "AAAA"}}',
    ]
    legs = ("signaling", "audio", "video", "transcript")
    faults = Faults(
        injections=tuple(
            Injection(1_000 + 20 * n, leg, payload) for n, payload in enumerate(junk) for leg in legs
        ),
        extra_keys={"extra": {"nested": [1, None]}},
    )
    meeting, stats, _, manifest = await recorded(tmp_path, faults=faults)
    assert stats.noise["malformed"] > 20
    for kind in (MediaKind.SHARE, MediaKind.TRANSCRIPT, MediaKind.CHAT):
        assert stats.received[kind] == meeting.ledger.frames[kind]
    assert manifest["state"] == "done"
    written = {a["path"]: a for a in manifest["artefacts"]}
    sent = meeting.ledger.payload_bytes[MediaKind.AUDIO] // 2
    assert written["audio/16778240.wav"]["samples"] + written["audio/16779264.wav"]["samples"] == sent
    assert manifest["skipped"]["impossible_timestamps"] >= 0


async def test_a_server_off_the_list_is_not_joined(tmp_path: Path) -> None:
    """Acknowledged, and nothing is opened."""
    async with FakeZoom([], tls=False) as nowhere, zoom_and_engine(recording(tmp_path)) as (zoom, engine):
        assert nowhere.base_url
        sender = zoom.webhooks(engine.webhook_url)
        payload = {"meeting_uuid": "U", "rtms_stream_id": "S", "server_urls": "wss://evil.example:443"}
        delivery = await sender.send("meeting.rtms_started", payload)
        assert delivery.status == 200
        assert not engine.live_streams()
    assert not list(tmp_path.iterdir())


async def test_a_full_disk_costs_only_the_recording(tmp_path: Path) -> None:
    """The recording detaches; the stream and the other sink go on."""
    blocked = tmp_path / "file"
    blocked.write_text("a folder cannot be made here")
    async with zoom_and_engine(recording(blocked), SinkConfig("null")) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        stats = await over(engine, meeting)
    assert stats.received == {kind: meeting.ledger.frames[kind] for kind in MediaKind}
    states = {sink.name: sink.state for sink in stats.sinks}
    assert states == {"recording": "detached", "null": "closed"}
    null = next(sink for sink in stats.sinks if sink.name == "null")
    assert null.written["audio"] == stats.received[MediaKind.AUDIO]


async def test_only_what_a_sink_wants_is_asked_for() -> None:
    """No transcript unless somebody wants one: it is billed."""
    sink = SinkConfig("null", kinds=frozenset({MediaKind.AUDIO}))
    async with zoom_and_engine(sink) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        stats = await over(engine, meeting)
    assert [kind for kind, count in stats.received.items() if count] == [MediaKind.AUDIO]
    assert list(meeting.ledger.frames) == [MediaKind.AUDIO]


async def test_revoked_streams_leave_nothing_but_a_tombstone(tmp_path: Path) -> None:
    """Stop reason 8: everything is deleted at once (V1.md §8.8)."""
    async with zoom_and_engine(recording(tmp_path)) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        await asyncio.sleep(3)
        await meeting.stop(StopReason.STREAM_REVOKED)
        await over(engine, meeting)
    folder, manifest = manifest_of(tmp_path, meeting)
    assert manifest["state"] == "deleted"
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    assert "Speaker" not in (folder / "manifest.json").read_text()


async def test_a_failover_moves_the_stream_at_once() -> None:
    """A newer start for a live stream: other servers, no wait, nothing lost of the sound (V1.md §8.2)."""
    heard: set[tuple[int, int]] = set()

    def note(_: Any, item: Any) -> None:
        if type(item).__name__ == "AudioFrame":
            heard.add((item.speaker.user_id, item.timestamp_ms))

    async with zoom_and_engine(callback=note) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        await asyncio.sleep(2.05)
        await meeting.failover()
        await over(engine, meeting)
    assert heard == {(s.user_id, s.timestamp_ms) for s in meeting.ledger.of(MediaKind.AUDIO)}
    assert len(heard) == 60


@pytest.mark.parametrize("lost", ["signaling", "audio"])
async def test_a_lost_connection_comes_back(lost: str) -> None:
    """Within 3.5 s of its loss, and the sound of the meantime comes with it (V1.md §8.3, §8.4)."""
    script = synthetic_script(duration_ms=10_000)
    heard: list[int] = []
    kinds: list[str] = []

    def note(_: Any, item: Any) -> None:
        kinds.append(type(item).__name__)
        if type(item).__name__ == "AudioFrame":
            heard.append(item.timestamp_ms)

    async with zoom_and_engine(callback=note) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url, granted=frozenset({MediaKind.AUDIO}))
        await asyncio.sleep(2.05)
        if lost == "signaling":
            meeting.drop_signaling()
        else:
            meeting.drop_media(MediaKind.AUDIO)
        await asyncio.sleep(3.5)
        assert meeting.signaling
        assert len(meeting.media_legs) == 1
        await over(engine, meeting)
    assert (
        kinds.count("ConnectionLost")
        == kinds.count("ConnectionRestored")
        == (2 if lost == "signaling" else 1)
    )
    assert sorted(set(heard)) == sorted({s.timestamp_ms for s in meeting.ledger.of(MediaKind.AUDIO)})
    assert len(set(heard)) == 100


async def test_streams_as_asynchronous_iterators() -> None:
    """A program iterates over streams and their items, and asks Zoom for nothing else."""
    async with zoom_and_engine() as (zoom, engine):
        meeting: asyncio.Future[LiveMeeting] = asyncio.get_running_loop().create_future()

        async def start() -> None:
            meeting.set_result(await zoom.start(SCRIPT, engine.webhook_url))

        async with asyncio.TaskGroup() as group:
            group.create_task(start(), name="start")
            texts = await first_stream(engine)
        assert len(texts) == 3
        assert list((await meeting).ledger.frames) == [MediaKind.TRANSCRIPT]


async def first_stream(engine: Engine) -> list[str]:
    """The transcript of the first stream."""
    texts = []
    async for stream in engine.streams(MediaKind.TRANSCRIPT):
        async for item in stream:
            if isinstance(item, TranscriptSegment):
                texts.append(item.text)
        assert stream.ending is not None
        break
    return texts


async def test_leaving_the_engine_finishes_the_recordings(tmp_path: Path) -> None:
    """The stream goes on at Zoom; what was received is finished here."""
    async with zoom_and_engine(recording(tmp_path)) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        await asyncio.sleep(3)
    folder, manifest = manifest_of(tmp_path, meeting)
    assert manifest["state"] == "done"
    assert (folder / "transcript.vtt").exists()


async def test_a_port_that_is_taken_is_said_so() -> None:
    """One sentence, not a traceback."""
    async with zoom_and_engine() as (zoom, engine):
        port = int(engine.webhook_url.split(":")[2].split("/")[0])
        taken = config(zoom)
        server = type(taken.server)(host="127.0.0.1", port=port)
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with Engine(config(zoom, server=server)):
                pass


class CannotBeMade:
    """A third party's sink with a defect."""

    def __init__(self) -> None:
        raise ZeroDivisionError


async def test_a_sink_that_cannot_be_made_costs_only_itself() -> None:
    """The stream is joined, and the other sink gets everything."""
    defect = SinkConfig(f"{__name__}:CannotBeMade")
    async with zoom_and_engine(defect, SinkConfig("null")) as (zoom, engine):
        meeting = await zoom.start(SCRIPT, engine.webhook_url)
        stats = await over(engine, meeting)
    broken, well = stats.sinks
    assert (broken.state, well.state) == ("detached", "closed")
    assert_nothing_lost(meeting, msgspec.structs.replace(stats, sinks=(well,)))
