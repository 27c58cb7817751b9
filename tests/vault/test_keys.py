"""Master keys, and the keys that they wrap."""

import json
import os
from pathlib import Path

import pytest

from rtms_engine.errors import VaultError
from rtms_engine.vault.keys import KeyDirectory, MasterKey
from tests.vault.support import MASTER, OTHER


@pytest.mark.parametrize(
    "text",
    [
        "1111111111111111111111111111111111111111111111111111111111111111",
        "ERERERERERERERERERERERERERERERERERERERERERE=",
    ],
)
def test_one_key_in_two_spellings(text):
    assert MasterKey.spelled(text) == MASTER
    assert "11" * 4 not in MASTER.id


@pytest.mark.parametrize("text", ["", "password", "11" * 16, "ERER", "é" * 44, "=" * 44])
def test_what_is_no_key(text):
    """Is refused with a way to make one, and not repeated."""
    with pytest.raises(ValueError, match=r"32 random bytes.*openssl rand -base64 32") as raised:
        MasterKey.spelled(text)
    assert not text or text not in str(raised.value)


def test_a_key_comes_back(tmp_path):
    """From another process too, and lies there wrapped, for its owner alone."""
    key = KeyDirectory(tmp_path / "keys", [MASTER]).make()
    again = KeyDirectory(tmp_path / "keys", [OTHER, MASTER])
    assert again.get(key.id, tmp_path) == key
    assert again.has(key.id)
    [path] = (tmp_path / "keys").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    content = path.read_bytes()
    assert key.secret not in content and key.secret.hex().encode() not in content
    assert json.loads(content)["master"] == MASTER.id


def test_a_key_that_is_destroyed(tmp_path):
    """Is gone, also if its directory was not, and says what that means."""
    keys = KeyDirectory(tmp_path, [MASTER])
    key = keys.make()
    assert keys.destroy(key.id)
    assert list(tmp_path.iterdir()) == []
    assert not keys.destroy(key.id)
    with pytest.raises(VaultError, match=f"its key .*{key.id.hex()}.key does not exist") as raised:
        keys.get(key.id, Path("recording"))
    assert raised.value.is_gone


def test_without_its_master_key(tmp_path):
    """The error names it, and what to set; it can be destroyed all the same."""
    key = KeyDirectory(tmp_path, [MASTER]).make()
    for masters in ([], [OTHER]):
        keys = KeyDirectory(tmp_path, masters)
        with pytest.raises(VaultError, match=f"master key {MASTER.id} .*not given.*key_file") as raised:
            keys.get(key.id, Path("recording"))
        assert not raised.value.is_gone
    assert keys.destroy(key.id)


def test_a_key_file_that_was_changed(tmp_path):
    """Opens nothing, whatever was changed."""
    keys = KeyDirectory(tmp_path, [MASTER])
    key = keys.make()
    path = keys.path_of(key.id)
    content = path.read_bytes()
    for at in range(0, len(content), 3):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            assert keys.get(key.id, tmp_path) == key
        except VaultError:
            continue
        assert json.loads(path.read_bytes())["wrapped"] == json.loads(content)["wrapped"]
    other = keys.make()
    path.write_bytes(keys.path_of(other.id).read_bytes())
    with pytest.raises(VaultError, match="is damaged"):
        keys.get(key.id, tmp_path)


def test_another_master_key_takes_over(tmp_path):
    """All keys are wrapped anew; then the old one is not needed."""
    keys = [KeyDirectory(tmp_path, [MASTER]).make() for _ in range(3)]
    both = KeyDirectory(tmp_path, [OTHER, MASTER])
    assert both.masters_in_use() == {MASTER.id: 3}
    assert both.rewrap() == (3, 0)
    assert both.rewrap() == (0, 0)
    new = KeyDirectory(tmp_path, [OTHER])
    assert [new.get(key.id, tmp_path) for key in keys] == keys
    assert new.masters_in_use() == {OTHER.id: 3}
    assert KeyDirectory(tmp_path, [MASTER]).rewrap() == (0, 3)


def test_a_disk_that_does_not_let_us(tmp_path, monkeypatch):
    """No key is made that is not on the disk."""

    def fails(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        KeyDirectory(tmp_path, [MASTER]).make()
    assert not list(tmp_path.glob("*.key"))
