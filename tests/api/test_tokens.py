"""Tokens and their file."""

import stat
from pathlib import Path

import pytest

from rtms_engine import ConfigError
from rtms_engine.api.tokens import FILE, Scope, TokenFile


def test_only_the_hash_is_kept(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state")
    text = tokens.new("grafana", [Scope.READ], 7)
    found = tokens.find(text)
    assert found is not None
    assert (found.name, found.scopes, found.created_ms) == ("grafana", {Scope.READ}, 7)
    path = tmp_path / "state" / FILE
    assert text not in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_token_is_not_found(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path)
    assert tokens.find("anything") is None
    text = tokens.new("one", [Scope.READ], 7)
    for wrong in ("", text[:-1], text + "x", "\udcff", "é"):
        assert tokens.find(wrong) is None


def test_a_running_engine_notices_what_another_process_does(tmp_path: Path) -> None:
    engine, command = TokenFile(tmp_path), TokenFile(tmp_path)
    assert not engine.tokens()
    text = command.new("one", [Scope.READ, Scope.MEDIA], 7)
    assert engine.find(text) is not None
    command.revoke("one")
    assert engine.find(text) is None


def test_names_are_there_once(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path)
    tokens.new("one", [Scope.READ], 7)
    with pytest.raises(ConfigError, match="already"):
        tokens.new("one", [Scope.READ], 7)
    with pytest.raises(ConfigError, match="no token named 'two'"):
        tokens.revoke("two")


@pytest.mark.parametrize("content", ["", "{}", '[{"name": 7}]', "\0"])
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match="not a list of tokens"):
        TokenFile(tmp_path).find("anything")
