"""An engine that was killed goes on in the folder of the one before; nothing that was whole is lost."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from rtms_engine.model.events import (
    ConnectionLost,
    GapNoted,
    MediaGranted,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    StreamStateChanged,
)
from rtms_engine.model.frames import ChatMessage, ShareFrame, Speaker, TranscriptOperation, TranscriptSegment
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import MediaKind
from rtms_engine.recording import manifest
from rtms_engine.recording.recovery import recover
from rtms_engine.recording.repair import repair
from rtms_engine.sinks.base import Ending, Item
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
    killed,
    manifest_of,
    opened,
    picture,
    ramp,
    record,
    samples_of,
    sound,
)
from tests.support.media import needs_media

AGAIN = msgspec.structs.replace(STREAM, resumed=True)
JPEG = b"\xff\xd8\xff picture \xff\xd9"


def said(text: str, at_ms: int, **more: Any) -> TranscriptSegment:
    return TranscriptSegment(
        STREAM.stream_id, CEM, T0 + at_ms, 0.0, text, T0 + at_ms, T0 + at_ms + 500, sentence_id="s", **more
    )


def wrote(text: str, at_ms: int) -> ChatMessage:
    return ChatMessage(STREAM.stream_id, Speaker(5, "Eve"), T0 + at_ms, 0.0, text)


async def left_by(root: Path, *batches: Sequence[Item]) -> Path:
    """The folder of a recorder that was not given the time to close."""
    await killed(root, *batches)
    return folder_in(root)


async def resumed(root: Path, *batches: Sequence[Item], ending: Ending = END) -> dict[str, Any]:
    """Go on, to the end of the stream; the manifest."""
    sink = await opened(root, AGAIN)
    for batch in batches:
        await sink.write(batch)
    await sink.close(ending)
    return manifest_of(folders_in(root)[-1])


def by_path(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {artefact["path"]: artefact for artefact in content["artefacts"]}


def gaps_of(content: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {gap["kind"]: (gap["start_ms"] - T0, gap["end_ms"] - T0) for gap in content.get("gaps", [])}


async def test_sound_goes_on_in_files_of_its_own(tmp_path: Path) -> None:
    folder = await left_by(tmp_path, [sound(40, ramp(1)), sound(0, ramp(1), CEM)])
    content = await resumed(tmp_path, [sound(5000, ramp(400))])
    assert (samples_of(folder / f"audio/{ANA.user_id}.wav")[640:960] == ramp(1)).all()
    later = samples_of(folder / f"audio/{ANA.user_id}-2.wav")
    assert not later[:80_000].any()
    assert (later[80_000:] == ramp(400)).all()
    assert (samples_of(folder / "audio/mixed-2.wav") == later).all()
    files = by_path(content)
    assert [files[f"audio/{ANA.user_id}{n}.wav"]["name"] for n in ("", "-2")] == [ANA.name] * 2
    assert [files[f"audio/{ANA.user_id}{n}.wav"]["start_ms"] - T0 for n in ("", "-2")] == [40, 5000]
    assert (files[f"audio/{CEM.user_id}.wav"]["end_ms"], content["state"]) == (T0 + 20, "done")
    assert {files[f"audio/mixed{n}.wav"]["kind"] for n in ("", "-2")} == {"audio_mix"}
    assert [who["spoke"] for who in content["participants"]] == [True, True]


@needs_media
async def test_pictures_go_on_in_files_of_their_own(tmp_path: Path) -> None:
    units = camera_access_units()
    shared = ShareFrame(STREAM.stream_id, ANA, T0 + 900, 0.0, "jpg", JPEG)
    folder = await left_by(tmp_path, [picture(40 * n, unit) for n, unit in enumerate(units[:60])], [shared])
    before = len(access_units_of(folder / "video/camera-001.mp4"))
    assert before == 59
    content = await resumed(tmp_path, [picture(9000 + 40 * n, unit) for n, unit in enumerate(units[60:])])
    assert len(access_units_of(folder / "video/camera-001.mp4")) == before
    assert [at for at, _ in access_units_of(folder / "video/camera-002.mp4")] == [
        9000 + 40 * n for n in range(15, 140)
    ]
    files = by_path(content)
    assert files["video/camera-001.mp4"]["access_units"] == before
    assert files[f"share/{T0 + 900}-{ANA.user_id}.jpg"]["user_id"] == ANA.user_id
    assert gaps_of(content)["video"] == (before * 40, 9000)


@needs_media
async def test_the_last_picture_does_not_wait_for_the_next(tmp_path: Path) -> None:
    """The camera goes off, and the engine is killed some time later."""
    folder = await left_by(
        tmp_path,
        [picture(40 * n, unit) for n, unit in enumerate(camera_access_units()[:30])],
        [sound(5000, ramp(1))],
    )
    assert len(access_units_of(folder / "video/camera-001.mp4")) == 30


async def test_texts_are_appended_and_corrections_find_their_sentence(tmp_path: Path) -> None:
    folder = await left_by(
        tmp_path,
        [said("ten of clobs", 100), wrote("one", 200), ParticipantJoined(T0, Participant(7, "Gus"))],
        [MediaGranted(T0, MediaKind.CHAT, {}), ConnectionLost(T0 + 300, "chat", "cut")],
    )
    content = await resumed(
        tmp_path,
        [said("ten of clubs", 100, operation=TranscriptOperation.UPDATE), wrote("two", 6000)],
        [ParticipantLeft(T0 + 7000, Participant(7))],
    )
    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert [(line["text"], line["rev"]) for line in lines] == [("ten of clobs", 1), ("ten of clubs", 2)]
    vtt = (folder / "transcript.vtt").read_text()
    assert (vtt.count("clubs"), vtt.count("clobs")) == (1, 0)
    assert (folder / "chat.jsonl").read_text().count("\n") == 2
    people = {who["name"]: who for who in content["participants"]}
    assert (people["Gus"]["joined_ms"], people["Gus"]["left_ms"]) == (T0, T0 + 7000)
    assert (people[CEM.name]["spoke"], people["Eve"]["spoke"]) == (True, False)
    assert content["media"]["granted"] == {"chat": {}}
    assert content["reconnects"] == [
        {"leg": "chat", "lost_ms": T0 + 300, "restored_ms": None, "reason": "cut"}
    ]


async def test_texts_that_are_no_text_any_more_are_left_out(tmp_path: Path) -> None:
    """A line, or a label, whose letters the disk has lost, does not keep the recording from going on."""
    folder = await left_by(tmp_path, [said("one", 0), wrote("hello", 10), sound(0, ramp(1))])
    for name in ("events.jsonl", "transcript.jsonl", "chat.jsonl"):
        with (folder / name).open("ab") as file:
            file.write(b'{"type": "\xcb"}\n')
    wav = folder / f"audio/{ANA.user_id}.wav"
    wav.write_bytes(wav.read_bytes().replace(b'"kind"', b'"\xcbind"', 1))
    assert (await resumed(tmp_path, [said("two", 2000)]))["state"] == "done"


async def test_gaps_are_noted_once_and_kept(tmp_path: Path) -> None:
    """Through a second kill too, and the engine's own word counts for more."""
    await killed(tmp_path, [sound(0, ramp(1)), GapNoted(T0, MediaKind.VIDEO, T0 - 900, T0, "cut")])
    told = GapNoted(T0 + 4000, MediaKind.CHAT, T0 + 50, T0 + 4000, "engine_restarted")
    await killed(tmp_path, [told, sound(4000, ramp(1))], stream=AGAIN)
    content = await resumed(tmp_path, [sound(9000, ramp(1))])
    audio = [(g["start_ms"] - T0, g["end_ms"] - T0) for g in content["gaps"] if g["kind"] == "audio"]
    chat = [(g["start_ms"] - T0, g["end_ms"] - T0) for g in content["gaps"] if g["kind"] == "chat"]
    assert audio == [(20, 4000), (4020, 9000)]
    assert chat == [(50, 4000), (4020, 9000)]
    assert content["gaps"][0] == {"kind": "video", "start_ms": T0 - 900, "end_ms": T0, "cause": "cut"}
    assert len(content["gaps"]) == 1 + 2 * len(MediaKind)


