import subprocess
import sys
from importlib.metadata import EntryPoint

import msgspec
import pytest

from rtms_engine.errors import ConfigError
from rtms_engine.model.media import ALL_KINDS, MediaKind
from rtms_engine.sinks import console, jsonl, registry
from rtms_engine.sinks.base import NoConfig, SinkSpec
from rtms_engine.sinks.registry import BUILT_IN, SinkConfig, build, find


class PlainSink:
    """A third party's sink with nothing to choose."""


class RichConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    depth: int = 1


class RichSink:
    config_type = RichConfig
    kinds = (MediaKind.AUDIO,)
    live = True

    def __init__(self, config):
        self.config = config


NOT_A_SINK = 5


@pytest.mark.parametrize("sink_type", BUILT_IN)
def test_the_built_in_sinks(sink_type):
    assert find(sink_type).name == sink_type


def test_a_sink_is_imported_when_it_is_asked_for():
    program = "import sys; from rtms_engine.sinks.registry import find; find('null'); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "rtms_engine.sinks.null" in result.stdout.split()
    assert not {"rtms_engine.sinks.jsonl", "rtms_engine.recording.sink", "av"} & set(result.stdout.split())


def test_a_spec_by_its_place():
    assert find("rtms_engine.sinks.console:SPEC") is console.SPEC


def test_a_class_without_attributes():
    spec = find(f"{__name__}:PlainSink")
    assert (spec.config_type, spec.kinds, spec.live) == (NoConfig, ALL_KINDS, False)
    assert isinstance(spec.factory(NoConfig()), PlainSink)


def test_a_class_with_attributes():
    ready = build(SinkConfig(f"{__name__}:RichSink", "deep", options={"depth": "3"}))
    assert (ready.name, ready.kinds, ready.config, ready.live) == (
        "deep",
        frozenset({MediaKind.AUDIO}),
        RichConfig(3),
        True,
    )
    assert ready.spec.factory(ready.config).config == RichConfig(3)


def test_entry_points(monkeypatch):
    installed = [EntryPoint("theirs", f"{__name__}:RichSink", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: installed)
    assert find("theirs").config_type is RichConfig


@pytest.mark.parametrize(
    ("sink_type", "problem"),
    [
        ("jsonll", "the sink type 'jsonll' is not known; did you mean 'jsonl'?"),
        ("zzz", "the sink type 'zzz' is not known; known are " + ", ".join(sorted(registry.BUILT_IN))),
        ("nowhere:Sink", "the sink type 'nowhere:Sink' cannot be imported: No module named 'nowhere'"),
        (
            "rtms_engine.sinks.null:Nil",
            "cannot be imported: module 'rtms_engine.sinks.null' has no attribute 'Nil'",
        ),
        (":", "cannot be imported"),
        (f"{__name__}:NOT_A_SINK", "is neither a SinkSpec nor a class"),
    ],
)
def test_a_type_that_is_not_there(sink_type, problem):
    with pytest.raises(ConfigError) as refused:
        find(sink_type)
    assert problem in str(refused.value)


def test_a_configured_sink():
    ready = build(SinkConfig("jsonl", kinds=frozenset({MediaKind.CHAT}), options={"path": "x"}))
    assert (ready.name, ready.spec, ready.kinds) == ("jsonl", jsonl.SPEC, frozenset({MediaKind.CHAT}))
    assert isinstance(ready.config, jsonl.JsonlConfig)


def test_the_kinds_are_the_specs_unless_said():
    assert build(SinkConfig("null")).kinds == ALL_KINDS
    assert build(SinkConfig("null", kinds=frozenset())).kinds == frozenset()


@pytest.mark.parametrize(
    ("sink_type", "kinds", "live"),
    [("callback", None, True), ("callback", frozenset({MediaKind.CHAT}), False), ("null", None, False)],
)
def test_only_who_wants_sound_soon_is_live(sink_type, kinds, live):
    options = {"callback": print} if sink_type == "callback" else {}
    assert build(SinkConfig(sink_type, kinds=kinds, options=options)).live is live


def test_every_problem_of_its_keys():
    with pytest.raises(ConfigError) as refused:
        build(SinkConfig("jsonl", "log", options={"pth": "x", "media": "maybe"}))
    assert refused.value.problems == (
        "sinks.log.pth: is not known; did you mean 'path'?",
        "sinks.log.path: is missing",
        "sinks.log.media: must be true or false",
    )


def test_a_spec_is_not_a_registry_entry_by_accident():
    assert all(isinstance(find(name), SinkSpec) for name in BUILT_IN)
