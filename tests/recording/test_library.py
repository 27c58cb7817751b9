"""The index of recordings, from real folders."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtms_engine.recording.library import Library, file_in, files_in


def record(root: Path, where: str, **changes: Any) -> Path:
    folder = root / where
    folder.mkdir(parents=True, exist_ok=True)
    card = {"rtms_stream_id": folder.name, "state": "done", "started_ms": 1_000, **changes}
    beside = folder / "new"
    beside.write_bytes(msgspec.json.encode(card))
    beside.replace(folder / "manifest.json")
    return folder


def test_it_finds_what_lies_three_levels_down(tmp_path: Path) -> None:
    record(tmp_path, "2026-07-31/meeting/one")
    record(tmp_path, "2026-07-31/meeting/two", state="deleted")
    record(tmp_path, "2026-08-01/other/three")
    (tmp_path / "2026-08-01/other/none").mkdir()
    (tmp_path / "2026-08-01/other/broken").mkdir()
    (tmp_path / "2026-08-01/other/broken/manifest.json").write_text("{")
    (tmp_path / "2026-08-01/file").touch()
    found = Library().recordings([tmp_path, tmp_path / "nothing", tmp_path])
    assert [one.folder.name for one in found] == ["one", "two", "three"]


def test_what_has_changed_is_read_again_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    folders = [record(tmp_path, f"day/meeting/s{n}", state="recording") for n in range(3)]
    library.recordings([tmp_path])
    read: list[str] = []
    content = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.parent.name) or content(path))
    record(tmp_path, "day/meeting/s1")
    (folders[2] / "manifest.json").unlink()
    found = library.recordings([tmp_path])
    assert [(one.folder.name, one.card.state) for one in found] == [("s0", "recording"), ("s1", "done")]
    assert read == ["s1"]


def test_the_parts_of_a_stream_oldest_first(tmp_path: Path) -> None:
    library = Library()
    record(tmp_path, "day/meeting/stream-2", rtms_stream_id="stream", started_ms=2_000)
    record(tmp_path, "day/meeting/stream", rtms_stream_id="stream")
    record(tmp_path, "day/meeting/stream-too")
    assert [one.folder.name for one in library.of_stream([tmp_path], "stream")] == ["stream", "stream-2"]
    assert not library.of_stream([tmp_path], "nothing")
    assert not library.of_stream([tmp_path / "elsewhere"], "stream"), "the configuration has changed"


def test_files_are_named_as_in_manifests(tmp_path: Path) -> None:
    folder = record(tmp_path, "day/meeting/stream")
    (folder / "audio").mkdir()
    (folder / "audio" / "mixed.wav").write_bytes(b"1234")
    (folder / ".reserve.new").touch()
    (folder / "away").symlink_to("/etc")
    assert [name for name, _ in files_in(folder)] == ["audio/mixed.wav", "manifest.json"]
    assert file_in(folder, "audio/mixed.wav") == folder / "audio/mixed.wav"


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "/", "/etc/passwd", "../secret", "audio/../../secret", "audio/..", "./manifest.json",
        "audio//mixed.wav", "audio/", "audio", "link", "folder/secret", ".manifest.json.new", "manifest.json\0",
        "audio/mixed.wav/", "..\\secret", "%2e%2e/secret", "a" * 5000, "\udcff", "fifo",
    ],
)  # fmt: skip
def test_no_spelling_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = record(tmp_path, "day/meeting/stream")
    (folder / "audio").mkdir()
    (folder / "audio" / "mixed.wav").write_bytes(b"1234")
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "folder").symlink_to(folder.parent)
    (folder / ".manifest.json.new").touch()
    os.mkfifo(folder / "fifo")
    assert file_in(folder, name) is None
