"""Reading scripts: what is derived, and clear errors."""

import json
from pathlib import Path
from typing import Any

import pytest

from rtms_engine.errors import ConfigError
from rtms_engine.simulator import Script, demo_script, load_script, synthetic_script
from tests.support.media import MEDIA, needs_media

A = {"user_id": 1, "user_name": "A"}


def written(folder: Path, **fields: Any) -> Path:
    """A script file."""
    path = folder / "meeting.json"
    path.write_text(json.dumps({"duration_ms": 1000, **fields}))
    return path


def test_the_demo() -> None:
    """Two people, all kinds of media."""
    script = demo_script()
    assert (len(script.participants), len(script.utterances), script.stop_reason) == (2, 8, 6)
    assert script.video
    assert script.share
    assert script.chat


def test_only_utterances_are_needed(tmp_path: Path) -> None:
    """Participants are derived from who acts; a clip may be left out."""
    said = {**A, "start_ms": 0, "end_ms": 500}
    line = {"user_id": 2, "user_name": "B", "at_ms": 5, "text": "hi"}
    script = load_script(written(tmp_path, utterances=[said], chat=[line]))
    assert [who.user_name for who in script.participants] == ["A", "B"]


@needs_media
def test_files_are_relative_to_the_script() -> None:
    """And found from anywhere."""
    script = load_script(MEDIA / "meeting.json")
    assert all(script.path(said.file).is_file() for said in script.utterances)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"utterances": 5}, "$.utterances"),
        ({"utterences": []}, "utterences"),
        ({"utterances": [{**A, "start_ms": 0}]}, "$.utterances[0]"),
        ({"utterances": [{**A, "start_ms": 500, "end_ms": 400}]}, "$.utterances[0]: start_ms (500)"),
        ({"utterances": [{**A, "start_ms": 0, "end_ms": 1001}]}, "duration_ms (1000)"),
        ({"utterances": [{**A, "start_ms": 0, "end_ms": 9, "file": "no.wav"}]}, "no.wav"),
        ({"utterances": [{**A, "start_ms": s, "end_ms": s + 100} for s in (0, 50)]}, "A speaks already"),
        ({"video": [{**A, "start_ms": 0, "file": "no.h264", "fps": 99}]}, "$.video[0].fps"),
        ({"share": [{**A, "start_ms": 0, "end_ms": 9, "files": []}]}, "$.share[0].files"),
        ({"chat": [{**A, "at_ms": 2000, "text": ""}]}, "$.chat[0].at_ms"),
        ({"events": [{"at_ms": 1, "type": "explode"}]}, "$.events[0].type"),
    ],
)
def test_errors_name_file_and_place(tmp_path: Path, fields: dict[str, Any], problem: str) -> None:
    """So that a person can mend it."""
    path = written(tmp_path, **fields)
    with pytest.raises(ConfigError) as error:
        load_script(path)
    assert str(path) in str(error.value)
    assert problem in str(error.value)


def test_no_script_and_no_json(tmp_path: Path) -> None:
    """The same error for both."""
    with pytest.raises(ConfigError, match="No such file"):
        load_script(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match=r"bad\.json"):
        load_script(tmp_path / "bad.json")


def test_synthetic_scripts() -> None:
    """Turns or everybody at once."""
    turns = synthetic_script(3, 10_000, 2000)
    assert [said.user_name[-1] for said in turns.utterances] == ["1", "2", "3", "1", "2"]
    assert len(synthetic_script(3, 10_000, 2000, overlap=True).utterances) == 15
    assert len(synthetic_script(chat_every_ms=1000).chat) == 10
    assert isinstance(turns, Script)
