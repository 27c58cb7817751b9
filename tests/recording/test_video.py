"""Pictures: every access unit is in the file, at Zoom's time, and only what can be decoded."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from rtms_engine.model.events import ConnectionLost
from rtms_engine.model.frames import ShareFrame, Speaker
from rtms_engine.recording.h264 import AccessUnits, annex_b
from tests.recording.support import (
    ANA,
    CEM,
    STREAM,
    T0,
    access_units_of,
    camera_access_units,
    encoded_pictures,
    folder_in,
    manifest_of,
    opened,
    picture,
    ramp,
    record,
    sound,
)
from tests.support.media import MEDIA, needs_media

pytestmark = needs_media


def camera(folder: Path, number: int = 1) -> list[tuple[int, bytes]]:
    return access_units_of(folder / f"video/camera-{number:03}.mp4")


def test_every_access_unit_is_there_at_its_time(tmp_path: Path) -> None:
    frames = [picture(3000 + 40 * n, unit) for n, unit in enumerate(camera_access_units())]
    folder = record(tmp_path, frames[:70], frames[70:])
    assert [at for at, _ in camera(folder)] == [3000 + 40 * n for n in range(200)]
    with av.open(str(folder / "video/camera-001.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 200
    [artefact] = [a for a in manifest_of(folder)["artefacts"] if a["kind"] == "camera"]
    assert (artefact["access_units"], artefact["width"], artefact["height"]) == (200, 640, 360)
    assert (artefact["start_ms"], artefact["end_ms"]) == (T0 + 3000, T0 + 11_000)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_agrees(tmp_path: Path) -> None:
    folder = record(tmp_path, [picture(40 * n, unit) for n, unit in enumerate(camera_access_units())])
    entries = "stream=nb_read_packets,duration"
    command = ["ffprobe", "-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries", entries]
    said = subprocess.run([*command, folder / "video/camera-001.mp4"], capture_output=True, check=True)
    assert (said.stdout.decode().strip(), said.stderr) == ("8.000000,200", b"")


def test_it_does_not_matter_how_messages_are_cut(tmp_path: Path) -> None:
    data = b"".join(camera_access_units())
    messages = [data[at : at + 5000] for at in range(0, len(data), 5000)]
    folder = record(tmp_path, [picture(20 * n, message) for n, message in enumerate(messages)])
    times = [at for at, _ in camera(folder)]
    assert len(times) == 200
    assert all(a < b for a, b in itertools.pairwise(times))


def test_nothing_before_the_key_frame(tmp_path: Path) -> None:
    """At the beginning, after a lost connection, and when somebody else is shown."""
    units = camera_access_units()
    lost = ConnectionLost(T0, "video", "went away")
    frames = [picture(40 * n, unit, ANA if n < 60 else CEM) for n, unit in enumerate(units)]
    folder = record(tmp_path, [*frames[10:35], lost, *frames[35:100]])
    assert [at for at, _ in camera(folder)] == [40 * n for n in range(25, 35)]
    assert [at for at, _ in camera(folder, 2)] == [40 * n for n in (*range(50, 60), *range(75, 100))]
    assert manifest_of(folder)["skipped"]["pictures_before_key_frame"] == 15 + 15 + 15
    events = (folder / "events.jsonl").read_text()
    assert events.count("picture_source_changed") == 2


def test_another_camera_brings_its_own_parameter_sets(tmp_path: Path) -> None:
    """A key frame without them is not shown with those of whoever was seen before."""
    units = encoded_pictures([50] * 75)
    bare = AccessUnits()
    [key_frame] = [*bare.feed(units[25], 0), *bare.flush()]
    units[25] = annex_b(key_frame.of_kind(5))
    frames = [picture(40 * n, unit, ANA if n < 25 else CEM) for n, unit in enumerate(units)]
    folder = record(tmp_path, frames)
    assert [at for at, _ in camera(folder)] == [40 * n for n in (*range(25), *range(50, 75))]
    changes = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [(e["timestamp_ms"], e["kind"], e["participant"]["name"]) for e in changes] == [
        (T0, "camera", ANA.name),
        (T0 + 1000, "camera", CEM.name),
    ]


async def test_a_file_plays_while_it_is_written(tmp_path: Path) -> None:
    """After every batch; nothing is kept open."""
    sink = await opened(tmp_path)
    seen = []
    for start in range(0, 50, 10):
        units = enumerate(encoded_pictures([50] * 50)[start : start + 10], start)
        await sink.write([picture(40 * n, unit) for n, unit in units])
        with av.open(str(folder_in(tmp_path) / "video/camera-001.mp4")) as file:
            seen.append(sum(1 for _ in file.decode(video=0)))
    assert seen == [8, 18, 28, 38, 48]


def test_another_size_begins_another_file(tmp_path: Path) -> None:
    small, big = camera_access_units()[:25], encoded_pictures([16, 17, 18], 1920, 1080)
    folder = record(tmp_path, [picture(40 * n, unit) for n, unit in enumerate([*small, *big, *small])])
    assert [len(camera(folder, number)) for number in (1, 2, 3)] == [25, 3, 25]
    assert camera(folder, 2)[0][0] == 1000
    sizes = [(a["width"], a["height"]) for a in manifest_of(folder)["artefacts"] if a["kind"] == "camera"]
    assert sizes == [(640, 360), (1920, 1080), (640, 360)]


def test_a_broken_key_frame_is_counted(tmp_path: Path) -> None:
    broken = annex_b([b"\x67\xff", b"\x68\xff", b"\x65\xff\xff"])
    frames = [picture(40 * n, unit) for n, unit in enumerate([broken, *camera_access_units()[:25]])]
    folder = record(tmp_path, frames)
    assert len(camera(folder)) == 25
    assert manifest_of(folder)["skipped"]["bad_pictures"] == 1


def test_a_bad_picture_is_counted_and_what_builds_on_it_left_out(tmp_path: Path) -> None:
    """The file can be decoded without an error all the same."""
    units = camera_access_units()[:75]
    units[30] = units[30].replace(b"\0\0\1\x41", b"\0\0\1\xc1")
    assert units[30] != camera_access_units()[30]
    folder = record(tmp_path, [picture(40 * n, unit) for n, unit in enumerate(units)])
    assert [at for at, _ in camera(folder)] == [40 * n for n in (*range(30), *range(50, 75))]
    skipped = manifest_of(folder)["skipped"]
    assert (skipped["bad_pictures"], skipped["pictures_before_key_frame"]) == (1, 19)


def test_a_camera_that_was_off_begins_another_file(tmp_path: Path) -> None:
    units = camera_access_units()[:50]
    at_ms = [40 * n if n < 25 else 40 * n + 60_000 for n in range(50)]
    folder = record(tmp_path, [picture(at, unit) for at, unit in zip(at_ms, units, strict=True)])
    assert [[at for at, _ in camera(folder, number)] for number in (1, 2)] == [at_ms[:25], at_ms[25:]]


def test_time_never_runs_backwards(tmp_path: Path) -> None:
    units = camera_access_units()[:25]
    folder = record(tmp_path, [picture(0 if n == 5 else 40 * n, unit) for n, unit in enumerate(units)])
    assert [at for at, _ in camera(folder)][4:7] == [160, 161, 240]


def test_video_follows_when_t0_moves(tmp_path: Path) -> None:
    """Audio of before the start comes when the video has begun already."""
    frames = [picture(40 * n, unit) for n, unit in enumerate(camera_access_units())]
    folder = record(tmp_path, frames[:100], [sound(-500, ramp(1))], frames[100:])
    assert [at for at, _ in camera(folder)] == [500 + 40 * n for n in range(200)]


def test_still_pictures_are_files_named_by_time(tmp_path: Path) -> None:
    """What they are, they say themselves; the negotiated codec may say otherwise."""
    jpg, png = (MEDIA / "share-slide-1.jpg").read_bytes(), b"\x89PNG\r\n\x1a\n rest"

    def shared(at_ms: int, payload: bytes) -> ShareFrame:
        return ShareFrame(STREAM.stream_id, Speaker(7), T0 + at_ms, 0.0, "jpg", payload)

    folder = record(
        tmp_path, [shared(0, jpg), shared(0, jpg), shared(5, png), shared(6, b"GIF"), shared(7, b"")]
    )
    names = [f"{T0}-7-2.jpg", f"{T0}-7.jpg", f"{T0 + 5}-7.png"]
    assert sorted(path.name for path in (folder / "share").iterdir()) == names
    assert (folder / "share" / names[0]).read_bytes() == jpg
    manifest: dict[str, Any] = manifest_of(folder)
    assert [(a["user_id"], a["start_ms"]) for a in manifest["artefacts"] if a["kind"] == "share_picture"] == [
        (7, T0),
        (7, T0),
        (7, T0 + 5),
    ]
    assert (manifest["skipped"]["bad_pictures"], manifest["skipped"]["empty_payloads"]) == (1, 1)


def test_shared_h264_is_a_video(tmp_path: Path) -> None:
    units = camera_access_units()[:25]
    frames = [
        ShareFrame(STREAM.stream_id, ANA, T0 + 40 * n, 0.0, "jpg", unit) for n, unit in enumerate(units)
    ]
    assert len(access_units_of(record(tmp_path, frames) / "share/share-001.mp4")) == 25


def test_pictures_are_not_changed(tmp_path: Path) -> None:
    """The slices in the file are those that came."""
    written = camera_access_units()[:50]
    folder = record(tmp_path, [picture(40 * n, unit) for n, unit in enumerate(written)])
    with av.open(str(folder / "video/camera-001.mp4")) as file:
        to_annex_b = av.BitStreamFilterContext("h264_mp4toannexb", file.streams.video[0])
        packets = [p for packet in file.demux(video=0) if packet.size for p in to_annex_b.filter(packet)]
    parser = AccessUnits()
    read = [unit for p in packets for unit in parser.feed(bytes(p), 0)] + parser.flush()
    for unit, data in zip(read, written, strict=True):
        assert annex_b(unit.of_kind(5) + unit.of_kind(1))[4:] in data
