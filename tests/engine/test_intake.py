"""Durable first, then acted on: in order, and one in each turn of the loop."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from rtms_engine.engine.intake import Intake
from rtms_engine.errors import ShuttingDown
from tests.supervisor.test_registry import started, stopped
from tests.supervisor.test_supervisor import AWorker, Office

pytestmark = pytest.mark.virtual_clock

UNIX_S = 1738392033.0
NOW_MS = int(UNIX_S * 1000)


@asynccontextmanager
async def an_intake(office, directory=None):
    async with Intake(directory, office.supervisor, lambda: UNIX_S) as intake, office.supervisor:
        yield intake
        await intake.rest()


def of(number):
    return started(NOW_MS, f"stream-{number}")


async def test_all_are_answered_before_the_last_one_is_begun():
    office = Office()
    async with an_intake(office) as intake:
        begun = []
        for number in range(50):
            await intake.take(of(number))
            begun.append(len(office.made))
        assert begun[-1] < 50
        await intake.rest()
        assert [worker.start.stream_id for worker, _ in office.made] == [f"stream-{n}" for n in range(50)]
        assert intake.depth == 50


async def test_between_two_of_them_everything_else_has_its_turn():
    office = Office()
    async with an_intake(office) as intake:
        for number in range(5):
            await intake.take(of(number))
        made = []
        while len(office.made) < 5:
            made.append(len(office.made))
            await asyncio.sleep(0)
        assert all(after - before <= 1 for before, after in itertools.pairwise(made))


async def test_a_stop_right_behind_a_start_finds_its_stream():
    office = Office()
    async with an_intake(office) as intake:
        await intake.take(of(1))
        acted = await intake.take(stopped(NOW_MS + 1, "stream-1"))
        await acted
        assert [type(signal).__name__ for signal in office.made[0][0].heard] == ["StreamStopped"]


async def test_the_same_delivery_again_is_not_acted_on():
    office = Office()
    async with an_intake(office) as intake:
        assert await intake.take(of(1)) is not None
        assert await intake.take(of(1)) is None
        await intake.rest()
        assert len(office.made) == 1


async def test_a_defect_in_one_leaves_the_others_alone():
    class Defective(AWorker):
        def __init__(self, start):
            if start.stream_id == "stream-1":
                raise ZeroDivisionError
            super().__init__(start)

    office = Office(Defective)
    with capture_logs() as logs:
        async with an_intake(office) as intake:
            acted = await intake.take(of(1))
            await intake.take(of(2))
            await acted
            await intake.rest()
            assert [worker.start.stream_id for worker, _ in office.made] == ["stream-2"]
    assert [entry["signal"] for entry in logs if entry["event"] == "SignalFailed"] == ["StreamStarted"]


async def test_what_was_taken_just_before_the_end_is_left_to_the_next_engine(tmp_path):
    office = Office()
    async with an_intake(office, tmp_path) as intake:
        await intake.take(of(1))
        office.supervisor.release()
        await intake.rest()
        assert intake.depth == 1
        with pytest.raises(ShuttingDown):
            await intake.take(of(2))
    assert office.made == []
    later = Office()
    async with Intake(tmp_path, later.supervisor, lambda: UNIX_S) as intake, later.supervisor:
        await intake.take_up(lambda _: None)
        assert [(worker.start.stream_id, resumed) for worker, resumed in later.made] == [
            ("stream-1", True),
            ("stream-2", True),
        ]
