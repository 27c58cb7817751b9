"""Folders say whose they are, and go at once."""

import os
import shutil
from pathlib import Path

import pytest

from rtms_engine.model.retention import Retention
from rtms_engine.retention.keeper import Keeper
from rtms_engine.sinks import exec as exec_sink
from rtms_engine.sinks import raw
from rtms_engine.sinks.folders import FolderStore, delete, prepare
from tests.recording.support import STREAM, T0

DAY_MS = 86_400_000


def test_a_folder_says_whose_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "s"
    prepare(folder, STREAM)
    prepare(folder, STREAM)
    (folder / "1.raw").write_bytes(b"sound")
    for path in folder.iterdir():
        os.utime(path, (T0 / 1000, T0 / 1000))
    (tmp_path / "raw" / "of somebody else").mkdir()
    [kept] = FolderStore(tmp_path / "raw").kept()
    assert (kept.place, kept.stream_id, kept.app) == (str(folder), STREAM.stream_id, STREAM.app)
    assert (kept.started_ms, kept.ended_ms) == (STREAM.started_ms, T0)
    assert delete(folder) == (1, 5)
    assert delete(folder) == (0, 0)
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["of somebody else"]


def test_what_was_begun_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path / "s", STREAM)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", _fails)
        with pytest.raises(OSError, match="power"):
            delete(tmp_path / "s")
    assert list(FolderStore(tmp_path).kept()) == []
    assert FolderStore(tmp_path).settle() == 1
    assert list(tmp_path.iterdir()) == []


def _fails(_: Path) -> None:
    raise OSError("power")


@pytest.mark.parametrize(
    ("spec", "options"), [(raw.SPEC, {}), (exec_sink.SPEC, {"command": ["cat"], "input": "mixed"})]
)
def test_retention_reaches_them(tmp_path: Path, spec, options) -> None:
    config = spec.config_type(directory=str(tmp_path), **options)
    prepare(tmp_path / "s", STREAM)
    ended_ms = int((tmp_path / "s/.stream.json").stat().st_mtime * 1000)
    for passed_ms, left in ((DAY_MS - 1, 1), (DAY_MS, 0)):
        policies = {STREAM.app: Retention(1)}
        now_ms = ended_ms + passed_ms
        Keeper({"x": spec.store(config)}, policies, None, lambda now_ms=now_ms: now_ms).sweep()
        assert len(list(tmp_path.iterdir())) == left
