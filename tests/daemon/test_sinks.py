"""``rtms-engine sinks``: what is installed, and what is broken."""

from importlib.metadata import EntryPoint

import msgspec
from click.testing import CliRunner

from rtms_engine.daemon.cli import main
from rtms_engine.daemon.commands import sinks as command
from rtms_engine.sinks import registry


class DeepConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    depth: int = 3
    """How deep to dig,
    in metres."""


class Deep:
    config_type = DeepConfig
    blocking = True


def shown(*arguments):
    result = CliRunner().invoke(main, ["sinks", *arguments])
    return result.exit_code, result.output


def test_every_built_in_with_its_keys():
    code, output = shown()
    assert code == 0
    for name in registry.BUILT_IN:
        assert f"{name}  (built in)" in output
    assert 'directory  a text (default: "recordings")' in output
    assert 'overflow = { audio = "spill", video = "spill", share = "spill"' in output
    assert "path  a path (required)" in output
    assert "queue_items  a whole number from 1 (default: 100000)" in output


def test_one_of_somebody_elses():
    code, output = shown(f"{__name__}:Deep")
    assert code == 0
    assert "depth  a whole number (default: 3)" in output
    assert "How deep to dig, in metres." in output
    assert "thread of its own" in output


def test_a_broken_one_is_shown_and_the_others_too(monkeypatch, tmp_path):
    (tmp_path / "broken_sink.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        EntryPoint("broken", "broken_sink:SPEC", registry.GROUP),
        EntryPoint("deep", f"{__name__}:Deep", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(command, "entry_points", lambda group: points)
    code, output = shown()
    assert code == 0
    assert "broken  (entry point)" in output
    assert "ZeroDivisionError" in output
    assert "deep  (entry point)" in output
    code, output = shown("broken")
    assert code == 1


def test_one_that_is_not_there():
    code, output = shown("nul")
    assert code == 1
    assert "did you mean 'null'?" in output
