"""The task around one sink: bounded, patient, and never in anybody's way."""

import asyncio
import contextvars
import gc
import time

import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import SinkError
from rtms_engine.model.events import ItemsDropped, SinkDetached
from rtms_engine.model.reasons import StopReason
from rtms_engine.sinks.base import Ending
from rtms_engine.sinks.delivery import Delivery, Overflow
from rtms_engine.sinks.spill import DiskSpill
from rtms_engine.stream.sink_runner import SinkRunner
from tests.stream.items import ALL, ENDING, INFO, KeepingSink, joined, picture, sound, text, times

pytestmark = pytest.mark.virtual_clock


class Running:
    """A runner and its task."""

    linger_s = 0.5

    def __init__(self, *sinks, spill=None, **delivery):
        self.sink = sinks[0]
        self.told = []
        made = iter(sinks)
        delivery = Delivery(**{"linger_s": self.linger_s, "retries": 0, "restarts": 0, **delivery})
        self.runner = SinkRunner("s", lambda: next(made), ALL, delivery, spill)
        loop = asyncio.get_running_loop()
        run = self.runner.run(INFO, self.told.append, lambda: 1000 * round(loop.time()))
        self.task = loop.create_task(run)

    def offer(self, *items):
        for item in items:
            self.runner.offer(item)

    async def finish(self):
        self.runner.finish(ENDING)
        await self.task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return self.runner.statistics()


@pytest.fixture(autouse=True, params=[0.5, 0.0], ids=["gathered", "at once"])
def linger_s(request, monkeypatch):
    """A batch that gathers is written by the task, what goes on at once is not; all else is the same."""
    monkeypatch.setattr(Running, "linger_s", request.param)


async def test_every_item_once_in_order_then_the_ending():
    running = Running(KeepingSink())
    running.offer(sound(1), joined(2))
    await asyncio.sleep(1)
    running.offer(text(3))
    statistics = await running.finish()
    assert times(running.sink.items) == [1, 2, 3]
    assert running.sink.calls == ["open", "write", "write", "close"]
    assert running.sink.stream == INFO
    assert running.sink.ending == ENDING
    assert statistics.written == {"audio": 1, "event": 1, "transcript": 1}
    assert (statistics.state, statistics.dropped, statistics.queued) == ("closed", 0, 0)


async def test_what_comes_before_open_is_done_waits():
    sink = KeepingSink()
    sink.hangs_in = "open"
    running = Running(sink)
    await asyncio.sleep(5)
    running.offer(sound(1), joined(2))
    await asyncio.sleep(5)
    sink.go_on.set()
    await running.finish()
    assert times(sink.items) == [1, 2]


async def test_a_batch_gathers_for_a_moment():
    """And no batch is larger than its limit."""
    running = Running(KeepingSink(), linger_s=0.25, batch_items=4)
    await asyncio.sleep(1)
    for n in range(10):
        running.offer(sound(n))
        await asyncio.sleep(0.02)
    await running.finish()
    assert [len(batch) for batch in running.sink.batches] == [4, 4, 2]


async def test_without_linger_every_item_goes_at_once():
    running = Running(KeepingSink(), linger_s=0.0)
    for n in range(3):
        running.offer(sound(n))
        await asyncio.sleep(0.02)
    assert [len(batch) for batch in running.sink.batches] == [1, 1, 1]
    await running.finish()


async def test_no_empty_batch():
    running = Running(KeepingSink())
    await asyncio.sleep(10)
    await running.finish()
    assert running.sink.calls == ["open", "close"]


