"""One file to watch: what is in the recording is in it, at its time, and a player understands it."""

import asyncio
import itertools
import json
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from rtms_engine.errors import ExportError
from rtms_engine.model.events import ActiveSpeakerChanged, Participant, SharingStopped
from rtms_engine.model.frames import TranscriptSegment
from rtms_engine.recording.sink import SPEC, RecordingConfig
from tests.export.support import exported, pictures_of, shared, sound_of, still, watched
from tests.recording.support import (
    ANA,
    CEM,
    END,
    REVOKED,
    STREAM,
    T0,
    access_units_of,
    encoded_pictures,
    folder_in,
    meeting_items,
    opened,
    picture,
    ramp,
    record,
    sound,
)
from tests.support.media import needs_media

SMALL = encoded_pictures([40 + n for n in range(50)])
BIG = encoded_pictures([120 + n for n in range(50)], 96, 64)
TONE = (np.sin(np.arange(320) / 320 * 20 * np.pi) * 12_000).astype("<i2")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "meeting.mp4"


@pytest.fixture(autouse=True)
def _out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()


def said(start_ms: int, end_ms: int, text: str) -> TranscriptSegment:
    return TranscriptSegment(STREAM.stream_id, ANA, T0 + end_ms, 0.0, text, T0 + start_ms, T0 + end_ms)


@needs_media
def test_a_whole_meeting(tmp_path: Path, target: Path) -> None:
    """Camera, sound, share, subtitles, chapters."""
    slides = [shared(5000 + 1000 * n, still(50 + n, 128, 72)) for n in range(4)]
    items = sorted([*meeting_items(), *slides], key=lambda item: item.timestamp_ms)
    folder = record(tmp_path, items)
    result = exported(folder, target)
    assert (result.problems, result.notes) == ([], [])
    found = watched(target)
    assert found.tracks == ["video:Camera", "audio:Sound", "video:Screen share", "subtitle:Subtitles"]
    utterances = [item for item in items if isinstance(item, TranscriptSegment)]
    assert found.chapters[0] == (0, "Start")
    assert {title for _, title in found.chapters[1:]} == {item.speaker.name for item in utterances}
    first = utterances[0]
    assert found.subtitles[0][2] == f"{first.speaker.name}: {first.text}"
    assert found.subtitles[0][0] + T0 == first.start_ms
    assert [at for at, *_ in pictures_of(target)] == [3000 + 40 * n for n in range(200)]
    assert [at for at, *_ in pictures_of(target, 1)] == [5000, 6000, 7000, 8000]
    rate, samples = sound_of(target)
    assert abs(len(samples) / rate - result.duration_ms / 1000) < 0.1


