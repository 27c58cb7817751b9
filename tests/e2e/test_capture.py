"""The packaged meeting, captured from a simulated Zoom: inspected, replayed, scrubbed, by its user."""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rtms_engine import RtmsConfig
from rtms_engine.capture import tape
from rtms_engine.capture.format import Kind
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.daemon.cli import main
from rtms_engine.model.media import MediaKind
from rtms_engine.model.reasons import StopReason
from rtms_engine.simulator import LiveMeeting, demo_script, synthetic_script
from tests.e2e.support import APP, over, recording, zoom_and_engine
from tests.support.clock import VirtualClockLoop


class Captured:
    """What a captured meeting left behind."""

    def __init__(self, folder: Path) -> None:
        self.recordings = folder / "recordings"
        self.captures = folder / "captures"
        self.meeting: LiveMeeting

    @property
    def file(self) -> Path:
        """The capture."""
        (path,) = self.captures.iterdir()
        return path

    async def play(self, stop_reason: int = 6) -> None:
        """The whole meeting, which costs no time."""
        rtms = RtmsConfig(allow_insecure_loopback=True, capture=True, capture_directory=str(self.captures))
        async with zoom_and_engine(recording(self.recordings), rtms=rtms) as (zoom, engine):
            self.meeting = await zoom.start(demo_script(), engine.webhook_url)
            if stop_reason == 8:
                await asyncio.sleep(5)
                while not self.captures.exists():
                    time.sleep(0.001)  # the thread writes in real time
                await self.meeting.stop(StopReason(stop_reason))
            await over(engine, self.meeting)


def play(folder: Path, **how: Any) -> Captured:
    """On the virtual clock; a replay wants a loop of its own."""
    captured = Captured(folder)
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(captured.play(**how))
    return captured


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """One meeting for all of these."""
    return play(tmp_path_factory.mktemp("captured"))


def run(*words: object) -> Result:
    """A command line."""
    runner = CliRunner(env={"COLUMNS": "120"})
    return runner.invoke(main, [str(word) for word in words], catch_exceptions=False)


