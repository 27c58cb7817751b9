"""One timer for one machine."""

import asyncio

import pytest

from rtms_engine.stream.alarm import Alarm

pytestmark = pytest.mark.virtual_clock


class Machine:
    """Rings are noted; a ring moves the deadline as told."""

    def __init__(self, deadline, then=()):
        self.at = deadline
        self.rings = []
        self._then = iter(then)
        self.alarm = Alarm(lambda: self.at, self._ring)

    def _ring(self, now):
        self.rings.append(now)
        self.at = next(self._then, None)


async def test_it_rings_at_the_deadline():
    machine = Machine(5.0)
    machine.alarm.arm()
    await asyncio.sleep(20)
    assert machine.rings == [5.0]


async def test_a_deadline_that_moves_away_is_not_missed():
    """The timer fires at the old time, finds that it is early, and sleeps on."""
    machine = Machine(5.0)
    machine.alarm.arm()
    machine.at = 12.0
    await asyncio.sleep(20)
    assert machine.rings == [12.0]


async def test_a_deadline_that_comes_nearer_must_be_armed():
    machine = Machine(50.0)
    machine.alarm.arm()
    machine.at = 3.0
    machine.alarm.arm()
    await asyncio.sleep(60)
    assert machine.rings == [3.0]


async def test_it_goes_on_by_itself():
    machine = Machine(1.0, then=[2.0, 7.0])
    machine.alarm.arm()
    await asyncio.sleep(20)
    assert machine.rings == [1.0, 2.0, 7.0]


async def test_a_deadline_that_was_in_the_past_rings_soon():
    await asyncio.sleep(10)
    machine = Machine(5.0)
    machine.alarm.arm()
    await asyncio.sleep(0.1)
    assert machine.rings == [10.0]


async def test_no_deadline_no_ring():
    machine = Machine(None)
    machine.alarm.arm()
    machine.at = 5.0
    machine.alarm.arm()
    machine.at = None
    await asyncio.sleep(20)
    assert machine.rings == []


@pytest.mark.parametrize("armed", [True, False])
async def test_cancelled(armed):
    machine = Machine(5.0)
    if armed:
        machine.alarm.arm()
    machine.alarm.cancel()
    machine.alarm.cancel()
    await asyncio.sleep(20)
    assert machine.rings == []
