"""The door: what is begun below some directories is encrypted, and everything opens."""

import contextlib
from pathlib import Path

import pytest

from rtms_engine.errors import VaultError
from rtms_engine.vault import files
from rtms_engine.vault.files import Appended
from tests.vault.support import MASTER, OTHER, vault


@pytest.fixture
def folder(tmp_path):
    """One with a key, below what a vault covers."""
    folder = tmp_path / "covered" / "one"
    folder.mkdir(parents=True)
    with files.unlocked(vault(tmp_path / "keys", covers=(tmp_path / "covered",))):
        assert files.begin(folder)
        yield folder


def test_without_a_vault_nothing_is_encrypted(tmp_path):
    assert files.begin(tmp_path) is None
    Appended(tmp_path / "log").append(b"said")
    assert (tmp_path / "log").read_bytes() == b"said"
    assert files.read(tmp_path / "log") == b"said"
    assert not files.is_encrypted(tmp_path)
    assert files.shred(tmp_path) == 0
    assert files.verify(tmp_path / "log")


def test_a_file_that_grows(folder):
    """Each time by all of it; by others too, and also if it was replaced."""
    key = files.key_of_folder(folder)
    mine, other = (Appended(folder / "log", key) for _ in range(2))
    mine.append(b"one ")
    other.append(b"two ")
    mine.append(b"three")
    assert files.read(folder / "log") == b"one two three"
    assert b"two" not in (folder / "log").read_bytes()
    with files.replacing(folder / "log") as new:
        new.write(b"anew ")
    mine.append(b"four")
    assert files.read(folder / "log") == b"anew four"
    assert files.size_of(folder / "log") == 9
    files.truncate(folder / "log", 4)
    assert files.read(folder / "log") == b"anew"


def test_a_file_that_takes_anothers_place(folder):
    """Is encrypted as the other one was; if that fails, the other stays."""
    files.claim(folder / "file", files.key_of_folder(folder))
    with files.replacing(folder / "file") as new:
        new.write(b"said" * 100_000)
    assert files.read(folder / "file") == b"said" * 100_000
    assert files.verify(folder / "file")
    with files.replacing(folder / "next", like=folder / "file") as new:
        new.seek(3)
        new.write(b"later")
    assert files.read(folder / "next") == b"\0\0\0later"
    with contextlib.suppress(KeyError), files.replacing(folder / "file") as new:
        new.write(b"half")
        raise KeyError
    assert files.size_of(folder / "file") == 400_000
    assert {path.name for path in folder.iterdir()} == {"file", "next", files.MARKER}


def test_a_kill_while_a_file_is_begun(folder):
    """Leaves nothing, and whoever comes next begins it."""
    path = folder / "log"
    key = files.key_of_folder(folder)
    Appended(path, key).append(b"said")
    whole = path.read_bytes()
    for size in range(64):
        path.write_bytes(whole[:size])
        assert files.size_of(path) == 0
        Appended(path, key).append(b"again")
        assert files.read(path) == b"again"


def test_what_is_in_plain_where_nothing_must_be(folder):
    """Somebody has put it there: it is not taken for what was recorded."""
    (folder / "sub").mkdir()
    for path in (folder / "log", folder / "sub" / "log"):
        path.write_bytes(b"forged")
        with pytest.raises(VaultError, match="is not encrypted"):
            files.read(path)
        with pytest.raises(VaultError, match="is not encrypted"):
            Appended(path, files.key_of_folder(folder)).append(b"more")
    (folder / "manifest.json").write_bytes(b"{}")
    assert files.read(folder / "manifest.json") == b"{}"


def test_what_was_begun_in_plain(tmp_path):
    """Is encrypted from then on, all of it; a kill in the middle is completed."""
    old, log = tmp_path / "old", tmp_path / "log.jsonl"
    (old / "sub").mkdir(parents=True)
    for path in (old / "a", old / "sub" / "b", old / "manifest.json", log):
        path.write_bytes(b"said" * 50_000)
    with files.unlocked(vault(tmp_path / "keys", covers=(tmp_path,))):
        files.adopt(old / "a")  # as a kill leaves it
        files.adopt(old)
        files.adopt(old)
        files.adopt(log)
        for path in (old / "a", old / "sub" / "b", log):
            assert b"said" not in path.read_bytes()
            assert files.read(path) == b"said" * 50_000
        assert (old / "manifest.json").read_bytes() == b"said" * 50_000
        assert len(list((tmp_path / "keys").iterdir())) == 3
        assert files.shred(old) == 2
        with pytest.raises(VaultError, match="does not exist"):
            files.read(old / "sub" / "b")
        files.delete(log)
        assert not log.exists()
        assert list((tmp_path / "keys").iterdir()) == []


def test_it_is_shredded_by_its_files_if_the_marker_is_damaged(folder, tmp_path):
    Appended(folder / "log", files.key_of_folder(folder)).append(b"said")
    (folder / files.MARKER).write_bytes(b"{")
    assert files.is_encrypted(folder)
    with pytest.raises(VaultError, match="damaged"):
        files.key_of_folder(folder)
    assert files.shred(folder) == 1
    assert list((tmp_path / "keys").iterdir()) == []


def test_another_vault_with_the_same_keys_takes_over(tmp_path):
    """As after a reload: with another master key, or with none at all."""
    path = tmp_path / "log"
    first = vault(tmp_path / "keys", covers=(tmp_path,))
    with files.unlocked(first):
        Appended(path, files.new_key(path)).append(b"said")
        with files.unlocked(vault(tmp_path / "keys", OTHER, MASTER)):
            assert files.vault_over(tmp_path) is None
            assert files.read(path) == b"said"
    with pytest.raises(VaultError, match="no key is configured"):
        files.read(path)


def test_what_is_written_for_a_moment(tmp_path):
    """Is encrypted by a key that is nowhere."""
    with (
        files.unlocked(vault(tmp_path / "keys", covers=(tmp_path / "spill",))),
        (tmp_path / "file").open("w+b", buffering=0) as file,
    ):
        layout = files.scratch(tmp_path / "spill", file.fileno())
        layout.append(file.fileno(), b"said")
        assert layout.read(file.fileno(), 9, 0) == b"said"
        assert b"said" not in (tmp_path / "file").read_bytes()
        assert not (tmp_path / "keys").exists()


def test_descriptors_are_let_go_of(folder):
    """However much goes wrong."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    path = folder / "log"
    Appended(path, files.key_of_folder(folder)).append(b"said")
    files.read(path)
    path.write_bytes(b"forged")
    with pytest.raises(VaultError):
        files.read(path)
    with pytest.raises(FileNotFoundError):
        files.reading(folder / "none")
    with pytest.raises(VaultError):
        files.truncate(path, 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