async def test_gaps_and_reconnects_are_in_the_manifest_at_once(tmp_path: Path) -> None:
    folder = await left_by(
        tmp_path,
        [ConnectionLost(T0 + 5, "audio", "reset"), GapNoted(T0, MediaKind.AUDIO, T0, T0 + 500, "reset")],
    )
    content = manifest_of(folder)
    assert content["state"] == "recording"
    assert content["gaps"] == [{"kind": "audio", "start_ms": T0, "end_ms": T0 + 500, "cause": "reset"}]
    assert content["reconnects"][0]["restored_ms"] is None


async def test_what_zoom_sends_again_is_not_taken_again(tmp_path: Path) -> None:
    folder = await left_by(tmp_path, [sound(0, ramp(1)), sound(20, ramp(321))])
    content = await resumed(tmp_path, [sound(20, ramp(321)), sound(40, ramp(641))])
    assert not samples_of(folder / f"audio/{ANA.user_id}-2.wav")[:640].any()
    assert content["skipped"]["overlapping_samples"] == 320


async def test_t0_is_that_of_the_files(tmp_path: Path) -> None:
    """Killed between moving the sound and writing the manifest; and it may move once more."""
    folder = await left_by(tmp_path, [sound(0, ramp(1))], [sound(-500, ramp(400))])
    stale = manifest_of(folder) | {"t0_ms": T0}
    (folder / "manifest.json").write_text(json.dumps(stale))
    content = await resumed(tmp_path, [sound(-700, ramp(800), CEM), sound(700_000, ramp(1), CEM)])
    assert content["t0_ms"] == T0 - 700
    ana = samples_of(folder / f"audio/{ANA.user_id}.wav")
    assert (ana[3200:3520] == ramp(400)).all()
    assert (ana[11_200:11_520] == ramp(1)).all()
    assert (samples_of(folder / f"audio/{CEM.user_id}.wav")[:320] == ramp(800)).all()