async def test_a_slow_sink_loses_the_oldest_media_never_texts_and_events():
    """And the sum is said once a second."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, queue_items=10, linger_s=0.0)
    running.offer(sound(0))
    await asyncio.sleep(1)  # the sink hangs with 0 now
    with capture_logs() as logs:
        for n in range(1, 101):
            running.offer(text(1000 + n) if n % 20 == 0 else joined(2000 + n) if n % 20 == 10 else sound(n))
            await asyncio.sleep(0.05)
    assert running.runner.statistics().queued == 10
    sink.go_on.set()
    statistics = await running.finish()
    assert statistics.dropped == 90
    kept = times(sink.items)
    assert [n for n in kept if n >= 1000] == [
        m for n in range(10, 101, 10) for m in [(1000 if n % 20 == 0 else 2000) + n]
    ]
    said = [log["dropped"] for log in logs if log["event"] == "SinkFellBehind"]
    assert 4 <= len(said) <= 6
    assert sum(said) <= 90


@pytest.mark.parametrize("size", [10, 35, 200])
async def test_the_queue_is_bounded_in_bytes_too(size):
    """One large picture may cost many small sounds."""
    sink = KeepingSink()
    sink.hangs_in = "open"
    running = Running(sink, queue_mb=0.0001)
    running.offer(*(sound(n, size=1) for n in range(100)))
    for n in range(100, 110):
        running.offer(picture(n, size=size))
        assert sum(len(item.payload) for item in running.runner._queue._expendable) <= 100
    sink.go_on.set()
    await running.finish()
    assert times(sink.items) == sorted(times(sink.items))
    if size <= 100:
        assert times(sink.items)[-1] == 109


async def test_texts_alone_detach_a_sink_in_the_end():
    """They have room for twice as many; a sink that cannot take even those is as good as dead."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, queue_items=300, linger_s=0.0)
    running.offer(text(0))
    await asyncio.sleep(1)
    running.offer(*(text(n) for n in range(1, 601)))
    assert running.runner.statistics().queued == 600
    with capture_logs() as logs:
        running.offer(text(601))
    assert [log["event"] for log in logs] == ["SinkDetached"]
    sink.go_on.set()
    statistics = await running.finish()
    assert (statistics.state, statistics.queued) == ("detached", 0)
    assert sink.calls[-1] == "close"


async def test_media_behind_many_texts_is_dropped_itself():
    """And the texts before it stay."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, queue_items=300, linger_s=0.0)
    running.offer(text(0))
    await asyncio.sleep(1)
    running.offer(*(text(n) for n in range(1, 301)), sound(301), text(302), sound(303))
    sink.go_on.set()
    await running.finish()
    assert times(sink.items) == [*range(301), 302]


async def test_offer_never_waits():
    """A hundred thousand offers to a hanging sink take no time of the loop."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, queue_items=1000)
    loop = asyncio.get_running_loop()
    before = loop.time()
    running.offer(*(sound(n) for n in range(100_000)))
    assert loop.time() == before
    sink.go_on.set()
    await running.finish()


@pytest.mark.parametrize("error", [SinkError("disk full"), ValueError("defect")], ids=repr)
@pytest.mark.parametrize(
    ("verb", "calls"),
    [
        ("open", ["open"]),
        ("write", ["open", "write", "close"]),
        ("close", ["open", "write", "close"]),
    ],
)
async def test_a_failing_sink_ends_here(verb, calls, error):
    """`close` is called exactly once if `open` succeeded; nobody else hears of it, but the log."""
    running = Running(KeepingSink(fails_in=[verb], error=error))
    with capture_logs() as logs:
        running.offer(sound(1))
        await asyncio.sleep(1)
        running.offer(sound(2))
        await asyncio.sleep(1)
        statistics = await running.finish()
    written = calls if verb != "close" else ["open", "write", "write", "close"]
    assert running.sink.calls == written
    assert statistics.state == "detached"
    log = next(log for log in logs if log["event"] != "SinkFellBehind")
    assert log["event"] == ("SinkFailed" if verb == "close" else "SinkDetached")
    assert log["verb"] == verb
    assert ("disk full" in log["reason"]) == isinstance(error, SinkError)


async def test_a_detached_sink_is_closed_when_the_stream_ends():
    """With the ending: only then it is known whether to erase."""
    running = Running(KeepingSink(fails_in=["write"], error=SinkError("disk full")))
    running.offer(sound(1))
    await asyncio.sleep(60)
    assert running.sink.calls == ["open", "write"]
    running.offer(*(sound(n) for n in range(1000)))
    assert running.runner.statistics().queued == 0
    await running.finish()
    assert running.sink.ending == ENDING


async def test_a_sink_detached_while_it_opened_stays_detached():
    """No hole in the middle: it gets nothing any more, and is closed at the end."""
    sink = KeepingSink()
    sink.hangs_in = "open"
    running = Running(sink, queue_items=5)
    await asyncio.sleep(1)
    running.offer(*(text(n) for n in range(11)))
    sink.go_on.set()
    await asyncio.sleep(1)
    running.offer(text(12))
    assert (await running.finish()).state == "detached"
    assert sink.calls == ["open", "close"]


