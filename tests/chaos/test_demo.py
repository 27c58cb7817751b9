"""``rtms-engine demo --chaos``, in virtual time: whatever the seed, all the sound is in the recording."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from rtms_engine.daemon.commands.demo import _mischief, _play

pytestmark = pytest.mark.virtual_clock


@pytest.mark.parametrize("seed", range(6))
async def test_the_demo_survives(tmp_path: Path, seed: int) -> None:
    shown = io.StringIO()
    outcome = await _play(tmp_path, Console(file=shown, width=200), _mischief(seed), capture=False)
    assert not outcome.problems
    story = shown.getvalue()
    for deed in (
        "(reset)",
        "loses the signaling",
        "another server",
        "garbage",
        "small pieces",
        "back: signaling",
    ):
        assert deed in story


def test_seeds_differ() -> None:
    assert len({_mischief(seed) for seed in range(50)}) == 50
    assert all(
        sorted(a.at_ms for a in plan.actions) == [a.at_ms for a in plan.actions]
        for plan in map(_mischief, range(50))
    )
