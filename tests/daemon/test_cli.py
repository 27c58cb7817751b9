from pathlib import Path

import pytest
from click.testing import CliRunner

from rtms_engine.audit.log import AuditLog
from rtms_engine.daemon.cli import main
from rtms_engine.model.reasons import EXPLAINABLE, numbers_of

CONFIG = """
[server]
port = 9001
[[apps]]
client_id = "the-client-id"
client_secret = "hunter2"
secret_token = ["hunter3", "hunter4"]
[[sinks]]
type = "null"
kinds = ["chat", "audio"]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command line in an empty directory, without the environment's settings."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"COLUMNS": "200", "ZM_RTMS_CLIENT": "", "ZOOM_CLIENT_ID": ""})

    def invoke(*words):
        return runner.invoke(main, words, catch_exceptions=False, prog_name="rtms-engine")

    return invoke


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "engine.toml"
    path.write_text(CONFIG)
    return str(path)


def rows(output):
    """The cells of the printed lines."""
    return {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.split()}


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_for_a_newcomer(run, words):
    result = run(*words)
    assert result.exit_code == 0
    for word in ("Zoom", "rtms-engine demo", "rtms-engine check", "rtms-engine run", "explain"):
        assert word in result.output


# --- check ---


def test_check_shows_every_value_and_its_source(run, config):
    result = run("check", "--config", config, "--set", "log.level=debug")
    assert result.exit_code == 0
    shown = rows(result.output)
    assert shown["server.port"] == ["9001", config]
    assert shown["server.path"] == ["/webhook", "default"]
    assert shown["log.level"] == ["debug", "command", "line"]
    assert shown["rtms.buffer_data"] == ["true", "default"]
    assert shown["rtms.ca_file"] == ["-", "default"]
    assert shown["sinks.null.kinds"] == ["audio,", "chat", config]
    assert shown["apps.default.client_id"] == ["the-client-id", config]


def test_check_cuts_no_key_short(run, config):
    """In a narrow window, or a pipe, which counts as one."""
    wide = rows(run("check", "--config", config).output)
    narrow = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["check", "--config", config]).output.split()
    assert set(wide) - set(narrow) == set()


def test_check_masks_secrets(run, config):
    output = run("check", "--config", config).output
    assert "hunter" not in output
    assert rows(output)["apps.default.client_secret"] == ["***", config]
    assert rows(output)["apps.default.secret_token"] == ["***,", "***", config]


def test_check_lists_all_problems(run, config):
    result = run("check", "--config", config, "--set", "server.prt=1", "--set", "log.level=loud")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "command line: server.prt: is not known; did you mean 'server.port'?",
        "command line: log.level: must be one of debug, error, info, warning",
    ]


def test_check_takes_config_toml_if_there_is_one(run, config, tmp_path):
    assert run("check").exit_code == 2
    (tmp_path / "config.toml").write_text(CONFIG)
    assert rows(run("check").output)["server.port"] == ["9001", "config.toml"]


def test_check_says_what_is_not_used(run, config, tmp_path, monkeypatch):
    monkeypatch.setenv("ZM_RTMS_SECRET", "hunter5")
    second = '[[apps]]\nname = "b"\nclient_id = "i"\nclient_secret = "s"\nsecret_token = "t"\n'
    (tmp_path / "config.toml").write_text(CONFIG + second)
    output = run("check").output
    assert "Note: not used" in output
    assert "ZM_RTMS_SECRET" in output
    assert "hunter" not in output


@pytest.mark.parametrize("setting", ["server.port", "=1"])
def test_set_needs_key_and_value(run, setting):
    result = run("check", "--set", setting)
    assert result.exit_code == 2
    assert "KEY=VALUE" in result.stderr


# --- explain ---


def test_explain_lists_the_tables(run):
    assert list(rows(run("explain").output)) == list(EXPLAINABLE)


@pytest.mark.parametrize("table", EXPLAINABLE)
def test_explain_lists_a_table(run, table):
    assert len(rows(run("explain", table).output)) >= len(numbers_of(table))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["status", "3"], "status 3: INVALID_SIGNATURE"),
        (["stop", "user_left"], "stop 3: USER_LEFT"),
        (["stop", "STOP_BC_STREAM_REVOKED"], "stop 8: STREAM_REVOKED"),
        (["event", "2"], "event 2: ACTIVE_SPEAKER_CHANGE"),
        (["message", "12"], "message 12: KEEP_ALIVE_REQ"),
        (["status", "999"], "status 999: UNKNOWN_999"),
    ],
)
def test_explain_a_number(run, words, expected):
    result = run("explain", *words)
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == expected
    assert len(result.output.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["statsu"], "did you mean 'status'?"),
        (["stop", "user_lef"], "did you mean 'USER_LEFT'?"),
        (["status", "99999999999999999999"], "is no number or name of status"),
    ],
)
def test_explain_helps_with_bad_words(run, words, hint):
    result = run("explain", *words)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_tokens_are_in_the_audit_log(run, config):
    """Who was let in, and who is not any more; without the token itself."""
    made = run("token", "new", "ops", "--scope", "read", "--scope", "media", "--config", config)
    assert run("token", "revoke", "ops", "--config", config).exit_code == 0
    log = AuditLog(Path("rtms-state"))
    assert [(entry.action, entry.about) for entry in log.entries()] == [
        ("token_made", {"name": "ops", "scopes": "media, read"}),
        ("token_revoked", {"name": "ops"}),
    ]
    assert made.output.strip() not in log.path.read_text("utf-8")