def hashes(folder: Path) -> dict[str, str]:
    """Of every file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_two_replays_are_the_same_files_and_the_sound_is_that_of_the_live_one(
    captured: Captured, tmp_path: Path
) -> None:
    for again in ("one", "two"):
        result = run("replay", captured.file, "--out", tmp_path / again)
        assert result.exit_code == 0, result.output
        assert "203 audio" in result.output
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    live = hashes(captured.recordings)
    assert set(hashes(tmp_path / "one")) == set(live)
    for name, digest in hashes(tmp_path / "one").items():
        if name.endswith(
            (".wav", ".jpg", ".vtt", ".srt", "transcript.jsonl", "chat.jsonl", "participants.json")
        ):
            assert digest == live[name], name


@pytest.mark.parametrize("form", ["flac", "opus"])
def test_two_replays_are_the_same_in_every_format(captured: Captured, tmp_path: Path, form: str) -> None:
    """At two speeds: sound, moving pictures, texts, manifest."""
    config = tmp_path / "engine.toml"
    app = '[[apps]]\nclient_id = "a"\nclient_secret = "b"\nsecret_token = "c"\n'
    config.write_text(f'{app}[[sinks]]\ntype = "recording"\nformat = "{form}"\n')
    for speed in ("max", "50"):
        given = ("--config", config, "--out", tmp_path / speed, "--speed", speed)
        result = run("replay", captured.file, *given)
        assert result.exit_code == 0, result.output
    assert hashes(tmp_path / "max") == hashes(tmp_path / "50")
    suffixes = {Path(name).suffix for name in hashes(tmp_path / "max")}
    assert {f".{form}", ".mp4", ".jpg", ".json", ".jsonl", ".vtt", ".srt"} <= suffixes


def test_two_meetings_at_once_are_replayed_as_two(tmp_path: Path) -> None:
    """Each has a file of its own; their folder is one capture."""
    captured = Captured(tmp_path)

    async def both() -> list[LiveMeeting]:
        rtms = RtmsConfig(
            allow_insecure_loopback=True, capture=True, capture_directory=str(captured.captures)
        )
        async with zoom_and_engine(recording(captured.recordings), rtms=rtms) as (zoom, engine):
            scripts = [synthetic_script(speakers=n, duration_ms=4_000, camera=True) for n in (1, 3)]
            meetings = [await zoom.start(script, engine.webhook_url) for script in scripts]
            for meeting in meetings:
                await over(engine, meeting)
        return meetings

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        meetings = runner.run(both())
    for again in ("one", "two"):
        result = run("replay", captured.captures, "--out", tmp_path / again)
        assert result.exit_code == 0, result.output
    one, live = hashes(tmp_path / "one"), hashes(captured.recordings)
    assert one == hashes(tmp_path / "two")
    assert all(any(meeting.stream_id in name for name in one) for meeting in meetings)
    sounds = [name for name in one if name.endswith(".wav")]
    assert sum("mixed" in name for name in sounds) == 2
    assert len(sounds) > 4
    assert all(one[name] == live[name] for name in sounds)
    listed = json.loads(run("inspect", captured.captures, "--json").output)
    assert {two["stream_id"] for two in listed} == {meeting.stream_id for meeting in meetings}


def test_inspect_counts_what_zoom_sent(captured: Captured) -> None:
    result = run("inspect", captured.captures, "--json")
    assert result.exit_code == 0
    (one,) = json.loads(result.output)
    counted = {row["msg_type"]: row["messages"] for row in one["messages"] if row["direction"] == "in"}
    sent = captured.meeting.ledger.frames
    assert [counted[14 + n] for n in range(5)] == [
        sent[kind]
        for kind in (
            MediaKind.AUDIO,
            MediaKind.VIDEO,
            MediaKind.SHARE,
            MediaKind.TRANSCRIPT,
            MediaKind.CHAT,
        )
    ]
    assert {leg["leg"] for leg in one["legs"]} == {
        "signaling",
        "audio",
        "video",
        "share",
        "transcript",
        "chat",
    }
    assert one["gaps"] == one["damages"] == []
    assert one["ending"] == "MEETING_ENDED"
    table = run("inspect", captured.file).output
    assert "14 MEDIA_DATA_AUDIO" in table
    assert "webhook stopped: MEETING_ENDED" in table


def test_no_secret_is_in_it(captured: Captured) -> None:
    data = captured.file.read_bytes()
    with CaptureReader(captured.file) as reader:
        signed = [json.loads(one.data) for one in reader.records() if b'"signature"' in one.data]
    handshakes = [one for one in signed if isinstance(one, dict)]  # the webhook's start has none
    assert {one["signature"] for one in handshakes} == {"redacted"}
    assert len(handshakes) == 6
    for secret in (APP.client_secret, APP.secret_token):
        assert secret.encode() not in data


def originals(captured: Captured) -> set[str]:
    """Every name, text and id of the meeting."""
    script = demo_script()
    found: set[str] = {captured.meeting.stream_id}
    found |= {str(person.user_id) for person in script.participants}
    with CaptureReader(captured.file) as reader:
        for one in reader.records():
            if one.kind is Kind.RECEIVED and one.leg in ("transcript", "chat", "audio", "signaling"):
                found |= personal(json.loads(one.data))
        stream = reader.head.stream
        found |= {stream.entity_id, stream.meeting_id, stream.account_id, stream.operator_id}
    return found - {""}


def personal(value: Any, key: str = "") -> set[str]:
    """The texts, names and ids in a message."""
    if isinstance(value, dict):
        return {one for name, inner in value.items() for one in personal(inner, name)}
    if isinstance(value, list):
        return {one for inner in value for one in personal(inner, key)}
    if isinstance(value, str) and (key.endswith(("name", "id")) or (key == "data" and " " in value)):
        return {value}
    return set()


def test_a_scrubbed_copy_holds_nothing_of_the_meeting_and_replays(captured: Captured, tmp_path: Path) -> None:
    out = tmp_path / "scrubbed.rtmscap"
    result = run("inspect", captured.file, "--scrub", out)
    assert result.exit_code == 0
    data = out.read_bytes()
    wanted = originals(captured)
    assert {"Ada Park", "Ben Osei", "That was a nice silence.", captured.meeting.stream_id} <= wanted
    assert [one for one in wanted if one.encode() in data] == []
    assert b"Participant 2" in data
    with CaptureReader(captured.file) as before, CaptureReader(out) as after:
        old, new = list(before.records()), list(after.records())
    assert [(one.time_ns, one.kind, one.leg) for one in old] == [
        (one.time_ns, one.kind, one.leg) for one in new
    ]
    media = [(a, b) for a, b in zip(old, new, strict=True) if a.kind is Kind.RECEIVED and len(a.data) > 4_000]
    assert len(media) > 200
    assert not any(a.data[200:400] == b.data[200:400] for a, b in media)
    assert all(abs(len(a.data) - len(b.data)) < 100 for a, b in media)
    replayed = run("replay", out, "--out", tmp_path / "again")
    assert "203 audio, 525 video, 14 share, 8 transcript, 4 chat; MEETING_ENDED" in replayed.output
    (manifest,) = (tmp_path / "again").glob("*/*/*/manifest.json")
    assert json.loads(manifest.read_bytes())["state"] == "done"
    assert run("inspect", captured.file, "--scrub", out).exit_code == 2
    assert out.read_bytes() == data


def test_a_capture_of_a_killed_engine_is_replayed_and_says_so(captured: Captured, tmp_path: Path) -> None:
    whole = captured.file.read_bytes()
    (tmp_path / "cut.rtmscap").write_bytes(whole[: len(whole) // 2])
    result = run("replay", tmp_path / "cut.rtmscap", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "no whole record" in result.output
    assert "its engine was killed" in result.output
    (manifest,) = (tmp_path / "out").glob("*/*/*/manifest.json")
    assert json.loads(manifest.read_bytes())["artefacts"]


def test_damage_is_told_with_its_offset(captured: Captured, tmp_path: Path) -> None:
    data = bytearray(captured.file.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.rtmscap").write_bytes(data)
    for words in (("replay", "--sink", "null"), ("inspect", "--scrub", tmp_path / "scrubbed.rtmscap")):
        result = run(words[0], tmp_path / "bad.rtmscap", *words[1:])
        assert result.exit_code == 1
        assert "damaged from offset" in result.output if words[0] == "replay" else True


def test_what_is_no_capture(tmp_path: Path) -> None:
    (tmp_path / "x.rtmscap").write_bytes(b"RIFF, and so on")
    for command in ("replay", "inspect"):
        result = run(command, tmp_path / "x.rtmscap")
        assert (result.exit_code, "not a capture of rtms-engine" in result.output) == (2, True)
        assert run(command, tmp_path / "nothing").exit_code == 2
    assert run("replay", tmp_path, "--speed", "0").exit_code == 2
    assert run("replay", tmp_path / "x.rtmscap", "--sink", "recordin").exit_code == 2


def test_sinks_of_a_configuration(captured: Captured, tmp_path: Path) -> None:
    """Also where --out says; and at a speed."""
    config = tmp_path / "engine.toml"
    app = '[[apps]]\nclient_id = "a"\nclient_secret = "b"\nsecret_token = "c"\n'
    config.write_text(f'{app}[[sinks]]\ntype = "jsonl"\npath = "{tmp_path / "lines"}"\n')
    assert run("replay", captured.file, "--config", config, "--speed", "200").exit_code == 0
    assert run("replay", captured.file, "--config", config, "--out", tmp_path / "other").exit_code == 0
    assert hashes(tmp_path / "lines") == hashes(tmp_path / "other")
    assert run("replay", captured.file, "--sink", "jsonl", "--out", tmp_path / "third").exit_code == 0
    assert hashes(tmp_path / "lines") == hashes(tmp_path / "third")


def test_a_revoked_stream_takes_its_capture_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "FLUSH_S", 0.01)
    captured = play(tmp_path, stop_reason=8)
    assert list(captured.captures.iterdir()) == []