@pytest.mark.parametrize("verb", ["open", "write", "close"])
async def test_a_hanging_verb_is_abandoned_after_the_end(verb):
    sink = KeepingSink()
    sink.hangs_in = verb
    running = Running(sink, close_timeout_s=30.0, timeout_s=0)
    running.offer(sound(1))
    with capture_logs() as logs:
        statistics = await running.finish()
    assert asyncio.get_running_loop().time() == 30
    assert statistics.state == "detached"
    assert logs[0]["event"] == "SinkAbandoned"


async def test_cancelled_it_leaves_nothing():
    running = Running(KeepingSink(write_takes=100))
    running.offer(sound(1))
    await asyncio.sleep(1)
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- at once ---


async def test_what_comes_at_one_moment_is_one_batch():
    running = Running(KeepingSink(), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1), joined(2), sound(3))
    await asyncio.sleep(1)
    assert [times(batch) for batch in running.sink.batches] == [[1, 2, 3]]
    await running.finish()


async def test_what_comes_while_it_writes_is_next():
    """Also what the sink itself brings about."""

    class Echoing(KeepingSink):
        async def write(self, batch):
            if not self.items:
                running.offer(sound(2))
            self.items += batch

    running = Running(Echoing(), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1))
    await running.finish()
    assert times(running.sink.items) == [1, 2]


async def test_the_sink_finds_itself_in_its_task():
    """With what it has set there, and with time limits, which need one."""
    who = contextvars.ContextVar("who")
    found = []

    class Asking(KeepingSink):
        async def open(self, stream):
            who.set("me")

        async def write(self, batch):
            async with asyncio.timeout(1):
                found.append((asyncio.current_task(), who.get()))
                await asyncio.sleep(2 * len(found) - 2)  # not in the first

    running = Running(Asking(), linger_s=0.0, retries=0)
    await asyncio.sleep(1)
    running.offer(sound(1))
    await asyncio.sleep(1)
    assert asyncio.current_task() is not running.task
    running.offer(sound(2))
    with capture_logs() as logs:
        statistics = await running.finish()
    assert found == [(running.task, "me")] * 2
    assert statistics.failures == 1
    assert "TimeoutError" in repr(logs[0]["exc_info"])


async def test_a_cancellation_reaches_a_write_that_has_begun_without_the_task():
    heard = []

    class Waiting(KeepingSink):
        async def write(self, batch):
            heard.append("begun")
            asyncio.get_running_loop().call_soon(running.task.cancel)
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                heard.append("cancelled")
                raise

    running = Running(Waiting(), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1))
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert heard == ["begun", "cancelled"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_write_that_has_begun_ends_before_the_close_of_a_detached_sink():
    """Detached in the very moment between its first step and its second."""
    heard = []

    class Waiting(KeepingSink):
        async def write(self, batch):
            heard.append("begun")
            asyncio.get_running_loop().call_soon(running.offer, *(joined(n) for n in range(9)))
            await asyncio.sleep(1)
            heard.append("ended")

        async def close(self, ending):
            heard.append("closed")

    running = Running(Waiting(), linger_s=0.0, queue_items=3)
    await asyncio.sleep(1)
    running.offer(sound(1))
    await asyncio.sleep(5)
    assert (await running.finish()).state == "detached"
    assert heard == ["begun", "ended", "closed"]


# --- at once, without queue and task ---


class PromptSink(KeepingSink):
    """Does with each item whatever ``does`` says; ``now`` are those that it was given at once."""

    def __init__(self, does=lambda item: None, **how):
        super().__init__(**how)
        self.now = []
        self._does = does

    def write_now(self, item):
        self.now.append(item.timestamp_ms)
        result = self._does(item)
        if result is None:
            self.items.append(item)
        return result


async def test_a_prompt_sink_has_each_item_before_offer_returns():
    running = Running(PromptSink(), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1), joined(2), text(3))
    assert times(running.sink.items) == running.sink.now == [1, 2, 3]
    statistics = await running.finish()
    assert running.sink.calls == ["open", "close"]
    assert statistics.written == {"audio": 1, "event": 1, "transcript": 1}
    assert (statistics.batches, statistics.queued, statistics.dropped) == (0, 0, 0)


