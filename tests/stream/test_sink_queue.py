"""What waits for a sink: order, bounds, and what goes when there is no room."""

import random
import time

import pytest

from rtms_engine.sinks.delivery import Delivery, Overflow
from rtms_engine.stream.sink_queue import Loss, SinkQueue, kind_of
from tests.stream.items import joined, picture, sound, text, times


class Watched:
    """A queue, and what it called."""

    def __init__(self, *, spills=False, **delivery):
        self.calls = []
        self.queue = SinkQueue(
            Delivery(**delivery),
            on_work=lambda: self.calls.append("work"),
            on_loss=lambda: self.calls.append("loss"),
            on_overrun=lambda: self.calls.append("overrun"),
            on_spill=(lambda: self.calls.append("spill")) if spills else None,
        )

    def put(self, *items):
        for item in items:
            self.queue.put(item)

    def drain(self):
        items = []
        while batch := self.queue.take():
            items += batch
        return times(items)


def test_order_of_arrival_across_the_lanes():
    """Whatever may be dropped and whatever not, in batches of any size."""
    dice = random.Random(7)
    watched = Watched(batch_items=3)
    items = [dice.choice((sound, text, joined, picture))(n) for n in range(500)]
    watched.put(*items)
    assert watched.drain() == list(range(500))
    assert (len(watched.queue), watched.queue.payload_bytes) == (0, 0)


def test_order_while_the_oldest_are_dropped_and_batches_taken():
    dice = random.Random(8)
    watched = Watched(queue_items=20, batch_items=4)
    got = []
    for n in range(2000):
        watched.put(dice.choice((sound, sound, sound, text))(n))
        if dice.random() < 0.2:
            got += times(watched.queue.take())
        assert len(watched.queue) <= 40
    got += watched.drain()
    assert got == sorted(got)
    assert len(got) + sum(watched.queue.dropped.values()) == 2000
    assert set(watched.queue.dropped) == {"audio"}


def test_a_full_queue_costs_no_more_than_one_with_room():
    """Not even behind many texts: no search, no copy."""

    def took_s(watched):
        began = time.perf_counter()
        watched.put(*sounds)
        return time.perf_counter() - began

    sounds = [sound(n) for n in range(20_000)]
    free, full = Watched(), Watched(queue_items=2_000)
    full.put(*(text(n) for n in range(1_990)))
    assert took_s(full) < 40 * took_s(free)  # a search of the texts would cost a thousand times as much
    assert len(full.queue) == 2_000


@pytest.mark.parametrize(
    ("policy", "kept", "dropped"),
    [("drop_oldest", [5, 6, 7, 8, 9], 5), ("drop_newest", [0, 1, 2, 3, 4], 5), ("detach", range(10), 0)],
)
def test_the_policy_of_a_kind(policy, kept, dropped):
    watched = Watched(queue_items=5, overflow=Overflow(audio=policy))
    watched.put(*(sound(n) for n in range(10)))
    assert sum(watched.queue.dropped.values()) == dropped
    assert watched.drain() == list(kept)


def test_detach_has_room_for_as_much_again():
    watched = Watched(queue_items=5)
    watched.put(*(text(n) for n in range(10)))
    assert watched.calls == []
    watched.put(text(10))
    assert watched.calls == ["overrun"]


def test_texts_can_be_dropped_too():
    watched = Watched(queue_items=2, overflow=Overflow(transcript="drop_oldest", event="drop_newest"))
    watched.put(text(1), text(2), joined(3), text(4))
    assert watched.queue.dropped == {"event": 1, "transcript": 1}
    assert watched.drain() == [2, 4]


def test_losses_are_summed_with_their_times():
    watched = Watched(queue_items=1)
    watched.put(sound(5), sound(3), picture(9), sound(7))
    assert watched.calls == ["loss"]
    assert watched.queue.take_losses() == {"audio": Loss(2, 3, 5), "video": Loss(1, 9, 9)}
    assert watched.queue.take_losses() == {}
    assert watched.queue.dropped == {"audio": 2, "video": 1}


