"""``rtms-engine demo --chaos``, in virtual time: whatever the seed, all the sound is in the recording."""

import io
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from rtms_engine.daemon.commands.demo import Outcome, _mischief, _play
from rtms_engine.simulator import Plan

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


async def test_the_dashboard_is_there_while_it_stays(tmp_path: Path) -> None:
    shown = io.StringIO()
    looked: list[str] = []

    async def look(outcome: Outcome, dashboard: str) -> None:
        async with aiohttp.ClientSession() as client:
            for path in ("", "api/v1/recordings"):
                async with client.get(dashboard + path) as response:
                    assert response.status == 200
                    looked.append(await response.text())

    await _play(tmp_path, Console(file=shown, width=200), Plan(), capture=False, then=look)
    page, recordings = looked
    assert "<main" in page
    assert "Ada Park" in recordings
    assert "Watch it at http://127.0.0.1:" in shown.getvalue()


def test_seeds_differ() -> None:
    assert len({_mischief(seed) for seed in range(50)}) == 50
    assert all(
        sorted(a.at_ms for a in plan.actions) == [a.at_ms for a in plan.actions]
        for plan in map(_mischief, range(50))
    )
