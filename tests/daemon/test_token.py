"""``rtms-engine token``."""

from pathlib import Path

from click.testing import CliRunner

from rtms_engine.api.tokens import Scope, TokenFile
from rtms_engine.daemon.cli import main

CONFIG = """
[[apps]]
client_id = "ID"
client_secret = "SECRET"
secret_token = "TOKEN"
"""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    config = folder / "config.toml"
    config.write_text(CONFIG + f'[state]\ndirectory = "{folder / "state"}"\n')
    result = CliRunner().invoke(main, ["token", *arguments, "--config", str(config)])
    return result.exit_code, result.output.strip()


def test_a_token_is_made_listed_and_revoked(tmp_path: Path) -> None:
    code, text = run(tmp_path, "new", "grafana", "--scope", "read", "--scope", "media")
    assert code == 0
    tokens = TokenFile(tmp_path / "state")
    found = tokens.find(text)
    assert found is not None
    assert found.scopes == {Scope.READ, Scope.MEDIA}
    code, listed = run(tmp_path, "list")
    assert listed.startswith("grafana  media,read  20")
    assert text not in listed
    assert run(tmp_path, "revoke", "grafana") == (0, "revoked: grafana")
    assert tokens.find(text) is None


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    run(tmp_path, "new", "one")
    assert run(tmp_path, "new", "one")[0] == 2
    assert run(tmp_path, "revoke", "two")[0] == 2
    assert "state.directory" in run(tmp_path, "list", "--set", "state.directory=")[1]