def test_it_calls_for_work_only_when_asked_to():
    watched = Watched(batch_items=3)
    watched.put(sound(1))
    assert watched.calls == []
    watched.queue.take()
    watched.queue.rest()
    watched.put(sound(2), sound(3))
    assert watched.calls == ["work"]
    watched.queue.gather()
    watched.put(sound(4))
    assert watched.calls == ["work", "work"], "the batch is whole"


def test_a_batch_is_bounded_in_bytes():
    watched = Watched(batch_mb=0.0001)
    watched.put(*(sound(n, size=60) for n in range(4)), picture(4, size=5_000), sound(5))
    sizes = []
    while batch := watched.queue.take():
        sizes.append(len(batch))
    assert sizes == [2, 2, 1, 1]


def test_once_one_kind_spills_all_wait_behind_it():
    watched = Watched(spills=True, queue_items=4, overflow=Overflow(audio="spill"))
    watched.put(text(-1), text(0), sound(1), sound(2), sound(3), text(4), picture(5), joined(6))
    queue = watched.queue
    assert (queue.is_spilling, watched.calls) == (True, ["spill"])
    assert times(queue.take_tail()) == [3, 4, 5, 6]
    assert queue.spilled_bytes > 0
    watched.put(sound(7))
    assert watched.calls == ["spill", "spill"]
    assert watched.drain() == [-1, 0, 1, 2]
    queue.end_spilling()
    assert not queue.is_spilling
    assert watched.drain() == [7]


def test_a_full_disk_drops_the_newest_but_keeps_texts():
    spill_mb = 0.0001
    watched = Watched(spills=True, queue_items=5, overflow=Overflow(audio="spill"), spill_mb=spill_mb)
    watched.put(*(sound(n, size=40) for n in range(10)), text(10))
    assert watched.queue.dropped == {"audio": 3}
    assert times(watched.queue.take_tail()) == [5, 6, 10]


def test_without_a_disk_spill_drops_the_oldest():
    watched = Watched(queue_items=2, overflow=Overflow(audio="spill"))
    watched.put(*(sound(n) for n in range(5)))
    assert watched.drain() == [3, 4]


def test_closed_it_takes_nothing_and_has_lost_what_waited():
    """In memory, in the tail, and on the disk."""
    watched = Watched(spills=True, queue_items=2, overflow=Overflow(audio="spill"))
    watched.put(*(sound(n) for n in range(4)))
    watched.queue.take_tail()
    watched.put(sound(4), text(5))
    watched.queue.close()
    watched.put(sound(6), text(7), joined(8))
    assert watched.queue.dropped == {"audio": 5, "transcript": 1}
    assert len(watched.queue) == 0
    assert watched.drain() == []


def test_kinds():
    assert [kind_of(item) for item in (sound(1), picture(1), text(1), joined(1))] == [
        "audio",
        "video",
        "transcript",
        "event",
    ]


def test_a_taker_has_what_comes_until_it_has_enough():
    """And what it brings about while it is at work waits."""
    watched = Watched()
    taken = []

    def take(item):
        taken.append(item.timestamp_ms)
        if item.timestamp_ms == 2:
            watched.put(sound(20))
        return item.timestamp_ms != 5

    watched.queue.rest(take)
    watched.put(sound(1))
    assert (taken, watched.calls) == ([1], [])
    watched.put(sound(2), sound(3))
    assert (taken, watched.calls, watched.drain()) == ([1, 2], ["work"], [20, 3])
    watched.queue.rest(take)
    watched.put(sound(4), sound(5), sound(6))
    assert (taken, watched.calls, watched.drain()) == ([1, 2, 4, 5], ["work"] * 2, [6])
    watched.queue.rest(take)
    watched.queue.wake()
    watched.put(sound(7))
    assert (taken, watched.drain()) == ([1, 2, 4, 5], [7])


def test_a_taker_gets_nothing_from_a_closed_queue():
    watched = Watched()
    watched.queue.rest(lambda item: watched.queue.close() or True)
    watched.put(sound(1), sound(2))
    assert (watched.calls, watched.drain()) == (["work"], [])