async def test_a_recording_that_was_finished_is_continued(tmp_path: Path) -> None:
    """An engine that was stopped closes its recordings; what it counted then is still known."""
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1))])
    await sink.close(Ending(END.stop_reason.UNDEFINED, T0 + 100))
    content = await resumed(tmp_path, [sound(5000, ramp(1))])
    [folder] = folders_in(tmp_path)
    files = by_path(content)
    assert [files[f"audio/{ANA.user_id}{n}.wav"]["samples"] for n in ("", "-2")] == [320, 320]
    assert gaps_of(content)["audio"] == (20, 5000)
    assert content["stop_reason"]["name"] == "MEETING_ENDED"
    assert (folder / "participants.json").exists()


async def test_the_newest_that_is_not_deleted_is_continued(tmp_path: Path) -> None:
    for _ in range(10):
        await killed(tmp_path, [sound(0, ramp(1))])
    newest = next(folder for folder in folders_in(tmp_path) if folder.name == "stream-1-10")
    shutil.copyfile(newest / "manifest.json", tmp_path / "copy")
    sink = await opened(tmp_path, AGAIN)
    await sink.write([sound(5000, ramp(1))])
    assert (newest / f"audio/{ANA.user_id}-2.wav").exists()
    await sink.close(REVOKED)
    assert {manifest_of(folder)["state"] for folder in folders_in(tmp_path)} == {"deleted"}
    await resumed(tmp_path, [sound(9000, ramp(1))])
    assert [folder.name for folder in folders_in(tmp_path) if (folder / "audio").exists()] == ["stream-1-11"]


async def test_a_folder_that_is_written_to_is_left_alone(tmp_path: Path) -> None:
    """By an instance that hangs, or by another process: a second one begins a folder of its own."""
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1))])
    held = folder_in(tmp_path)
    with pytest.raises(BlockingIOError):
        recover(held)
    await resumed(tmp_path, [sound(5000, ramp(1))])
    assert [folder.name for folder in folders_in(tmp_path)] == ["stream-1", "stream-1-2"]
    assert manifest_of(held)["state"] == "recording"
    await sink.close(END)
    assert manifest_of(held)["state"] == "done"


async def test_another_stream_is_left_alone(tmp_path: Path) -> None:
    other = msgspec.structs.replace(STREAM, stream_id=StreamId("stream-1-2"))
    sink = await opened(tmp_path, other)
    await sink.write([sound(0, ramp(1))])
    await resumed(tmp_path, [sound(0, ramp(1))])
    assert [folder.name for folder in folders_in(tmp_path)] == ["stream-1", "stream-1-2"]


