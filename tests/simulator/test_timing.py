"""The timeline and the windows."""

import asyncio

import pytest

from rtms_engine.simulator.timing import Timeline, Windows

pytestmark = pytest.mark.virtual_clock


async def test_a_timeline_at_four_times_the_speed() -> None:
    """Script time runs faster, and so does the time on the wire."""
    timeline = Timeline(1000, 4.0)
    await timeline.reach(2000)
    assert asyncio.get_running_loop().time() == 0.5
    assert (timeline.position_ms, timeline.unix_ms) == (2000, 3000)
    await timeline.reach(100)
    assert timeline.position_ms == 2000


async def test_windows() -> None:
    """They run out once, in the time of the first opening, unless they are closed."""
    ran_out: list[tuple[str, float]] = []
    loop, windows = asyncio.get_running_loop(), Windows()
    for name, seconds in (("a", 5), ("b", 6), ("c", 7), ("a", 60)):
        windows.open(name, seconds, lambda name=name: ran_out.append((name, loop.time())))  # type: ignore[misc]
    windows.close("b")
    windows.close("never opened")
    await asyncio.sleep(6.5)
    windows.close_all()
    await asyncio.sleep(60)
    assert ran_out == [("a", 5)]
