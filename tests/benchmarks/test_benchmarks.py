"""The benchmarks still run; what they find is asserted nowhere, since machines are shared."""

import json
import subprocess
import sys

import pytest

from benchmarks import plots
from benchmarks.encoded import STAMP_BYTES, Audio
from benchmarks.frame import REGISTRY, Result, Series, benchmark, in_turns, line, ratio_of
from benchmarks.load import carry
from benchmarks.zoom import Load
from rtms_engine.wire.json_codec import decode


@pytest.mark.parametrize(
    "name", ["decode", "receive", "memory", "sessions", "webhooks", "recorded", "takeover", "recording"]
)
def test_it_runs(name):
    """In the smallest size; each has a question and at least one ratio."""
    found = line(name, "smoke", benchmark(name).measure("smoke"))
    assert benchmark(name).QUESTION
    assert found["ratio"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("contestant", ["raw", "naive"])
def test_a_load_is_carried_without_loss(contestant):
    """What pipeline, streams and peers are made of; the engine is carried by `memory`."""
    carried = carry(contestant, Load(streams=3, speakers=2, seconds=0.1))
    assert carried.sent == 3 * 2 * 5
    assert contestant == "raw" or carried.lost == 0


def test_those_that_need_minutes_can_be_found():
    for name in REGISTRY:
        assert benchmark(name).QUESTION
        assert callable(benchmark(name).measure)


def test_a_table_and_a_picture(tmp_path):
    """As a user asks for them."""
    command = [sys.executable, "-m", "benchmarks", "decode", "--size", "smoke", "--json", tmp_path / "lines"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "audio_20ms_times_faster" in shown
    assert json.loads((tmp_path / "lines").read_text())["versions"]["python"]


def test_pictures(tmp_path):
    series = [Series("a", "streams", "µs", [(1, 2.0), (2, 3.0)]), Series("b", "streams", "ms", [(1, 1.0)])]
    pictures = list(plots.draw("some", Result({}, {}, series), tmp_path))
    assert [picture.read_bytes()[:4] for picture in pictures] == [b"\x89PNG"] * 2


def test_an_unknown_name():
    command = [sys.executable, "-m", "benchmarks", "speed"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "no benchmark speed; there are decode" in told.stderr


def test_turns():
    """A B A B, and the median of the ratios of the rounds."""
    calls = []
    found = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b", "a", "b"]
    assert found == {"a": [None, None], "b": [None, None]}
    assert ratio_of([2, 9, 4], [1, 1, 2]) == 2


def test_pre_encoded_sound_is_what_zoom_sends():
    """Stamped with its time at the head of the payload."""
    message = decode(Audio(7, "A", 20).message(b"MDAwMDAwMDAwMDQy", b"1738392033699"))
    assert (message.content.user_id, message.content.timestamp) == (7, 1738392033699)
    assert len(message.content.data) == message.content.length == 640
    assert message.content.data[:STAMP_BYTES] == b"000000000042"
