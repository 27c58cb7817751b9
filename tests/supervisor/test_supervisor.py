"""Starts, steers and ends the workers of all streams."""

import asyncio

import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import EndpointRefused
from rtms_engine.model.ids import StreamId
from rtms_engine.model.signals import (
    ConcurrencyLimited,
    ConcurrencyNearLimit,
    StartFailed,
    StreamStarted,
    StreamStopped,
)
from rtms_engine.supervisor.supervisor import Supervisor
from tests.supervisor.test_registry import interrupted, started, stopped

pytestmark = pytest.mark.virtual_clock


class AWorker:
    """Runs until it is told to end; then takes ``closing_s``."""

    closing_s = 0.0

    def __init__(self, start):
        self.start = start
        self.heard = []
        self.released = 0
        self.is_done = False
        self._told = asyncio.Event()

    def hear(self, signal):
        self.heard.append(signal)
        if isinstance(signal, StreamStopped):
            self._told.set()

    def request_end(self):
        self._told.set()

    def release(self):
        self.released += 1
        self._told.set()

    @property
    def is_over(self):
        return self._told.is_set()

    def statistics(self):
        return (self.start.stream_id, len(self.heard), self.is_done)

    async def run(self):
        await self._told.wait()
        await asyncio.sleep(self.closing_s)
        self.is_done = True
        return not self.released


class Crashing(AWorker):
    async def run(self):
        await super().run()
        raise ZeroDivisionError


class CrashingInAGroup(AWorker):
    async def run(self):
        await super().run()
        raise ExceptionGroup("tasks", [ZeroDivisionError()])


class Slow(AWorker):
    closing_s = 60.0


class Office:
    """A supervisor, and what it made and told."""

    def __init__(self, kind=AWorker, ended=None):
        self.made = []
        self.over = []
        self.kind = kind
        self.supervisor = Supervisor(self._make, ended or self._ended)

    def _make(self, start, resumed=False):
        if start.server_urls == ("wss://evil.example",):
            raise EndpointRefused("wss://evil.example", "off the list")
        worker = self.kind(start)
        self.made.append((worker, resumed))
        return worker

    async def _ended(self, stream_id, statistics):
        self.over.append((stream_id, statistics))

    def worker(self, n=0):
        return self.made[n][0]


def nothing_is_left():
    return asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stream_from_start_to_stop():
    office = Office()
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        assert list(supervisor.workers) == ["S"]
        await supervisor.accept(interrupted(2))
        await supervisor.accept(stopped(3))
        await asyncio.sleep(1)
        assert supervisor.workers == {}
        assert supervisor.recent == (("S", 2, True),)
    assert [type(signal).__name__ for signal in office.worker().heard] == [
        "StreamInterrupted",
        "StreamStopped",
    ]
    assert office.over == [("S", ("S", 2, True))]
    assert supervisor.verdicts() == {"start": 1, "interrupt": 1, "stop": 1}
    assert nothing_is_left()


async def test_a_failover_goes_to_the_same_worker():
    office = Office()
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        await supervisor.accept(started(1))
        await supervisor.accept(started(2, url="wss://b"))
        await supervisor.accept(started(1, url="wss://c"))
    assert len(office.made) == 1
    assert [signal.server_urls for signal in office.worker().heard] == [("wss://b",)]
    assert supervisor.verdicts() == {"start": 1, "stale": 2, "failover": 1}


async def test_streams_do_not_meet():
    office = Office()
    async with office.supervisor as supervisor:
        for name in "ABC":
            await supervisor.accept(started(1, name))
        await supervisor.accept(stopped(2, "B"))
        await asyncio.sleep(1)
        assert list(supervisor.workers) == ["A", "C"]
        assert {task.get_name() for task in asyncio.all_tasks()} >= {"stream:A", "stream:C"}
    assert [office.worker(n).heard for n in (0, 2)] == [[], []]


@pytest.mark.parametrize("kind", [Crashing, CrashingInAGroup])
async def test_a_crashing_worker_takes_nobody_along(kind):
    """A wall: the log has the traceback, the others go on, new streams start (DESIGN.md §7)."""
    office = Office()
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1, "good"))
        office.kind = kind
        await supervisor.accept(started(1, "bad"))
        with capture_logs() as logs:
            await supervisor.accept(stopped(2, "bad"))
            await asyncio.sleep(1)
        assert [log["event"] for log in logs if log["log_level"] == "error"] == ["StreamFailed"]
        assert list(supervisor.workers) == ["good"]
        office.kind = AWorker
        await supervisor.accept(started(1, "next"))
        assert list(supervisor.workers) == ["good", "next"]
    assert supervisor.recent[0] == ("bad", 1, True)
    assert nothing_is_left()


async def test_a_stream_that_must_not_be_joined():
    """Said in the log and forgotten; a failover to a good URL may come later."""
    office = Office()
    async with office.supervisor as supervisor:
        with capture_logs() as logs:
            await supervisor.accept(started(1, url="wss://evil.example"))
        assert [log["event"] for log in logs] == ["StreamRefused"]
        assert supervisor.workers == {}
        await supervisor.accept(started(2))
        assert list(supervisor.workers) == ["S"]
    assert supervisor.verdicts() == {"start": 2, "refused": 1}


async def test_leaving_lets_go_of_every_stream_and_waits():
    """Released, not ended: another engine may take them up, so nobody is told that they are over."""
    office = Office(Slow)
    async with office.supervisor as supervisor:
        for name in "AB":
            await supervisor.accept(started(1, name))
    assert [worker.released for worker, _ in office.made] == [1, 1]
    assert all(worker.is_done for worker, _ in office.made)
    assert asyncio.get_running_loop().time() == 60
    assert office.over == []
    assert nothing_is_left()


