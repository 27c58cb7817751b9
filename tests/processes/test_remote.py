"""One stream and the processes it runs in, without processes."""

import asyncio
from typing import Any

import pytest

from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.model.signals import StreamInterrupted, StreamStarted, StreamStopped
from rtms_engine.processes.messages import Begin, Exclude, Finished, Follow, Hear, Release, RequestEnd
from rtms_engine.processes.remote import DEATHS_WINDOW_S, MOST_DEATHS, RemoteStream
from rtms_engine.sinks.base import Ending, StreamInfo
from rtms_engine.stream.overview import Overview, ParticipantState
from rtms_engine.stream.worker import StreamStatistics

pytestmark = pytest.mark.virtual_clock

STREAM = StreamId("stream")
START = StreamStarted("app", MEETING, "meeting", STREAM, ("wss://one.zoom.us",), 1_000)
STOP = StreamStopped("app", MEETING, "meeting", STREAM, 9_000, 6)
INFO = StreamInfo(STREAM, "app", MEETING, "meeting", 1_000)
DONE = StreamStatistics(INFO, "finished", ending=Ending(StopReason.MEETING_ENDED, 9_000))


class Place:
    """A process that only listens."""

    number = 1

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def send(self, value: Any) -> None:
        self.heard.append(value)


class Places:
    number = 1

    def __init__(self) -> None:
        self.given: list[Place] = []

    async def place(self, stream: RemoteStream) -> Place:
        self.given.append(Place())
        return self.given[-1]


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture
def stream(places: Places) -> RemoteStream:
    return RemoteStream(INFO, START, [], places, lambda: 1_000, live=False)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_ends_with_its_process(stream: RemoteStream, places: Places) -> None:
    running = asyncio.ensure_future(stream.run())
    await settle()
    stream.told(StreamStatistics(INFO, "live", {MediaKind.AUDIO: 7}))
    assert stream.statistics().received == {MediaKind.AUDIO: 7}
    assert not stream.is_over
    stream.finished(Finished(STREAM, True, DONE))
    assert await running
    assert places.given[0].heard == [Begin(START, False, None, False)]
    assert stream.is_over
    assert stream.statistics() == DONE


async def test_the_next_process_begins_where_zoom_is_now(stream: RemoteStream, places: Places) -> None:
    running = asyncio.ensure_future(stream.run())
    await settle()
    moved = StreamInterrupted("app", MEETING, "meeting", STREAM, 2_000, ("wss://two.zoom.us",))
    stream.hear(moved)
    stream.died()
    await settle()
    (begin,) = places.given[1].heard
    assert places.given[0].heard[1:] == [Hear(moved)]
    assert (begin.resumed, begin.start.server_urls) == (True, ("wss://two.zoom.us",))
    stream.finished(Finished(STREAM, False, DONE))
    assert not await running


@pytest.mark.parametrize(
    ("say", "order"),
    [
        (lambda stream: stream.hear(STOP), Hear(STOP)),
        (RemoteStream.request_end, RequestEnd(STREAM)),
        (RemoteStream.release, Release(STREAM)),
        (lambda stream: (stream.follow(7), stream.follow(8)), Follow(STREAM, 8)),
        (
            lambda stream: (stream.exclude(7, excluded=False), stream.exclude(7, excluded=True)),
            Exclude(STREAM, 7, True),
        ),
    ],
    ids=["stopped", "end requested", "released", "another camera", "somebody excluded"],
)
async def test_what_was_said_holds_for_every_process(
    stream: RemoteStream, places: Places, say: Any, order: Any
) -> None:
    """Also if it was said while there was none."""
    running = asyncio.ensure_future(stream.run())
    await settle()
    stream.died()
    say(stream)
    await settle()
    stream.died()
    await settle()
    assert [place.heard[1:] for place in places.given] == [[], [order], [order]]
    stream.finished(Finished(STREAM, True, DONE))
    assert await running


async def test_who_came_back_under_another_number_stays_excluded(
    stream: RemoteStream, places: Places
) -> None:
    """The process that knew of it is gone; unless they were included since."""
    again, also = Exclude(STREAM, 7, True), Exclude(STREAM, 12, True)
    running = asyncio.ensure_future(stream.run())
    await settle()
    stream.exclude(7, excluded=True)
    people = (
        ParticipantState(7, excluded="request", left_ms=1),
        ParticipantState(12, excluded="request"),
        ParticipantState(13, excluded="rule"),
        ParticipantState(14),
    )
    stream.told(StreamStatistics(INFO, "live", overview=Overview(participants=people)))
    stream.died()
    await settle()
    assert places.given[-1].heard[1:] == [again, also]
    stream.exclude(12, excluded=False)
    stream.died()
    await settle()
    assert places.given[-1].heard[1:] == [again, Exclude(STREAM, 12, False)]
    stream.finished(Finished(STREAM, True, DONE))
    assert await running


async def test_what_may_kill_processes_is_given_up(stream: RemoteStream, places: Places) -> None:
    running = asyncio.ensure_future(stream.run())
    for _ in range(MOST_DEATHS):
        await settle()
        stream.died()
    assert await running
    assert len(places.given) == MOST_DEATHS
    ending = stream.statistics().ending
    assert ending is not None
    assert "processes died" in ending.detail


async def test_deaths_long_ago_are_forgiven(stream: RemoteStream, places: Places) -> None:
    running = asyncio.ensure_future(stream.run())
    for _ in range(2 * MOST_DEATHS):
        await asyncio.sleep(DEATHS_WINDOW_S / (MOST_DEATHS - 1) + 1)
        stream.died()
    await settle()
    stream.finished(Finished(STREAM, True, DONE))
    assert await running
    assert len(places.given) == 2 * MOST_DEATHS + 1


async def test_every_process_knows_which_sinks_are_left_out(places: Places) -> None:
    without = frozenset({"recording"})
    stream = RemoteStream(INFO, START, [], places, lambda: 1_000, live=False, without=without)
    running = asyncio.ensure_future(stream.run())
    await settle()
    stream.died()
    await settle()
    assert [place.heard[0].without for place in places.given] == [without, without]
    stream.finished(Finished(STREAM, True, DONE))
    assert await running
