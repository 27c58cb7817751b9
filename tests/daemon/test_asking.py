"""``status``, ``why`` and ``tail``: what a running engine, its state and its recordings tell."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rtms_engine.daemon.cli import main
from rtms_engine.daemon.client import ServerSentEvent
from rtms_engine.daemon.commands.tail import line_of
from tests.daemon.running import Running, running

Run = Callable[..., Result]
CONFIG = """
[api]
port = {port}
[[apps]]
client_id = "ID"
client_secret = "SECRET"
secret_token = "TOKEN"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command line in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str) -> Result:
        runner = CliRunner(env={"COLUMNS": "200"})
        return runner.invoke(main, words, catch_exceptions=False, prog_name="rtms-engine")

    return invoke


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all tests of this module; the last of them ends its meeting."""
    with running(tmp_path_factory.mktemp("engine")) as one:
        yield one


def test_status(run: Run, engine: Running) -> None:
    shown = run("status", "--url", engine.url)
    assert shown.exit_code == 0
    assert engine.stream_id in shown.output
    assert "audio:" in shown.output
    (one,) = json.loads(run("status", "--json", "--url", engine.url).output)
    assert one["id"] == engine.stream_id
    assert one["state"] == "live"


@pytest.mark.parametrize("length", [6, 100, 0])
def test_why_there_is_no_video(run: Run, engine: Running, length: int) -> None:
    """By the beginning of the id, by all of it, and as the last one."""
    which = [engine.stream_id[:length]] if length else ["--last"]
    shown = run("why", *which, "--url", engine.url)
    assert shown.exit_code == 0
    assert "FAIL  video" in shown.output
    assert "Add the scope meeting:read:meeting_video" in shown.output
    assert "A webhook announced the stream" in shown.output


def test_what_nobody_knows(run: Run, engine: Running) -> None:
    unknown = run("why", "nobody", "--url", engine.url)
    assert unknown.exit_code == 1
    assert "Nobody knows" in unknown.stderr
    assert run("tail", "nobody", "--url", engine.url).exit_code == 1


@pytest.mark.parametrize("words", [("why",), ("why", "x", "--last"), ("status", "--json", "--watch")])
def test_words_that_do_not_go_together(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.parametrize("words", [("status",), ("tail",), ("why", "x")])
def test_without_an_engine(run: Run, tmp_path: Path, unused_tcp_port: int, words: tuple[str, ...]) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.format(port=unused_tcp_port))
    result = run(*words)
    assert result.exit_code == 1
    assert f"No engine answers at http://127.0.0.1:{unused_tcp_port}" in result.stderr
    assert run("status", "--url", "nonsense").exit_code == 2


def test_a_refused_token_says_how_to_get_one(run: Run, engine: Running, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("rtms_wrong\n")
    result = run("status", "--url", engine.url, "--token-file", "token")
    assert result.exit_code == 1
    assert "rtms-engine token new" in result.stderr


def test_tail_until_the_end_and_why_when_the_engine_is_gone(
    run: Run, engine: Running, tmp_path: Path, unused_tcp_port: int
) -> None:
    """The end is told; and afterwards what was kept has the same story."""
    engine.stop_meeting_soon()
    shown = run("tail", "--url", engine.url)
    assert shown.exit_code == 0, shown.output
    assert f"Stream {engine.stream_id}" in shown.output
    assert "TERMINATED" in shown.output
    assert "ending" in shown.output
    story = json.loads(run("why", "--last", "--json", "--url", engine.url).output)
    assert story["stream"]["stop_reason"]


def test_tail_shows_no_content_unless_wanted() -> None:
    said = ServerSentEvent(
        "transcript", {"timestamp_ms": 1_000, "text": "hello there", "speaker": {"user_id": 7, "name": "Ada"}}
    )
    assert str(line_of(said, content=False)) == "00:00:01.000  transcript  11 characters"
    assert str(line_of(said, content=True)) == "00:00:01.000  transcript  Ada: hello there"
    joined: dict[str, Any] = {
        "type": "participant_joined",
        "timestamp_ms": 0,
        "participant": {"user_id": 7, "name": "Ada"},
    }
    hidden = str(line_of(ServerSentEvent("participant_joined", joined), content=False))
    assert hidden == "00:00:00.000  participant_joined  participant=7"
    assert "Ada" in str(line_of(ServerSentEvent("participant_joined", joined), content=True))
    assert "3 events" in str(line_of(ServerSentEvent("missed", {"count": 3}), content=False))


def test_why_from_what_was_kept_and_from_a_recording(run: Run, tmp_path: Path, unused_tcp_port: int) -> None:
    """Without an engine: the state directory, then the recordings."""
    (tmp_path / "config.toml").write_text(CONFIG.format(port=unused_tcp_port))
    stories = tmp_path / "rtms-state" / "stories"
    stories.mkdir(parents=True)
    entry = {
        "at_ms": 1000,
        "level": "error",
        "event": "StreamRefused",
        "text": "The stream is not joined: full.",
    }
    story = {"id": "kept", "stream": None, "findings": [], "entries": [entry]}
    (stories / "kept.json").write_text(json.dumps(story))
    assert "The stream is not joined: full." in run("why", "ke").output
    folder = tmp_path / "recordings" / "day" / "meeting" / "recorded"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "events.jsonl").write_text("\n".join(EVENTS))
    shown = run("why", "rec").output
    assert "FAIL  video" in shown
    assert "OK    audio" in shown
    assert "The audio connection was lost: closed by the server with 1006 (abnormal)." in shown
    assert "It broke off without a farewell" in shown
    assert "1500 ms of audio are missing" in shown
    assert "Ada" not in shown
    assert "The stream ended: 6 MEETING_ENDED. The meeting is over." in shown


MANIFEST = {
    "schema_version": 1,
    "state": "done",
    "rtms_stream_id": "recorded",
    "entity_id": "meeting==",
    "product": "meeting",
    "app": "default",
    "started_ms": 1_000,
    "t0_ms": 1_000,
    "ended_ms": 9_000,
    "stop_reason": {"code": 6, "name": "MEETING_ENDED", "cause": "The meeting is over."},
    "media": {
        "requested": {"audio": {}, "video": {}},
        "granted": {"audio": {}},
        "refused": {"video": "status 10. Zoom does not give this app video in this meeting."},
    },
    "artefacts": [{"path": "audio/7.wav", "kind": "audio", "state": "done", "user_id": 7, "name": "Ada"}],
}
EVENTS = [
    '{"type": "participant_joined", "timestamp_ms": 1100, "participant": {"user_id": 7, "name": "Ada"}}',
    '{"type": "media_refused", "timestamp_ms": 1200, "kind": "video", "reason": "status 10"}',
    '{"type": "connection_lost", "timestamp_ms": 2000, "leg": "audio", '
    '"reason": "closed by the server with 1006 (abnormal)"}',
    '{"type": "gap_noted", "timestamp_ms": 3000, "kind": "audio", "start_ms": 2000, "end_ms": 3500, "cause": "lost"}',
    "not JSON",
    '{"type": "items_dropped", "timestamp_ms": 3000, "sink": "slow", "kind": "audio", "count": 3, "start_ms": 1, "end_ms": 2}',
]


def test_health_of_an_engine_and_of_none(
    run: Run, engine: Running, tmp_path: Path, unused_tcp_port: int
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.format(port=0))
    for words in (("health",), ("health", "--ready")):
        well = run(*words, "--set", f"server.port={engine.webhook_port}")
        assert well.exit_code == 0
        assert ": 200" in well.output
    nobody = run("health", "--set", f"server.port={unused_tcp_port}")
    assert nobody.exit_code == 1
    assert str(unused_tcp_port) in nobody.stderr