async def test_a_prompt_sink_that_gathers_gets_batches():
    running = Running(PromptSink(), linger_s=0.25)
    await asyncio.sleep(1)
    running.offer(sound(1), sound(2))
    await running.finish()
    assert running.sink.now == []
    assert [times(batch) for batch in running.sink.batches] == [[1, 2]]


async def test_what_came_before_it_was_open_comes_first():
    running = Running(PromptSink(), linger_s=0.0)
    running.offer(sound(1), sound(2))
    await asyncio.sleep(1)
    running.offer(sound(3))
    assert running.sink.now == [3]
    await running.finish()
    assert times(running.sink.items) == [1, 2, 3]


async def test_what_a_prompt_sink_brings_about_comes_after():
    def does(item):
        if item.timestamp_ms == 1:
            running.offer(sound(2), sound(3))

    running = Running(PromptSink(does), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1))
    assert times(running.sink.items) == [1]
    running.offer(sound(4))
    await asyncio.sleep(1)
    running.offer(sound(5))
    await running.finish()
    assert times(running.sink.items) == [1, 2, 3, 4, 5]
    assert running.sink.now == [1, 5]


async def test_what_is_still_to_be_done_is_awaited_in_the_task_and_the_rest_waits():
    found = []

    async def slowly(item):
        await asyncio.sleep(5)
        found.append((item.timestamp_ms, asyncio.current_task()))

    running = Running(PromptSink(lambda item: slowly(item) if item.timestamp_ms == 1 else None), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1), sound(2), sound(3))
    await asyncio.sleep(4)
    assert running.sink.items == []
    await asyncio.sleep(2)
    running.offer(sound(4))
    statistics = await running.finish()
    assert found == [(1, running.task)]
    assert [times(batch) for batch in running.sink.batches] == [[2, 3]]
    assert running.sink.now == [1, 4]
    assert statistics.written == {"audio": 4}


async def _fails_later():
    await asyncio.sleep(1)
    raise SinkError("no")


def _fails_now():
    raise SinkError("no")


@pytest.mark.parametrize("fails", [_fails_now, _fails_later], ids=["now", "later"])
async def test_what_fails_at_once_is_written_again(fails):
    running = Running(PromptSink(lambda item: fails()), linger_s=0.0, retries=1, retry_s=2)
    await asyncio.sleep(1)
    with capture_logs() as logs:
        running.offer(sound(1), sound(2))
        statistics = await running.finish()
    assert [log["event"] for log in logs] == ["SinkWriteFailed"]
    assert [times(batch) for batch in running.sink.batches] == [[1], [2]]
    assert (statistics.state, statistics.failures, statistics.dropped) == ("closed", 1, 0)


async def test_a_prompt_sink_that_fails_for_good_is_detached():
    running = Running(PromptSink(lambda item: 1 / 0), linger_s=0.0)
    await asyncio.sleep(1)
    with capture_logs() as logs:
        running.offer(sound(1))
        await asyncio.sleep(1)
        running.offer(sound(2))
        statistics = await running.finish()
    assert [log["event"] for log in logs] == ["SinkDetached", "SinkFellBehind"]
    assert "ZeroDivisionError" in repr(logs[0]["exc_info"])
    assert (statistics.state, statistics.written) == ("detached", {})
    assert running.sink.calls == ["open", "close"]


async def test_a_prompt_sink_is_called_with_what_it_has_set_when_it_opened():
    who = contextvars.ContextVar("who", default="nobody")
    found = []

    class Asking(PromptSink):
        async def open(self, stream):
            who.set("me")

    running = Running(Asking(lambda item: found.append(who.get())), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1))
    await running.finish()
    assert (found, who.get()) == (["me"], "nobody")


async def test_cancelled_at_once_nothing_is_left_half_begun():
    """The coroutine that was never started is closed, which would be a warning otherwise."""
    running = Running(PromptSink(lambda item: _fails_later()), linger_s=0.0)
    await asyncio.sleep(1)
    running.offer(sound(1))
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert running.runner.statistics().dropped == 1
    gc.collect()


