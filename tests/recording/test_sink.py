"""A stream becomes a folder: complete, private, usable at any moment, gone when it must be gone."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.errors import SinkError
from rtms_engine.model.events import (
    MediaGranted,
    MediaRefused,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    UnknownEvent,
)
from rtms_engine.model.frames import ChatMessage, Speaker, TranscriptSegment
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import MediaKind
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.sink import SPEC, RecordingConfig
from rtms_engine.sinks.base import Ending, StreamInfo
from tests.recording.support import (
    ANA,
    CEM,
    END,
    REVOKED,
    STREAM,
    T0,
    access_units_of,
    camera_access_units,
    folder_in,
    folders_in,
    manifest_of,
    meeting_items,
    opened,
    picture,
    ramp,
    record,
    recorded,
    samples_of,
    sound,
)
from tests.support.media import MEDIA, needs_media


@needs_media
async def test_a_whole_meeting(tmp_path: Path) -> None:
    """Two voices that overlap at the end, a camera and a transcript, in batches as they come."""
    items = meeting_items()
    folder = await recorded(tmp_path, *(items[at : at + 64] for at in range(0, len(items), 64)))
    expected = {speaker.user_id: np.zeros(36_600 * 16, "<i2") for speaker in (ANA, CEM)}
    script = json.loads((MEDIA / "meeting.json").read_text())["utterances"]
    for said in script:
        pcm = samples_of(MEDIA / said["file"])
        expected[said["user_id"]][said["start_ms"] * 16 :][: len(pcm)] = pcm
    for user_id, samples in expected.items():
        track = samples_of(folder / f"audio/{user_id}.wav")
        assert (track == samples[: len(track)]).all()
        assert not samples[len(track) :].any()
    total = np.sum([samples.astype(int) for samples in expected.values()], axis=0)
    exact = np.abs(total) <= 28672
    assert (samples_of(folder / "audio/mixed.wav")[exact] == total[exact]).all()
    assert len(access_units_of(folder / "video/camera-001.mp4")) == 200
    assert (folder / "transcript.vtt").read_text().count(" --> ") == len(script)
    assert (
        (folder / "transcript.srt")
        .read_text()
        .startswith("1\n00:00:00,500 --> 00:00:07,600\nAna Reader: And")
    )
    manifest = manifest_of(folder)
    assert (manifest["state"], manifest["t0_ms"], manifest["stop_reason"]["name"]) == (
        "done",
        T0,
        "MEETING_ENDED",
    )
    assert set(manifest["skipped"].values()) == {0}
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert {artefact["path"] for artefact in manifest["artefacts"]} == set(files) - {"manifest.json"}
    for artefact in manifest["artefacts"]:
        content = files[artefact["path"]].read_bytes()
        assert (artefact["bytes"], artefact["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@needs_media
async def test_a_killed_process_leaves_a_recording_that_plays(tmp_path: Path) -> None:
    """What is on disk after a batch, not what a `close` would have made of it."""
    sink = await opened(tmp_path / "live")
    frames = [picture(40 * n, unit) for n, unit in enumerate(camera_access_units())]
    said = TranscriptSegment(STREAM.stream_id, ANA, T0 + 900, 0.0, "hello", T0, T0 + 900)
    await sink.write([sound(0, ramp(1)), *frames[:120], said])
    killed = Path(shutil.copytree(folder_in(tmp_path / "live"), tmp_path / "killed"))
    assert manifest_of(killed)["state"] == "recording"
    assert (samples_of(killed / f"audio/{ANA.user_id}.wav") == ramp(1)).all()
    assert (samples_of(killed / "audio/mixed.wav") == ramp(1)).all()
    assert 75 <= len(access_units_of(killed / "video/camera-001.mp4")) < 120
    with av.open(str(killed / "video/camera-001.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) >= 75
    assert "hello" in (killed / "transcript.vtt").read_text()
    await sink.write(frames[120:])
    await sink.close(END)
    assert len(access_units_of(folder_in(tmp_path / "live") / "video/camera-001.mp4")) == 200


def test_an_empty_stream_has_a_manifest_and_its_events(tmp_path: Path) -> None:
    folder = record(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "events.jsonl",
        "manifest.json",
        "participants.json",
    ]
    assert (manifest_of(folder)["state"], manifest_of(folder)["t0_ms"]) == ("done", T0)


def test_events_chat_and_participants(tmp_path: Path) -> None:
    chat = ChatMessage(STREAM.stream_id, CEM, T0 + 5, 0.0, "hi ☕", message_id="m1")
    folder = record(
        tmp_path,
        [ParticipantJoined(T0 + 1, Participant(ANA.user_id, ANA.name)), UnknownEvent(T0 + 2, 99, {"a": [1]})],
        [chat, sound(20, ramp(1), Speaker(ANA.user_id)), ParticipantLeft(T0 + 9, Participant(ANA.user_id))],
        [MediaGranted(T0, MediaKind.AUDIO, {"codec": "l16"}), MediaRefused(T0, MediaKind.VIDEO, "no scope")],
    )
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["type"] for event in events] == [
        "participant_joined",
        "unknown_event",
        "participant_left",
        "media_granted",
        "media_refused",
    ]
    assert events[1] == {"type": "unknown_event", "timestamp_ms": T0 + 2, "event_type": 99, "raw": {"a": [1]}}
    [line] = (folder / "chat.jsonl").read_text().splitlines()
    assert (json.loads(line)["text"], json.loads(line)["message_id"]) == ("hi ☕", "m1")
    manifest = manifest_of(folder)
    assert json.loads((folder / "participants.json").read_bytes()) == [
        {
            "name": ANA.name,
            "spoke": True,
            "user_ids": [ANA.user_id],
            "presences": [{"user_id": ANA.user_id, "joined_ms": T0 + 1, "left_ms": T0 + 9}],
        },
        {
            "name": CEM.name,
            "spoke": False,
            "user_ids": [CEM.user_id],
            "presences": [{"user_id": CEM.user_id}],
        },
    ]
    ana, cem = manifest["participants"]
    assert (ana["name"], ana["joined_ms"], ana["left_ms"], ana["spoke"]) == (ANA.name, T0 + 1, T0 + 9, True)
    assert (cem["name"], cem["joined_ms"], cem["spoke"]) == (CEM.name, None, False)
    assert manifest["artefacts"][0]["name"] == ANA.name
    assert manifest["media"]["granted"] == {"audio": {"codec": "l16"}}
    assert manifest["media"]["refused"] == {"video": "no scope"}


def test_a_name_that_comes_late_is_in_the_subtitles(tmp_path: Path) -> None:
    nameless = TranscriptSegment(STREAM.stream_id, Speaker(ANA.user_id), T0, 0.0, "hello", T0, T0 + 900)
    folder = record(tmp_path, [nameless], [ParticipantJoined(T0, Participant(ANA.user_id, "Ana"))])
    assert "<v Ana>hello" in (folder / "transcript.vtt").read_text()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    record(tmp_path / "root", [sound(0, ramp(1))])
    for path in (tmp_path / "root").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


async def test_an_earlier_recording_is_never_overwritten(tmp_path: Path) -> None:
    for _ in range(3):
        await record_again(tmp_path, STREAM, END)
    assert [folder.name for folder in folders_in(tmp_path)] == ["stream-1", "stream-1-2", "stream-1-3"]


async def record_again(root: Path, stream: StreamInfo, ending: Ending) -> None:
    said = TranscriptSegment(stream.stream_id, ANA, T0, 0.0, "secret", T0, T0 + 900)
    sink = await opened(root, stream)
    await sink.write([sound(0, ramp(1)), said])
    await sink.close(ending)


@settings(max_examples=40)
@given(st.text(), st.text(), st.integers())
def test_no_id_leaves_the_root(
    tmp_path_factory: pytest.TempPathFactory, entity: str, stream: str, started_ms: int
) -> None:
    root = tmp_path_factory.mktemp("root")
    info = msgspec.structs.replace(
        STREAM, entity_id=entity, stream_id=StreamId(stream), started_ms=started_ms
    )
    path = Folder.create(root, info).path.resolve()
    assert path.parents[2] == root.resolve()


async def test_a_revoked_stream_leaves_a_tombstone(tmp_path: Path) -> None:
    """Also of what an earlier process recorded of it, and nothing of another stream's is touched."""
    other = msgspec.structs.replace(STREAM, stream_id=StreamId("stream-1-other"))
    await record_again(tmp_path, other, END)
    await record_again(tmp_path, STREAM, END)
    await record_again(tmp_path, STREAM, REVOKED)
    for folder in folders_in(tmp_path):
        names = [path.name for path in folder.iterdir()]
        if folder.name == "stream-1-other":
            assert "audio" in names
            continue
        assert names == ["manifest.json"]
        assert manifest_of(folder)["state"] == "deleted"
        assert b"Ana" not in (folder / "manifest.json").read_bytes()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    sink = SPEC.factory(RecordingConfig(str(tmp_path / "file" / "recordings")))
    with pytest.raises(SinkError, match=r"cannot write to .*file/recordings: Not a directory"):
        await sink.open(STREAM)


