"""``rtms-engine export`` as its user sees it: what is said, and the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest
from click.testing import CliRunner, Result

from rtms_engine.daemon.cli import main
from tests.export.support import shared, still
from tests.recording.support import (
    STREAM,
    T0,
    encoded_pictures,
    manifest_of,
    opened,
    picture,
    ramp,
    record,
    sound,
)

PICTURES = [picture(40 * n, unit) for n, unit in enumerate(encoded_pictures([50] * 30))]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Exports to ``meeting.mp4`` in an empty directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def invoke(*words: object) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(
            main, ["export", *map(str, words)], catch_exceptions=False, prog_name="rtms-engine"
        )

    return invoke


def change(folder: Path, **values: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**manifest_of(folder), **values}))


def test_it_says_what_is_in_the_file(run: Any, tmp_path: Path) -> None:
    record(tmp_path / "recordings", [*PICTURES, *(sound(20 * n, ramp(n)) for n in range(60))])
    result = run(tmp_path / "recordings", "--mp4", "meeting.mp4")
    assert result.exit_code == 0
    assert result.output == "meeting.mp4: 0:00:01; Camera: H.264, not encoded anew; Sound: AAC; 1 chapter\n"
    assert Path("meeting.mp4").stat().st_mode & 0o777 == 0o600
    assert run(tmp_path / "recordings", "--mp4", "meeting.mp4").exit_code == 2
    assert run(tmp_path / "recordings", "--mp4", "meeting.mp4", "--force").exit_code == 0


def test_what_is_missing_is_said(run: Any, tmp_path: Path) -> None:
    record(
        tmp_path / "recordings", [*PICTURES, shared(0, still(50)), shared(500, b"\xff\xd8\xff no picture")]
    )
    result = run(tmp_path / "recordings", "--mp4", "meeting.mp4", "--slideshow", "slides.mp4")
    assert result.exit_code == 1
    assert result.output.count(f"Missing: {T0 + 500}-16778240.jpg cannot be decoded") == 2
    with av.open("slides.mp4") as slides:
        assert sum(1 for _ in slides.decode(video=0)) == 1


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"state": "recording"}, "has not ended"),
        ({"state": "failed", "failure": "the disk was full"}, "is incomplete: the disk was full"),
    ],
)
def test_a_recording_that_is_not_done(run: Any, tmp_path: Path, state: dict[str, str], says: str) -> None:
    change(record(tmp_path / "recordings", PICTURES), **state)
    result = run(tmp_path / "recordings", "--mp4", "meeting.mp4")
    assert result.exit_code == 0
    assert says in result.output


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"state": "done", "schema_version": 99}', "has version 99"),
        ('{"state": "done", "schema_version": 1}', "is damaged"),
        ('{"state": "deleted", "schema_version": 1}', "was deleted"),
    ],
)
def test_manifests_that_cannot_be_used(run: Any, tmp_path: Path, content: str, says: str) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "manifest.json").write_text(content)
    result = run(folder, "--mp4", "meeting.mp4")
    assert (result.exit_code, says in result.output) == (1, True), result.output
    assert not Path("meeting.mp4").exists()


def test_folders_that_are_none(run: Any, tmp_path: Path) -> None:
    assert "no folder" in run(tmp_path / "nothing", "--mp4", "x.mp4").output
    assert "is no recording" in run(tmp_path / "here", "--mp4", "x.mp4").output
    result = run(tmp_path / "here")
    assert (result.exit_code, "--mp4 FILE" in result.output) == (2, True)


async def test_one_of_several_has_to_be_chosen(run: Any, tmp_path: Path) -> None:
    for _ in range(2):
        await opened(tmp_path / "recordings")
    result = run(tmp_path / "recordings", "--mp4", "x.mp4")
    assert result.exit_code == 1
    assert "there are 2 recordings" in result.output
    assert f"/{STREAM.stream_id}-2" in result.output


def test_an_interrupted_export_leaves_nothing(run: Any, tmp_path: Path) -> None:
    """Ctrl-C while it writes."""
    record(tmp_path / "recordings", [sound(20 * n, ramp(n)) for n in range(60)])
    program = (
        "import rtms_engine.export.movie as movie, signal, os\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell in the background ignores it
        "mux = movie._mux\n"
        "movie._mux = lambda *args: (mux(*args), os.kill(os.getpid(), signal.SIGINT))\n"
        "from rtms_engine.daemon.cli import main\n"
        f"main(['export', {str(tmp_path / 'recordings')!r}, '--mp4', 'x.mp4'])\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Aborted" in done.stderr) == (1, True), done.stderr
    assert list(Path().iterdir()) == []
