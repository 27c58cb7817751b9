"""The task around one sink: bounded, patient, and never in anybody's way."""

import asyncio

import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import SinkError
from rtms_engine.stream.sink_runner import QueueLimits, SinkRunner
from tests.stream.items import ALL, ENDING, INFO, KeepingSink, joined, picture, sound, text, times

pytestmark = pytest.mark.virtual_clock


class Running:
    """A runner and its task."""

    def __init__(self, sink, **limits):
        self.sink = sink
        self.runner = SinkRunner("s", sink, ALL, QueueLimits(**limits))
        self.task = asyncio.get_running_loop().create_task(self.runner.run(INFO))

    def offer(self, *items):
        for item in items:
            self.runner.offer(item)

    async def finish(self):
        self.runner.finish(ENDING)
        await self.task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return self.runner.statistics()


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
    running = Running(sink, items=10, linger_s=0.0)
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
    running = Running(sink, payload_bytes=100)
    running.offer(*(sound(n, size=1) for n in range(100)))
    for n in range(100, 110):
        running.offer(picture(n, size=size))
        assert sum(len(item.payload) for item in running.runner._queue) <= 100
    sink.go_on.set()
    await running.finish()
    assert times(sink.items) == sorted(times(sink.items))
    if size <= 100:
        assert times(sink.items)[-1] == 109


async def test_texts_alone_detach_a_sink_in_the_end():
    """They have room for twice as many; a sink that cannot take even those is as good as dead."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, items=300, linger_s=0.0)
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
    running = Running(sink, items=300, linger_s=0.0)
    running.offer(text(0))
    await asyncio.sleep(1)
    running.offer(*(text(n) for n in range(1, 301)), sound(301), text(302), sound(303))
    assert times(running.runner._queue) == [*range(1, 301), 302]
    sink.go_on.set()
    await running.finish()
    assert times(sink.items) == [*range(301), 302]


async def test_offer_never_waits():
    """A hundred thousand offers to a hanging sink take no time of the loop."""
    sink = KeepingSink()
    sink.hangs_in = "write"
    running = Running(sink, items=1000)
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
    (log,) = logs
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
    running = Running(sink, items=5)
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
    running = Running(sink, close_s=30.0)
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
