"""``config.example.toml`` is good as it is, names every key, and says the defaults truly."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from rtms_engine import schema
from rtms_engine.config import NotificationConfig, SinkConfig, load
from rtms_engine.config.apps import KEYS as APP_KEYS
from rtms_engine.config.loading import SECTIONS, SINK_KEYS
from rtms_engine.notifications.progress import EVENTS
from rtms_engine.sinks import registry

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
NO_TRUE_DEFAULT = {
    "rtms.ca_file",
    "encryption.key_file",
    "sinks.webhook.secrets",
    "sinks.webhook.secrets_file",
    "sinks.http.token",
    "sinks.http.token_file",
    "sinks.websocket.tokens",
    "sinks.websocket.tokens_file",
}
"""Keys whose default, nothing at all, TOML cannot spell."""


@pytest.fixture(scope="module")
def uncommented():
    """The example with every commented-out key and table in force."""
    return tomllib.loads(
        re.sub(r"^# (?=\w+ = |\[[\w.\[\]]+\]$)", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    )


def section(document, name):
    for part in name.split("."):
        document = document[part]
    return document


def test_it_loads_as_it_is():
    loaded = load(EXAMPLE, environ={})
    assert [app.name for app in loaded.config.apps] == ["default"]
    assert [sink.type for sink in loaded.config.sinks] == ["recording"]


def test_its_tables_are_all_there_are(uncommented):
    media = {f"media.{name}" for name in uncommented["media"]}
    assert {*uncommented, *media} - {"media"} == {*SECTIONS, "apps", "sinks", "notifications"}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_section(uncommented, name):
    assert set(section(uncommented, name)) == set(SECTIONS[name].__struct_fields__)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_defaults_are_the_true_ones(uncommented, name):
    for field in msgspec.structs.fields(SECTIONS[name]):
        if f"{name}.{field.name}" not in NO_TRUE_DEFAULT:
            value = section(uncommented, name)[field.name]
            assert msgspec.convert(value, field.type) == field.default, field.name


def test_every_key_of_an_app(uncommented):
    assert set(uncommented["apps"][0]) == set(APP_KEYS)


def test_every_key_of_a_notification(uncommented):
    (table,) = uncommented["notifications"]
    assert set(table) == set(NotificationConfig.__struct_fields__)
    assert tuple(table["events"]) == EVENTS
    assert table["allow_private"] is False


def test_every_built_in_sink_and_its_keys(uncommented):
    sinks = {sink["type"]: set(sink) for sink in uncommented["sinks"]}
    assert set(sinks) == set(registry.BUILT_IN)
    assert set(SINK_KEYS) <= sinks["recording"]
    for name, keys in sinks.items():
        assert keys - set(SINK_KEYS) == set(registry.find(name).config_type.__struct_fields__), name


def test_what_it_says_of_delivery_is_true_of_recordings(uncommented):
    delivery = uncommented["sinks"][0]["delivery"]
    assert delivery == msgspec.to_builtins(registry.build(SinkConfig("recording")).delivery)


def test_the_defaults_of_sinks_are_the_true_ones(uncommented):
    for sink in uncommented["sinks"]:
        config_type = registry.find(sink["type"]).config_type
        for field in msgspec.structs.fields(config_type):
            if not field.required and f"sinks.{sink['type']}.{field.name}" not in NO_TRUE_DEFAULT:
                said = schema.convert(
                    msgspec.defstruct("Said", [(field.name, field.type)]), {field.name: sink[field.name]}
                )
                assert getattr(said, field.name) == field.default, (sink["type"], field.name)