async def test_a_folder_that_vanishes(tmp_path: Path) -> None:
    """`write` says so, and `close` has nothing that it could save."""
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1))])
    shutil.rmtree(folder_in(tmp_path))
    with pytest.raises(SinkError, match="No such file"):
        await sink.write([sound(20, ramp(1))])
    with pytest.raises(SinkError, match="No such file"):
        await sink.close(END)


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from rtms_engine.errors import SinkError
from tests.recording.support import *

async def main(root):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    before = len(list(Path("/proc/self/fd").iterdir()))
    units, sink = camera_access_units(), await opened(root)
    await sink.write([picture(40 * n, unit) for n, unit in enumerate(units[:30])])
    try:
        await sink.write([sound(20 * n, ramp(n)) for n in range(9000)] if sys.argv[2] == "sound" else
                         [picture(1200 + 40 * n, unit) for n, unit in enumerate(units[30:])])
    except SinkError as error:
        print(error)
    await sink.close(END)
    print(len(list(Path("/proc/self/fd").iterdir())) - before)

asyncio.run(main(Path(sys.argv[1])))
"""


@needs_media
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize("what", ["sound", "pictures"])
def test_a_full_disk(tmp_path: Path, what: str) -> None:
    """A limit on the size of files stands for it: what is there is finished, and no file stays open."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path, what], capture_output=True, env=environment, check=True
    )
    sentence, leaked = done.stdout.decode().splitlines()
    folder = folder_in(tmp_path)
    assert sentence == f"cannot write to {folder}: File too large"
    assert leaked == "0"
    manifest = manifest_of(folder)
    assert (manifest["state"], manifest["failure"]) == ("failed", sentence)
    assert len(access_units_of(folder / "video/camera-001.mp4")) >= 25
    if what == "sound":
        assert len(samples_of(folder / f"audio/{ANA.user_id}.wav")) > 40_000


def test_files_are_closed_between_batches(tmp_path: Path) -> None:
    """A webinar has more speakers than a process may have files."""
    speakers = [Speaker(user_id, "x") for user_id in range(1, 2000)]
    folder = record(tmp_path, [sound(0, ramp(1, 10), speaker) for speaker in speakers])
    assert len(list((folder / "audio").iterdir())) == 2000
