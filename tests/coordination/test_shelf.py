"""Documents about streams, kept for a while."""

import os
from pathlib import Path

import pytest

from rtms_engine.coordination.shelf import Shelf
from rtms_engine.errors import ConfigError


def test_a_document_is_kept_and_replaced_and_its_owners_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "state" / "stories")
    shelf.put("abc", b"1")
    shelf.put("abc", b"2")
    assert shelf.get("abc") == b"2"
    (file,) = (tmp_path / "state" / "stories").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    shelf.forget("abc")
    shelf.forget("abc")
    assert shelf.get("abc") is None


def test_by_the_beginning_of_an_id_the_latest_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for at_s, stream_id in enumerate(["abc", "abd", "a/b+c==", "xyz"]):
        shelf.put(stream_id, stream_id.encode())
        os.utime(shelf.path_of(stream_id), (at_s, at_s))
    assert list(shelf.beginning("ab")) == [b"abd", b"abc"]
    assert list(shelf.beginning("a/b")) == [b"a/b+c=="]
    assert next(iter(shelf.beginning(""))) == b"xyz"
    assert not list(Shelf(tmp_path / "none").beginning(""))


@pytest.mark.parametrize("stream_id", ["../../etc/passwd", "/etc/passwd", ".", "", "con", "a" * 5000])
def test_no_id_leads_out_of_the_directory(tmp_path: Path, stream_id: str) -> None:
    shelf = Shelf(tmp_path / "stories")
    shelf.put(stream_id, b"x")
    assert [path.read_bytes() for path in (tmp_path / "stories").iterdir()] == [b"x"]
    assert shelf.get(stream_id) == b"x"


def test_what_is_too_old_or_too_much_goes(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, most=3, most_days=10)
    now_s = 1_000_000_000.0
    for days, stream_id in enumerate("abcde"):
        shelf.put(stream_id, b"x")
        at_s = now_s - days * 86_400
        os.utime(shelf.path_of(stream_id), (at_s, at_s))
    assert shelf.prune(now_s) == 2
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert shelf.prune(now_s + 9 * 86_400) == 1
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file"):
        Shelf(tmp_path / "file" / "stories").put("a", b"x")