@needs_media
@pytest.mark.parametrize("torn_bytes", [1, 7, 100, 5000])
async def test_what_is_torn_is_mended(tmp_path: Path, torn_bytes: int) -> None:
    units = camera_access_units()
    folder = await left_by(
        tmp_path,
        [sound(0, ramp(1)), wrote("one", 0), said("two", 0)],
        *([picture(40 * n, unit)] for n, unit in enumerate(units[:10])),
    )
    wav, mp4 = folder / f"audio/{ANA.user_id}.wav", folder / "video/camera-001.mp4"
    with mp4.open("r+b") as file:
        file.truncate(mp4.stat().st_size - torn_bytes)
    with wav.open("ab") as file:
        file.write(np.int16(5).tobytes() + b"\x05")
    with (folder / "chat.jsonl").open("ab") as file:
        file.write(b'{"text": "torn')
    with (folder / "transcript.jsonl").open("rb+") as file:
        file.truncate((folder / "transcript.jsonl").stat().st_size - 1)
    (folder / ".manifest.json.new").write_bytes(b"{")
    (folder / "video" / f"{T0}-5.jpg").touch()
    (folder / "audio" / "77.wav").touch()
    (folder / "audio" / "notes.wav").write_bytes(b"of somebody else")
    repair(folder)
    assert (soundfile.read(wav, dtype="int16")[0] == [*ramp(1), 5]).all()
    assert 1 <= len(access_units_of(mp4)) < 9
    assert json.loads((folder / "chat.jsonl").read_text())["text"] == "one"
    assert (folder / "transcript.jsonl").read_bytes().endswith(b"}\n")
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not names & {".manifest.json.new", f"{T0}-5.jpg", "77.wav"}
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    repair(folder)
    assert before == {path: path.read_bytes() for path in before}
    content = await resumed(tmp_path, [sound(9000, ramp(1))])
    assert content["state"] == "done"
    assert f"audio/{ANA.user_id}-2.wav" in by_path(content)


@needs_media
async def test_a_video_without_a_whole_picture_is_removed(tmp_path: Path) -> None:
    folder = await left_by(
        tmp_path, [picture(40 * n, unit) for n, unit in enumerate(camera_access_units()[:5])]
    )
    path = folder / "video/camera-001.mp4"
    path.write_bytes(path.read_bytes()[:1000])
    repair(folder)
    assert not path.exists()


async def test_recovering_finishes_what_nobody_continued(tmp_path: Path) -> None:
    folder = await left_by(tmp_path, [sound(0, ramp(1)), said("one", 0), sound(60, ramp(1))])
    done = recover(folder)
    assert done is not None
    assert (done.state, done.failure) == ("failed", manifest.ABANDONED)
    assert (done.ended_ms, done.gaps) == (T0 + 80, [])
    assert {artefact.path for artefact in done.artefacts} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {"manifest.json"}
    assert recover(folder) == done
    content = await resumed(tmp_path, [sound(5000, ramp(1))])
    assert (content["state"], content.get("failure")) == ("done", None)


async def test_recovering_what_zoom_had_ended(tmp_path: Path) -> None:
    over = StreamStateChanged(T0 + 50, "TERMINATED", "MEETING_ENDED")
    done = recover(await left_by(tmp_path, [sound(0, ramp(1)), over]))
    assert done is not None
    assert done.stop_reason is not None
    assert (done.state, done.stop_reason.name) == ("done", "MEETING_ENDED")


async def test_recovering_what_was_revoked(tmp_path: Path) -> None:
    """Zoom's user wants it gone, and the engine was killed before it was."""
    folder = await left_by(
        tmp_path, [sound(0, ramp(1)), StreamStateChanged(T0, "TERMINATED", "STREAM_REVOKED")]
    )
    assert recover(folder) is None
    assert manifest_of(folder)["state"] == "deleted"
    assert not (folder / "audio").exists()


def test_nothing_to_recover(tmp_path: Path) -> None:
    assert recover(tmp_path) is None
    (tmp_path / "manifest.json").write_text("{}")
    assert recover(tmp_path) is None
    finished = record(tmp_path / "root", [sound(0, ramp(1))])
    before = (finished / "manifest.json").read_bytes()
    assert recover(finished) == manifest.load(finished)
    assert (finished / "manifest.json").read_bytes() == before


async def test_a_failure_is_not_forgotten(tmp_path: Path) -> None:
    """What the disk had no room for does not come back with a new engine."""
    folder = await left_by(tmp_path, [sound(0, ramp(1))])
    failed = manifest_of(folder) | {"state": "failed", "failure": "the disk was full"}
    (folder / "manifest.json").write_text(json.dumps(failed))
    content = await resumed(tmp_path, [sound(5000, ramp(1))])
    assert (content["state"], content["failure"]) == ("failed", "the disk was full")
