"""A little of every fuzz target with every run of the suite; ``python -m tests.fuzz`` has the patience."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import __main__ as command
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, Target, corpus_of


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_and_every_former_finding(name: str) -> None:
    """What is meant to be read, and what once was a finding."""
    assert corpus_of(name)
    for data in corpus_of(name):
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_that_are_nearly_right(name: str) -> None:
    """A few hundred, from any seed."""

    @settings(deadline=None, max_examples=15)
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(5):
            TARGETS[name].run(mutated(corpus_of(name), dice))

    check()


@pytest.mark.parametrize("name", ["wire", "webhook", "h264"])
def test_inputs_that_are_nothing_at_all(name: str) -> None:
    """Any bytes."""

    @settings(deadline=None, max_examples=60)
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        TARGETS[name].run(data)

    check()


def test_a_finding_is_written_down(tmp_path, monkeypatch, capsys) -> None:
    """A crash ends the run with 1, and its input is kept."""

    def crash(data: bytes) -> None:
        raise ValueError(len(data))

    monkeypatch.setitem(TARGETS, "wire", Target(lambda: [b"abc"], crash))
    corpus_of.cache_clear()
    monkeypatch.setattr(sys, "argv", ["fuzz", "wire", "--inputs", "3", "--out", str(tmp_path)])
    assert command.main() == 1
    assert len(list((tmp_path / "wire").iterdir())) == 1
    assert "ValueError" in capsys.readouterr().err
    corpus_of.cache_clear()


def test_the_command() -> None:
    """As it stands in SECURITY.md."""
    run = [sys.executable, "-m", "tests.fuzz", "wire", "--inputs", "200"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "no crash, no hang" in done.stdout
