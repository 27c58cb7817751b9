"""The manifest says what is there, and its schema says what a manifest may say."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtms_engine.model.events import ActiveSpeakerChanged, ItemsDropped, MediaGranted, Participant
from rtms_engine.model.frames import ChatMessage, TranscriptSegment
from rtms_engine.model.media import MediaKind
from rtms_engine.recording.manifest import Billing
from rtms_engine.recording.manifest_schema import PATH, schema
from tests.recording.support import (
    ANA,
    CEM,
    END,
    REVOKED,
    STREAM,
    T0,
    folder_in,
    manifest_of,
    opened,
    ramp,
    record,
    sound,
)

SAID = TranscriptSegment(STREAM.stream_id, ANA, T0 + 900, 0.0, "hello", T0, T0 + 900)
WROTE = ChatMessage(STREAM.stream_id, CEM, T0 + 5, 0.0, "hi", message_id="m1")


def test_the_schema_is_current_and_shipped() -> None:
    assert PATH.read_bytes() == schema(), "run: python -m rtms_engine.recording.manifest_schema"
    assert resources.files("rtms_engine.recording").joinpath("manifest.schema.json").is_file()


def unknown_keys(value: Any, kind: dict[str, Any], parts: dict[str, Any], at: str = "") -> list[str]:
    """Where a value says something that its schema does not know, or lacks what it demands."""
    kind = parts[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind
    if "anyOf" in kind:
        return min((unknown_keys(value, one, parts, at) for one in kind["anyOf"]), key=len)
    if isinstance(value, list):
        return [w for n, v in enumerate(value) for w in unknown_keys(v, kind["items"], parts, f"{at}/{n}")]
    if not isinstance(value, dict):
        return [] if kind.get("enum") is None or value in kind["enum"] else [at]
    wrong = [f"{at}/{key}" for key in kind.get("required", []) if key not in value]
    for key, inner in value.items():
        shape = kind.get("properties", {}).get(key) or kind.get("additionalProperties")
        wrong += unknown_keys(inner, shape, parts, f"{at}/{key}") if isinstance(shape, dict) else []
        wrong += [] if shape or "properties" not in kind else [f"{at}/{key}"]
    return wrong


@pytest.mark.parametrize(("ending", "which"), [(END, 0), (REVOKED, 1)])
def test_manifests_are_as_the_schema_says(tmp_path: Path, ending: Any, which: int) -> None:
    document = json.loads(schema())
    content = manifest_of(record(tmp_path, [sound(0, ramp(1)), SAID, WROTE], ending=ending))
    assert unknown_keys(content, document["oneOf"][which], document["$defs"]) == []
    assert unknown_keys({"state": "odd"}, document["oneOf"][which], document["$defs"]) != []


async def test_the_tracks_are_listed_while_they_grow(tmp_path: Path) -> None:
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1))])
    artefacts = manifest_of(folder_in(tmp_path))["artefacts"]
    assert [(a["path"], a["state"]) for a in artefacts] == [
        (f"audio/{ANA.user_id}.wav", "recording"),
        ("audio/mixed.wav", "recording"),
    ]
    await sink.close(END)
    for artefact in manifest_of(folder_in(tmp_path))["artefacts"]:
        content = (folder_in(tmp_path) / artefact["path"]).read_bytes()
        assert artefact["state"] == "done"
        assert (artefact["bytes"], artefact["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_texts_are_derived_and_listed(tmp_path: Path) -> None:
    spoke = ActiveSpeakerChanged(T0 + 10, Participant(ANA.user_id, ANA.name))
    folder = record(tmp_path, [SAID, WROTE, spoke])
    kinds = {artefact["path"]: artefact["kind"] for artefact in manifest_of(folder)["artefacts"]}
    assert kinds == {
        "transcript.jsonl": "transcript",
        "transcript.vtt": "subtitles",
        "transcript.srt": "subtitles",
        "transcript.recall.json": "transcript_words",
        "speaker_timeline.json": "speaker_timeline",
        "chat.jsonl": "chat",
        "chat.json": "chat_messages",
        "events.jsonl": "events",
        "participants.json": "participants",
    }
    [turn] = json.loads((folder / "speaker_timeline.json").read_bytes())
    assert turn["end_timestamp"]["relative"] == 40
    [line] = (folder / "transcript.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "id": "#1",
        "rev": 1,
        "operation": "new",
        "speaker": {"id": ANA.user_id, "name": ANA.name, "source": "packet"},
        "text": "hello",
        "lang": "",
        "start_ms": T0,
        "end_ms": T0 + 900,
        "placed": "zoom",
        "ts_zoom": T0 + 900,
        "final": True,
    }


def test_what_sinks_dropped_and_what_zoom_may_bill(tmp_path: Path) -> None:
    ending = msgspec.structs.replace(END, timestamp_ms=T0 + 60_001)
    granted = MediaGranted(T0, MediaKind.TRANSCRIPT, {})
    lost = [ItemsDropped(T0 + at, "slow", "video", 3, T0, T0 + at) for at in (1, 2)]
    content = manifest_of(record(tmp_path, [granted, lost[0]], [lost[1], sound(0, ramp(1))], ending=ending))
    assert content["dropped"] == [{"sink": "slow", "kind": "video", "count": 6}]
    assert content["billing"] == {"class": "with_transcript", "minutes": 2}
    assert Billing.estimate([MediaKind.AUDIO], T0, T0 - 5) == Billing("without_transcript", 0)
