"""``rtms-engine recover`` on what a crash has left."""

from pathlib import Path

from click.testing import CliRunner

from rtms_engine.daemon.cli import main
from tests.recording.support import (
    END,
    REVOKED,
    STREAM,
    folder_in,
    killed,
    manifest_of,
    opened,
    ramp,
    record,
    sound,
)


async def left_behind(root: Path) -> Path:
    await killed(root, [sound(0, ramp(1))])
    return folder_in(root)


async def test_it_finishes_says_so_and_does_it_once(tmp_path: Path) -> None:
    folder = await left_behind(tmp_path)
    first, second = (CliRunner().invoke(main, ["recover", str(tmp_path)]) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"{folder}: failed (the engine was killed before the stream ended), 4 files" in first.output
    assert f"{folder}: failed already" in second.output
    assert manifest_of(folder)["state"] == "failed"


async def test_what_a_running_engine_writes_is_refused(tmp_path: Path) -> None:
    sink = await opened(tmp_path)
    result = CliRunner().invoke(main, ["recover", str(folder_in(tmp_path))])
    assert result.exit_code == 1
    assert "a running engine writes to it" in result.output
    assert manifest_of(folder_in(tmp_path))["state"] == "recording"
    await sink.close(END)


def test_nonsense(tmp_path: Path) -> None:
    record(tmp_path / "erased", ending=REVOKED)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/manifest.json").write_text("{")
    result = CliRunner().invoke(
        main, ["recover", *(str(tmp_path / name) for name in ("erased", "odd", "none"))]
    )
    assert result.exit_code == 1
    for said in (f"{STREAM.stream_id}: deleted", "odd: the manifest cannot be read", "none: there is no"):
        assert said in result.output