@needs_media
@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_and_ffmpeg_agree(tmp_path: Path, target: Path) -> None:
    folder = record(tmp_path, [*meeting_items(), shared(30_000, still(99, 128, 72))])
    exported(folder, target, audio="opus")
    show = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_chapters", "-show_format"]
    seen = json.loads(subprocess.run([*show, target], capture_output=True, check=True).stdout)
    codecs = [stream["codec_name"] for stream in seen["streams"] if stream["codec_type"] != "data"]
    assert codecs == ["h264", "opus", "h264", "mov_text"]
    assert seen["format"]["tags"]["creation_time"].startswith("2023-11-14T22:13:20")
    assert abs(float(seen["format"]["duration"]) - 36.6) < 0.1
    play = ["ffmpeg", "-v", "error", "-i", target, "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
    assert subprocess.run(play, capture_output=True, check=True).stderr == b""


def test_other_formats_are_copied_into_one_track(tmp_path: Path, target: Path) -> None:
    """Nothing is encoded anew: the slices are those that came, the sets stand in front of them."""
    frames = [picture(40 * n, unit) for n, unit in enumerate([*SMALL, *BIG, *SMALL])]
    folder = record(tmp_path, frames)
    result = exported(folder, target)
    assert "2 in all" in result.notes[0]
    seen = pictures_of(target)
    assert [at for at, *_ in seen] == [40 * n for n in range(150)]
    assert [size for *_, size, _ in seen] == [64] * 50 + [96] * 50 + [64] * 50
    assert all(
        abs(brightness - 40 - n % 50 - 80 * (n // 50 % 2)) < 12 for n, (_, brightness, *_) in enumerate(seen)
    )
    recorded = [
        data for number in (1, 2, 3) for _, data in access_units_of(folder / f"video/camera-{number:03}.mp4")
    ]
    copied = [data for _, data in access_units_of(target)]
    assert all(data.endswith(one) for data, one in zip(copied, recorded, strict=True))


def test_one_format_needs_no_note(tmp_path: Path, target: Path) -> None:
    """Also if there are several files, because the camera was off meanwhile."""
    at_ms = [40 * n + (n >= 25) * 10_000 for n in range(50)]
    folder = record(tmp_path, [picture(at, unit) for at, unit in zip(at_ms, SMALL, strict=True)])
    assert exported(folder, target).notes == []
    assert [at for at, *_ in pictures_of(target)] == at_ms
    assert b"avc1" in target.read_bytes()


def test_reencoded_video_has_one_format(tmp_path: Path, target: Path) -> None:
    """Each picture at its time, in the middle of the largest frame, without distortion."""
    frames = [picture(1000 + 40 * n, unit) for n, unit in enumerate([*SMALL, *BIG])]
    folder = record(tmp_path, frames)
    assert exported(folder, target, reencode=True).notes == []
    seen = pictures_of(target)
    assert [at for at, *_ in seen] == [1000 + 40 * n for n in range(100)]
    assert {(width, height) for *_, width, height in seen} == {(96, 64)}
    assert seen[0][1] < 80 < seen[99][1]


def test_a_camera_that_is_off_is_black(tmp_path: Path, target: Path) -> None:
    """Where the video is encoded anew: nobody's face stands for minutes."""
    at_ms = [40 * n + (n >= 25) * 20_000 for n in range(50)]
    folder = record(tmp_path, [picture(at, unit) for at, unit in zip(at_ms, SMALL, strict=True)])
    exported(folder, target, reencode=True)
    seen = [(at, brightness) for at, brightness, *_ in pictures_of(target)]
    assert [at for at, brightness in seen if brightness < 20] == [1960, 11_960]
    assert [at for at, brightness in seen if brightness > 30] == at_ms


def test_chapters_name_whose_picture_it_is(tmp_path: Path, target: Path) -> None:
    """Active-speaker video: the pictures say whose they are."""
    frames = [picture(40 * n, unit, ANA if n < 75 else CEM) for n, unit in enumerate(SMALL * 3)]
    exported(record(tmp_path, frames), target)
    assert watched(target).chapters == [(0, ANA.name), (3000, CEM.name)]


def test_slides_stand_until_sharing_stops(tmp_path: Path, target: Path) -> None:
    """Black then; what stands for long is repeated; JPEG and PNG of any size in one frame."""
    folder = record(
        tmp_path,
        [shared(0, still(200)), shared(25_000, still(100, 96, 32, "png")), SharingStopped(T0 + 30_000)],
        [SharingStopped(T0 + 31_000), shared(40_000, still(200))],
    )
    exported(folder, target, slides_only=True)
    assert watched(target).tracks == ["video:Slides"]
    seen = pictures_of(target)
    assert [(at, brightness // 40, width, height) for at, brightness, width, height in seen] == [
        (0, 4, 96, 48),
        (10_000, 4, 96, 48),
        (20_000, 4, 96, 48),
        (25_000, 2, 96, 48),
        (30_000, 0, 96, 48),
        (40_000, 4, 96, 48),
    ]


def test_a_picture_that_cannot_be_read_is_said(tmp_path: Path, target: Path) -> None:
    """The others are there. A size that would fill the memory is not even tried."""
    bomb = still(50)
    place = bomb.index(b"\xff\xc0") + 5
    bomb = bomb[:place] + b"\xff\xff\xff\xff" + bomb[place + 4 :]
    folder = record(
        tmp_path, [shared(0, still(50)), shared(1000, b"\xff\xd8\xff nothing"), shared(2000, bomb)]
    )
    result = exported(folder, target)
    assert len(result.problems) == 2
    assert [at for at, *_ in pictures_of(target)] == [0]


def test_sound_alone(tmp_path: Path, target: Path) -> None:
    """At its time, as loud as it was; a file that begins later is silent until then."""
    folder = record(tmp_path, [sound(2000 + 20 * n, TONE) for n in range(100)])
    assert exported(folder, target).duration_ms == 4000
    rate, samples = sound_of(target)
    assert rate == 16_000
    loud = np.abs(samples) > 0.1
    assert abs(int(loud.argmax()) / rate - 2) < 0.02
    assert 0.3 < np.abs(samples).max() < 0.45
    assert watched(target).tracks == ["audio:Sound"]


@pytest.mark.parametrize("form", ["wav", "flac", "opus"])
@pytest.mark.parametrize("align", ["full", "trimmed"])
def test_sound_of_every_format_is_at_its_time(tmp_path: Path, target: Path, form: str, align: str) -> None:
    sink = SPEC.factory(RecordingConfig(str(tmp_path / "root"), format=form, align=align))
    asyncio.run(kept(sink, [sound(2000 + 20 * n, TONE) for n in range(100)]))
    assert abs(exported(folder_in(tmp_path / "root"), target).duration_ms - 4000) < 10
    rate, samples = sound_of(target)
    loud = np.abs(samples) > 0.1
    assert abs(int(loud.argmax()) / rate - 2) < 0.02


async def kept(sink: Any, batch: Any) -> None:
    await sink.open(STREAM)
    await sink.write(batch)
    await sink.close(END)


def test_voices_are_mixed_where_there_is_no_mix(tmp_path: Path, target: Path) -> None:
    """Of different rates, too; what is together too loud is not more than full."""
    frames = [
        *(sound(20 * n, TONE) for n in range(50)),
        *(sound(20 * n, np.repeat(TONE, 2), CEM, sample_rate=32_000) for n in range(25, 100)),
    ]
    folder = record(tmp_path, sorted(frames, key=lambda frame: frame.timestamp_ms))
    for mix in (folder / "audio").glob("mixed*"):
        mix.unlink()
    exported(folder, target)
    rate, samples = sound_of(target)
    assert rate == 32_000
    assert abs(len(samples) / rate - 2) < 0.1
    assert np.abs(samples[rate // 10 : rate // 3]).max() < 0.45 < np.abs(samples[rate * 6 // 10 : rate]).max()


def test_what_is_there_of_a_recording_that_runs(tmp_path: Path, target: Path) -> None:
    """Also if a process was killed while it wrote a fragment."""

    async def begin() -> Path:
        sink = await opened(tmp_path)
        await sink.write([picture(40 * n, unit) for n, unit in enumerate(SMALL)])
        await sink.write([sound(20 * n, TONE) for n in range(100)])
        return folder_in(tmp_path)

    folder = asyncio.run(begin())
    with (folder / "video/camera-001.mp4").open("ab") as file:
        file.write(b"\0\0\1\0moof torn")
    assert exported(folder, target, audio="none").problems == []
    assert (
        len(pictures_of(target)) == 48
    )  # what the last one is, the next one shows; what that is, nobody knows yet
    target.unlink()
    exported(folder, target)
    assert watched(target).tracks == ["video:Camera", "audio:Sound"]


def test_subtitles_and_chapters_without_a_picture(tmp_path: Path, target: Path) -> None:
    folder = record(
        tmp_path,
        [
            *(sound(20 * n, ramp(0)) for n in range(250)),
            ActiveSpeakerChanged(T0 + 500, Participant(1, "Ünal \u202e")),
            said(1000, 2000, "äö </v> <b>"),
            said(1500, 9_000_000_000, "\0forever"),
            ActiveSpeakerChanged(T0 + 3000, Participant(2, "Bo")),
        ],
    )
    exported(folder, target)
    found = watched(target)
    assert found.chapters == [(0, "Start"), (500, "Ünal"), (3000, "Bo")]
    assert found.subtitles == [
        (1000, 500, "Ana Reader: äö </v> <b>"),
        (1500, 500, "Ana Reader: äö </v> <b>\nAna Reader: forever"),
        (2000, 500, "Ana Reader: forever"),
    ]


def test_what_the_disk_has_damaged(tmp_path: Path, target: Path) -> None:
    """A fragment that makes no sense is left out, a file that says nothing of itself is named."""
    frames = [picture(40 * n + (n >= 25) * 20_000, unit) for n, unit in enumerate(SMALL)]
    folder = record(tmp_path, frames[:10], frames[10:])
    first, second = (folder / f"video/camera-00{number}.mp4" for number in (1, 2))
    data = bytearray(first.read_bytes())
    data[data.rindex(b"trun") + 8] ^= 0x40  # how many pictures there are
    first.write_bytes(data)
    second.write_bytes(second.read_bytes().replace(b"uuid", b"free"))
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"type": "\xcb"}\n')
    assert exported(folder, target).problems == ["camera-002.mp4 is damaged"]
    assert [at for at, *_ in pictures_of(target)] == [40 * n for n in range(8)]


def test_nothing_to_export(tmp_path: Path, target: Path) -> None:
    folder = record(tmp_path, [said(0, 10, "only text")])
    with pytest.raises(ExportError, match="neither picture nor sound"):
        exported(folder, target)
    with pytest.raises(ExportError, match="no single pictures"):
        exported(folder, target, slides_only=True)
    assert list(target.parent.iterdir()) == []


def test_a_deleted_recording_is_named_so(tmp_path: Path, target: Path) -> None:
    folder = record(tmp_path, [sound(0, TONE)], ending=REVOKED)
    with pytest.raises(ExportError, match="was deleted"):
        exported(folder, target)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, target: Path) -> None:
    """Neither a part of it, nor a temporary file; a file that was there stays."""
    folder = record(tmp_path, [sound(20 * n, TONE) for n in range(100)])
    with pytest.raises(ExportError, match=r"cannot write .*/no/where"):
        exported(folder, tmp_path / "no/where/x.mp4")
    target.write_bytes(b"earlier")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(ExportError, match="cannot write"):
            exported(folder, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"earlier"]


def test_progress_never_goes_back(tmp_path: Path, target: Path) -> None:
    from rtms_engine.export.movie import Wanted, export
    from rtms_engine.export.source import read

    folder = record(tmp_path, [picture(40 * n, unit) for n, unit in enumerate(SMALL)])
    told: list[tuple[int, int]] = []
    export(read(folder), target, Wanted(), lambda done_ms, of_ms: told.append((done_ms, of_ms)))
    assert all(a <= b for a, b in itertools.pairwise(told))
    assert told[-1] == (1960 + 40, 2000)


@pytest.mark.parametrize("form", ["wav", "flac", "opus"])
def test_a_movie_is_as_long_as_its_sound(tmp_path: Path, target: Path, form: Any) -> None:
    """To the millisecond, whatever the sound was recorded as: FFmpeg counts what Opus throws away at its start."""

    async def recorded() -> None:
        sink = SPEC.factory(RecordingConfig(str(tmp_path / "in"), form))
        await sink.open(STREAM)
        await sink.write([sound(20 * n, TONE) for n in range(50)])
        await sink.close(END)

    asyncio.run(recorded())
    for codec in ("aac", "opus"):
        result = exported(folder_in(tmp_path / "in"), target, audio=codec)
        assert result.duration_ms == 1000
        probe = ["ffprobe", "-v", "error", "-show_entries", "stream=duration", "-of", "csv=p=0", target]
        if shutil.which("ffprobe"):
            found = subprocess.run(probe, capture_output=True, text=True, check=True).stdout
            assert float(found) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("said_in", "found"),
    [(["en", "de", "de"], "deu"), (["fr-CA"], "fra"), (["zh-Hant"], "zho"), ([""], None), (["tlh"], None)],
)
def test_subtitles_say_their_language(
    tmp_path: Path, target: Path, said_in: list[str], found: str | None
) -> None:
    """That in which most is said; of what Zoom does not know, none."""
    segments = [
        msgspec.structs.replace(
            said(1000 * n, 1000 * n + 900, "Five words are said here."), language=language
        )
        for n, language in enumerate(said_in)
    ]
    folder = record(tmp_path / "in", [sound(20 * n, TONE) for n in range(150)], segments)
    exported(folder, target)
    with av.open(str(target)) as file:
        [subtitles] = file.streams.subtitles
        assert subtitles.metadata.get("language") in ({found} if found else {None, "und"})