async def test_leaving_because_of_an_error():
    """The streams are let go of in the same way, and the error stays what it is."""
    office = Office(Slow)

    async def fails():
        async with office.supervisor as supervisor:
            await supervisor.accept(started(1))
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    assert office.worker().is_done
    assert nothing_is_left()


async def test_no_stream_starts_while_we_leave():
    office = Office(Slow)

    async def later(supervisor):
        await asyncio.sleep(1)
        with capture_logs() as logs:
            await supervisor.accept(started(1, "late"))
        assert logs[0]["event"] == "StreamRefused"

    async with asyncio.TaskGroup() as tasks, office.supervisor as supervisor:
        await supervisor.accept(started(1))
        tasks.create_task(later(supervisor))
    assert len(office.made) == 1


async def test_draining_waits_for_streams_to_end_by_themselves():
    office = Office()
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(supervisor.drain())
            await asyncio.sleep(5)
            assert not draining.done()
            await supervisor.accept(started(1, "late"))
            await supervisor.accept(stopped(2))
        assert list(supervisor.workers) == []
    assert len(office.made) == 1
    assert office.worker().released == 0


async def test_a_stream_that_an_earlier_engine_had():
    """Taken up; the stop that came meanwhile is heard too."""
    office = Office()
    async with office.supervisor as supervisor:
        await supervisor.take_up(started(1), None)
        await supervisor.take_up(started(1, "T"), stopped(2, "T"))
        await asyncio.sleep(1)
        assert list(supervisor.workers) == ["S"]
        assert [resumed for _, resumed in office.made] == [True, True]
        await supervisor.accept(started(1))
        await supervisor.accept(started(2))
    assert len(office.made) == 2
    assert [type(signal) for signal in office.worker().heard] == [StreamStarted]


@pytest.mark.parametrize("told", [True, False], ids=["stopped", "by itself"])
async def test_a_newer_start_waits_for_the_sinks_of_the_old_worker(told):
    """Never two workers for one stream: they would write over each other. It is not over in between."""
    office = Office(Slow)
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        if told:
            await supervisor.accept(stopped(2))
        else:
            office.worker().request_end()
        await asyncio.sleep(1)
        await supervisor.accept(started(3, url="wss://b"))
        await supervisor.accept(started(4, url="wss://c"))
        assert len(office.made) == 1
        await asyncio.sleep(60)
        assert supervisor.workers == {"S": office.worker(1)}
        assert office.worker(1).start.server_urls == ("wss://c",)
        assert office.over == []
        await supervisor.accept(started(5, url="wss://d"))
        assert [signal.server_urls for signal in office.worker(1).heard] == [("wss://d",)]
        await supervisor.accept(stopped(6))
        await asyncio.sleep(61)
        assert [stream_id for stream_id, _ in office.over] == ["S"]
    assert nothing_is_left()


async def test_a_stop_calls_off_a_start_that_waits():
    office = Office(Slow)
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        await supervisor.accept(stopped(2))
        await asyncio.sleep(1)
        await supervisor.accept(started(3))
        await supervisor.accept(stopped(4))
        await asyncio.sleep(61)
        assert len(office.made) == 1
        assert [stream_id for stream_id, _ in office.over] == ["S"]


async def test_a_start_that_waits_is_left_to_the_next_engine_by_one_that_leaves():
    """It is in the journal, as long as nobody says that the stream is over."""
    office = Office(Slow)
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        await supervisor.accept(stopped(2))
        await asyncio.sleep(1)
        await supervisor.accept(started(3))
    assert len(office.made) == 1
    assert office.over == []


async def test_who_is_told_of_an_end_may_fail():
    """That too takes nobody along."""

    async def fails(stream_id, statistics):
        raise OSError

    office = Office(ended=fails)
    async with office.supervisor as supervisor:
        await supervisor.accept(started(1))
        await supervisor.accept(started(1, "other"))
        await supervisor.accept(stopped(2))
        await asyncio.sleep(1)
        assert list(supervisor.workers) == ["other"]
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("signal", "event", "level"),
    [
        (ConcurrencyNearLimit("app", 1, 2000, 1601, 80), "ConcurrencyNeared", "warning"),
        (ConcurrencyLimited("app", 1, 2001, "U=="), "ConcurrencyExceeded", "error"),
        (StartFailed("app", 1, "why"), "StartFailed", "error"),
    ],
)
async def test_what_concerns_the_account_is_said(signal, event, level):
    async with Office().supervisor as supervisor:
        with capture_logs() as logs:
            await supervisor.accept(signal)
    assert [(log["event"], log["log_level"]) for log in logs] == [(event, level)]


@pytest.mark.parametrize("signal", [interrupted(1), stopped(1)])
async def test_what_concerns_no_stream_of_ours_is_said(signal):
    async with Office().supervisor as supervisor:
        with capture_logs() as logs:
            await supervisor.accept(signal)
    assert logs[0]["event"] == "WebhookIgnored"
    assert StreamId("S") not in supervisor.workers


async def test_work_that_nobody_waits_for_fails_alone():
    """A journal that cannot be read must not end the streams."""

    async def fail() -> None:
        raise OSError("the disk is gone")

    async with Office().supervisor as supervisor:
        await supervisor.accept(started(1))
        with capture_logs() as logs:
            supervisor.spawn(fail(), "errand")
            await asyncio.sleep(1)
        assert list(supervisor.workers) == ["S"]
    assert [log["event"] for log in logs] == ["WorkFailed"]
