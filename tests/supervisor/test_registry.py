"""What a webhook means depends on what was heard before (V1.md §1.6, §8.2)."""

import pytest

from rtms_engine.model.ids import StreamId
from rtms_engine.model.products import MEETING
from rtms_engine.model.signals import StreamInterrupted, StreamStarted, StreamStopped
from rtms_engine.supervisor.registry import StreamBook, Verdict

START, FAILOVER, INTERRUPT, STOP = Verdict.START, Verdict.FAILOVER, Verdict.INTERRUPT, Verdict.STOP
STALE, UNKNOWN = Verdict.STALE, Verdict.UNKNOWN_STREAM


def started(ts, stream="S", url="wss://a"):
    return StreamStarted("app", MEETING, "U==", StreamId(stream), (url,), ts)


def interrupted(ts, stream="S"):
    return StreamInterrupted("app", MEETING, "U==", StreamId(stream), ts)


def stopped(ts, stream="S"):
    return StreamStopped("app", MEETING, "U==", StreamId(stream), ts, 6)


ended = StreamId
"""The worker of the stream is done."""

STORIES = {
    "a life": [(started(1), START), (interrupted(2), INTERRUPT), (stopped(3), STOP)],
    "the same delivery again": [(started(1), START), (started(1), STALE), (started(1), STALE)],
    "the same time, another URL: the same delivery still": [
        (started(1), START),
        (started(1, url="wss://b"), STALE),
    ],
    "failover": [(started(1), START), (started(2, url="wss://b"), FAILOVER), (started(3), FAILOVER)],
    "failover to the same URL": [(started(1), START), (started(2), FAILOVER)],
    "a first start that arrives after the failover": [(started(2), START), (started(1), STALE)],
    "the failover itself again": [(started(1), START), (started(2), FAILOVER), (started(2), STALE)],
    "interrupted twice": [(started(1), START), (interrupted(2), INTERRUPT), (interrupted(3), INTERRUPT)],
    "an interruption from before the failover": [
        (started(1), START),
        (started(3), FAILOVER),
        (interrupted(2), STALE),
    ],
    "an interruption of nothing": [(interrupted(1), UNKNOWN)],
    "an interruption after the end": [(started(1), START), (stopped(2), STOP), (interrupted(3), UNKNOWN)],
    "a stop of nothing": [(stopped(1), UNKNOWN)],
    "stop before start": [(stopped(2), UNKNOWN), (started(1), STALE)],
    "stop twice": [(started(1), START), (stopped(2), STOP), (stopped(2), UNKNOWN), (stopped(3), UNKNOWN)],
    "a retried start after the end": [(started(1), START), (stopped(5), STOP), (started(1), STALE)],
    "an older start after the end": [(started(2), START), (stopped(5), STOP), (started(1), STALE)],
    "a newer start after our end": [(started(1), START), ended("S"), (started(2), START)],
    "an older start after our end": [(started(2), START), ended("S"), (started(1), STALE)],
    "a stop after our end": [(started(1), START), ended("S"), (stopped(2), UNKNOWN)],
    "the end of what is not known": [ended("S"), (started(1), START)],
    "two streams of one meeting": [
        (started(1, "A"), START),
        (started(1, "B"), START),
        (stopped(2, "A"), STOP),
        (started(3, "B"), FAILOVER),
    ],
    "the same time for different events": [
        (started(1), START),
        (interrupted(1), INTERRUPT),
        (stopped(1), STOP),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_story(story):
    book = StreamBook()
    for step in STORIES[story]:
        if isinstance(step, str):
            book.ended(step)
        else:
            signal, verdict = step
            assert book.judge(signal) is verdict, signal


def test_memory_is_bounded_and_never_forgets_a_live_stream():
    """The oldest that ended go first."""
    book = StreamBook(10)
    book.judge(started(1, "live"))
    for n in range(100):
        book.judge(started(n, f"S{n}"))
        book.judge(stopped(n + 1, f"S{n}"))
    assert len(book._entries) == 10
    assert book.judge(started(2, "live")) is FAILOVER
    assert book.judge(stopped(3, "live")) is STOP
