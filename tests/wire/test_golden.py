"""Every message as V1.md writes it down (golden/*.json), read and, where we would send it, written.

The files come from the examples of V1.md, never from our encoder.
"""

import json
from pathlib import Path

import msgspec
import pytest

from rtms_engine.model.signals import StreamStarted
from rtms_engine.webhook.parse import parse
from rtms_engine.wire import messages
from rtms_engine.wire.json_codec import decode, encode

GOLDEN = Path(__file__).parent / "golden"


def golden(folder, *, sent_by=None, keeps_every_key=True):
    """The files of a folder; of those that one side sends; without those that keep unknown keys on purpose."""
    files = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    return [
        pytest.param(file, id=name)
        for name, file in files.items()
        if sent_by in (None, file.get("from"))
        and (keeps_every_key or not {"fields", "event"} & set(file["means"]))
    ]


def meant(file):
    return msgspec.convert(file["means"], getattr(messages, file["type"]))


def without_extras(message):
    """The message without what official clients add or leave empty, and we do not send."""
    return {key: value for key, value in message.items() if key != "rtms_client_agent" and value is not None}


@pytest.mark.parametrize("file", golden(GOLDEN))
@pytest.mark.parametrize("ascii_only", [True, False])
def test_it_means_what_zoom_says_it_means(file, ascii_only):
    """Escaped or not, the JSON of a golden file becomes the value that it names."""
    assert decode(json.dumps(file["message"], ensure_ascii=ascii_only).encode()) == meant(file)


@pytest.mark.parametrize("file", golden(GOLDEN))
def test_it_is_read_the_same_with_its_keys_in_another_order(file):
    """The order of keys means nothing; official clients sort theirs."""
    assert decode(json.dumps(file["message"], sort_keys=True).encode()) == meant(file)


@pytest.mark.parametrize("file", golden(GOLDEN, sent_by="client"))
def test_what_a_client_says_is_written_as_official_clients_write_it(file):
    """Equal as JSON, key by key, with integers for all enumerations."""
    assert json.loads(encode(meant(file))) == without_extras(file["message"])


@pytest.mark.parametrize("file", golden(GOLDEN, keeps_every_key=False))
def test_unknown_keys_are_ignored(file):
    """V2 and every quarter's release add some (V1.md §10.6)."""
    later = {**file["message"], "srt_passphrase": "p", "x": {"y": [None, 1.5]}}
    assert decode(json.dumps(later).encode()) == meant(file)


@pytest.mark.parametrize("file", golden(GOLDEN, keeps_every_key=False))
def test_null_is_the_same_as_missing(file):
    """Of keys that the message does not have."""
    assert decode(json.dumps({"stop_reason": None, "event_ts": None, **file["message"]}).encode()) == meant(
        file
    )


def test_every_message_type_has_a_golden_file():
    """One at least for each number of V1.md §9.1 that carries something (23 stands for 24 to 27)."""
    numbers = {path.name[:2] for path in GOLDEN.glob("*.json")}
    assert numbers >= {f"{n:02}" for n in [*range(1, 24), 28, 29]}


@pytest.mark.parametrize("file", golden(GOLDEN / "webhooks"))
def test_webhooks(file):
    """The webhooks of all products and nestings, as V1.md writes them down."""
    signal = parse(json.dumps(file["body"]).encode(), "app", 0)
    assert type(signal).__name__ == file["type"]
    said = {name: getattr(signal, name) for name in file["means"]}
    if "product" in said:
        said["product"] = said["product"].name
    assert json.loads(msgspec.json.encode(said)) == file["means"]
    if isinstance(signal, StreamStarted):
        assert signal.app == "app"