async def test_a_prompt_sink_that_blocks_the_loop_is_named():
    running = Running(PromptSink(lambda item: time.sleep(0.3)), linger_s=0.0)
    await asyncio.sleep(1)
    with capture_logs() as logs:
        running.offer(sound(1))
    assert [log["event"] for log in logs] == ["SinkBlockedLoop"]
    assert (await running.finish()).blocked_s >= 0.3


# --- failures ---


class Flaky(KeepingSink):
    """Its first writes fail."""

    def __init__(self, failures, error=SinkError("busy")):  # noqa: B008 - an exception is a value
        super().__init__()
        self.failures = failures
        self.error = error
        self.attempts = []

    async def write(self, batch):
        self.attempts.append((asyncio.get_running_loop().time(), batch))
        if len(self.attempts) <= self.failures:
            self.calls.append("write")
            raise self.error
        await super().write(batch)


async def test_a_failed_write_is_tried_again_with_pauses():
    """With the very same batch, and nothing in between."""
    running = Running(Flaky(3), linger_s=0.0, retries=5, retry_s=1.0, retry_max_s=2.5)
    running.offer(sound(1))
    await asyncio.sleep(0.5)
    running.offer(sound(2))
    await asyncio.sleep(10)
    statistics = await running.finish()
    attempts = running.sink.attempts
    assert [when for when, _ in attempts[:4]] == [0, 1, 3, 5.5]
    assert len({id(batch) for _, batch in attempts[:4]}) == 1
    assert times(running.sink.items) == [1, 2]
    assert (statistics.state, statistics.failures, statistics.dropped) == ("closed", 3, 0)


async def test_a_failed_instance_is_replaced():
    """Closed as one that is continued; the next gets the batch again, and is told to go on."""
    first, second = Flaky(9, ValueError("defect")), KeepingSink()
    running = Running(first, second, linger_s=0.0, retries=1, restarts=1)
    with capture_logs() as logs:
        running.offer(sound(1), text(2))
        await asyncio.sleep(10)
        running.offer(sound(3))
        statistics = await running.finish()
    assert first.calls == ["open", "write", "write", "close"]
    assert first.ending.is_released
    assert not first.stream.resumed
    assert second.stream.resumed
    assert times(second.items) == [1, 2, 3]
    assert second.ending == ENDING
    assert (statistics.state, statistics.restarts, statistics.dropped) == ("closed", 1, 0)
    assert [log["event"] for log in logs] == ["SinkWriteFailed", "SinkRestarted"]
    assert isinstance(logs[1]["exc_info"], ValueError)
    assert running.told == []


async def test_a_sink_that_cannot_be_made_or_opened_is_tried_again():
    refusing = KeepingSink(fails_in=["open"], error=SinkError("no room"))
    running = Running(refusing, KeepingSink(), restarts=1)
    running.offer(sound(1))
    await asyncio.sleep(10)
    statistics = await running.finish()
    assert refusing.calls == ["open"], "not closed: it was not opened"
    assert statistics.written == {"audio": 1}


async def test_what_cannot_be_made_is_detached():
    running = Running(KeepingSink())
    running.runner._make = lambda: 1 / 0
    statistics = await running.finish()
    assert statistics.state == "detached"


async def test_after_the_last_instance_the_sink_is_detached_and_everybody_told(capsys):
    flaky = [Flaky(9) for _ in range(3)]
    running = Running(*flaky, linger_s=0.0, restarts=2)
    running.offer(sound(1), text(2))
    await asyncio.sleep(30)
    running.offer(sound(3))
    assert [sink.calls for sink in flaky] == [["open", "write", "close"]] * 2 + [["open", "write"]]
    statistics = await running.finish()
    assert flaky[2].ending == ENDING
    assert (statistics.state, statistics.dropped_by_kind) == ("detached", {"audio": 1, "transcript": 1})
    assert "SinkFellBehind" in capsys.readouterr().out
    detached, *drops = running.told
    assert (type(detached), detached.sink, detached.reason) == (SinkDetached, "s", "busy")
    assert [(drop.kind, drop.count, drop.start_ms, drop.end_ms) for drop in drops] == [
        ("audio", 1, 1, 1),
        ("transcript", 1, 2, 2),
    ]


