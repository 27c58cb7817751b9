"""Items on disk, first in, first out."""

import os
from pathlib import Path

import pytest

from rtms_engine.sinks import spill
from rtms_engine.sinks.spill import DiskSpill
from rtms_engine.vault import files
from tests.sinks.items import AUDIO, CHAT, ITEMS
from tests.vault.support import vault


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def everything(disk):
    items = []
    while batch := disk.take():
        items += batch
    return items


def test_every_kind_of_item_comes_back_as_it_was(tmp_path):
    disk = DiskSpill(tmp_path)
    disk.append(ITEMS)
    disk.append([CHAT])
    assert disk.waiting_bytes > 0
    assert everything(disk) == [*ITEMS, CHAT]
    assert disk.waiting_bytes == 0
    disk.append([AUDIO])
    assert everything(disk) == [AUDIO]
    disk.close()


def test_what_was_read_is_given_back_to_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "SEGMENT_BYTES", 10_000)
    monkeypatch.setattr(spill, "CHUNK_BYTES", 5_000)
    disk = DiskSpill(tmp_path)
    before = open_files()
    for _ in range(20):
        disk.append([AUDIO] * 4)
    assert open_files() > before + 15
    assert len(everything(disk)) == 80
    assert open_files() == before
    disk.close()


def test_an_item_larger_than_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "CHUNK_BYTES", 1_000)
    disk = DiskSpill(tmp_path)
    disk.append([AUDIO, CHAT, AUDIO])
    assert everything(disk) == [AUDIO, CHAT, AUDIO]
    disk.close()


def test_nobody_else_sees_it(tmp_path):
    """No name in the directory, so nothing is left whatever happens to the process."""
    disk = DiskSpill(tmp_path / "spill")
    disk.append(ITEMS)
    assert (tmp_path / "spill").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "spill").iterdir()) == []
    (segment,) = disk._segments
    assert os.fstat(segment.file.fileno()).st_mode & 0o777 == 0o600
    disk.close()
    assert segment.file.closed
    assert disk.take() == ()
    with pytest.raises(OSError, match="deleted"):
        disk.append(ITEMS)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_takes_all_or_nothing(tmp_path):
    disk = DiskSpill(tmp_path)
    disk.append([CHAT])
    segment = disk._segments[0]
    good, segment.file = segment.file, Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115
    with pytest.raises(OSError, match="No space"):
        disk.append([AUDIO])
    segment.file.close()
    segment.file = good
    disk.append([AUDIO])
    assert everything(disk) == [CHAT, AUDIO]
    disk.close()


def test_where_the_engine_encrypts_it_is_encrypted(tmp_path):
    """By a key that is in memory alone; what comes back is the same."""
    with files.unlocked(vault(tmp_path / "keys", covers=(tmp_path / "spill",))):
        disk = DiskSpill(tmp_path / "spill")
        disk.append(ITEMS)
        [segment] = disk._segments
        content = Path(f"/proc/self/fd/{segment.file.fileno()}").read_bytes()
        assert len(content) > 500
        assert CHAT.text.encode() not in content
        assert AUDIO.payload not in content
        assert everything(disk) == [*ITEMS]
        disk.close()
    assert not (tmp_path / "keys").exists()