async def test_a_write_that_takes_too_long_has_failed():
    sink = KeepingSink(write_takes=100)
    running = Running(sink, KeepingSink(), linger_s=0.0, timeout_s=10.0, restarts=1)
    running.offer(sound(1))
    await asyncio.sleep(20)
    assert sink.calls == ["open", "write", "close"]
    assert (await running.finish()).written == {"audio": 1}


async def test_one_that_ignores_cancellation_is_never_called_again():
    class Stubborn(KeepingSink):
        async def write(self, batch):
            self.calls.append("write")
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    continue

    stubborn = Stubborn()
    running = Running(stubborn, KeepingSink(), linger_s=0.0, timeout_s=10.0, retries=3, restarts=1)
    running.offer(sound(1))
    await asyncio.sleep(20)
    assert (await running.finish()).written == {"audio": 1}
    assert stubborn.calls == ["open", "write"]


async def test_a_revocation_reaches_what_a_lost_instance_stored():
    """Nobody is left to erase it, so one more is opened for that alone."""
    lost, eraser = KeepingSink(), KeepingSink()
    refused = KeepingSink(fails_in=["open"], error=SinkError("no"))
    lost._fails_in, lost._error = ["write"], SinkError("busy")
    running = Running(lost, refused, eraser, restarts=1)
    running.offer(sound(1))
    await asyncio.sleep(10)
    assert running.runner.statistics().state == "detached"
    revoked = Ending(StopReason.STREAM_REVOKED, 5)
    running.runner.finish(revoked)
    await running.task
    assert eraser.calls == ["open", "close"]
    assert (eraser.ending, eraser.stream.resumed) == (revoked, True)


async def test_losses_are_told_to_everybody_once_a_second():
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, queue_items=10, linger_s=0.0)
    running.offer(sound(0))
    await asyncio.sleep(0.5)
    for n in range(1, 61):
        running.offer(sound(n))
        await asyncio.sleep(0.05)
    sink.go_on.set()
    statistics = await running.finish()
    assert all(isinstance(told, ItemsDropped) for told in running.told)
    assert 3 <= len(running.told) <= 5
    assert sum(told.count for told in running.told) == statistics.dropped == 50
    assert (running.told[0].start_ms, running.told[-1].end_ms) == (1, 50)


async def test_what_spills_comes_back_in_order(tmp_path):
    """From memory, from the disk, and from what was still on the way to it."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    spilling = Overflow(audio="spill")
    running = Running(sink, spill=DiskSpill(tmp_path), queue_items=10, linger_s=0.0, overflow=spilling)
    for n in range(500):
        running.offer(text(n) if n % 7 == 0 else sound(n, size=100))
        if n % 5 == 0:
            await asyncio.sleep(0.01)
    assert running.runner.statistics().spilled_bytes > 10_000
    sink.go_on.set()
    await asyncio.sleep(1)
    assert running.runner.statistics().spilled_bytes == 0
    running.offer(sound(500))
    statistics = await running.finish()
    assert times(sink.items) == list(range(501))
    assert (statistics.dropped, statistics.queued) == (0, 0)


async def test_a_disk_that_fails_costs_what_was_for_it_and_no_more(tmp_path):
    class Full(DiskSpill):
        def append(self, items):
            raise OSError(28, "No space left on device")

    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(
        sink, spill=Full(tmp_path), queue_items=10, linger_s=0.0, overflow=Overflow(audio="spill")
    )
    running.offer(sound(0))
    await asyncio.sleep(1)
    with capture_logs() as logs:
        running.offer(*(sound(n) for n in range(1, 21)))
        await asyncio.sleep(1)
    assert "No space left" in next(log for log in logs if log["event"] == "SinkSpillFailed")["reason"]
    sink.go_on.set()
    statistics = await running.finish()
    assert (times(sink.items), statistics.dropped) == (list(range(11)), 10)


async def test_the_spill_is_gone_at_the_end(tmp_path):
    """Also of a sink that is cancelled in the middle."""
    sink, disk = KeepingSink(), DiskSpill(tmp_path)
    sink.hangs_in = "write"
    running = Running(sink, spill=disk, queue_items=5, linger_s=0.0, overflow=Overflow(audio="spill"))
    for n in range(100):
        running.offer(sound(n))
        await asyncio.sleep(0.01)
    assert disk.waiting_bytes > 0
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert disk.waiting_bytes == 0
    assert running.runner.statistics().dropped == 100
