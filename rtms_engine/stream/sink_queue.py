"""What waits for one sink, within bounds. Pure: no task, no disk, no clock.

Items come in order of arrival, and go out so. Two lanes keep every step short, however full it is: what
may be dropped while it waits (``drop_oldest``) lies in one, everything else in the other, with its place
among the former. To drop the oldest is then to take the head of a lane.

Once an item must ``spill``, what comes after it, of any kind, queues up in the *tail*, which is on its
way to the disk, so that the order holds; when all of it has been read back, the tail is the queue again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from ..model.frames import (
    KIND_OF_FRAME,
    AudioFrame,
    ChatMessage,
    ShareFrame,
    TranscriptSegment,
    VideoFrame,
)
from ..sinks.base import Item
from ..sinks.delivery import Delivery, OverflowPolicy

MEGABYTE = 1_000_000
Taker: TypeAlias = Callable[[Item], bool]
"""Takes an item at once; returns whether it is done with it."""

EVENT = "event"
"""The kind of an item that is no frame."""

_PLAYED = frozenset((AudioFrame, VideoFrame, ShareFrame))
_KINDS: dict[type, str] = {frame: kind.value for frame, kind in KIND_OF_FRAME.items()}
"""Plain texts: to look up an Enum costs a call."""


class Loss(msgspec.Struct):
    """Items of one kind that were dropped: how many, and their earliest and latest time."""

    count: int
    start_ms: int
    end_ms: int


def kind_of(item: Item) -> str:
    """The kind of an item, by which its policy is chosen and it is counted."""
    return _KINDS.get(type(item), EVENT)


def size_of(item: Item) -> int:
    """What an item counts: its payload or text."""
    if type(item) in _PLAYED:
        return len(item.payload)  # type: ignore[union-attr]  # all of them have one
    return len(item.text) if isinstance(item, TranscriptSegment | ChatMessage) else 0


class SinkQueue:
    """The queue of one sink.

    Args:
        delivery: its bounds and policies.
        on_work: called when something comes while the reader is resting (`rest`, `gather`).
        on_loss: called with the first loss after `take_losses`.
        on_overrun: called when an item that must not be dropped has no room; `close` it then.
        on_spill: called when the tail is no longer empty; None: there is no disk to spill to, and
            ``spill`` means ``drop_oldest``.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        on_work: Callable[[], None],
        on_loss: Callable[[], None],
        on_overrun: Callable[[], None],
        on_spill: Callable[[], None] | None = None,
    ) -> None:
        self._delivery = delivery
        self._on_work, self._on_loss = on_work, on_loss
        self._on_overrun, self._on_spill = on_overrun, on_spill
        self._policies = _policies(delivery, can_spill=on_spill is not None)
        self._expendable: deque[Item] = deque()
        self._kept: deque[tuple[int, Item]] = deque()
        self._gone = 0
        """How many have left the lane of the expendable: an item of the other lane goes out when so many
        are gone as had come before it."""
        self._count = self._bytes = 0
        """What waits in both lanes."""
        self._most_items, self._most_bytes = delivery.queue_items, int(delivery.queue_mb * MEGABYTE)
        self._batch_items, self._batch_bytes = delivery.batch_items, int(delivery.batch_mb * MEGABYTE)
        self._alert_items, self._alert_bytes = self._most_items, self._most_bytes
        """Beyond these something is to be done: the queue is full, or the batch that is gathered is."""
        self._fast = self._usual = frozenset(
            played for played in _PLAYED if self._policies[_KINDS[played]] == "drop_oldest"
        )
        self._is_resting = False
        self._taker: Taker | None = None
        """Gets the next item instead of the queue."""
        self._tail: list[Item] | None = None
        self._tail_bytes = 0
        self.spilled_bytes = 0
        """On disk, or on the way to it; who writes and reads there keeps this."""
        self.is_closed = False
        self._dropped: dict[str, int] = {}
        self._losses: dict[str, Loss] = {}
        self._spilled: dict[str, Loss] = {}
        """What is on disk, or on the way to it, by kind."""

    def __repr__(self) -> str:
        return f"<SinkQueue items={len(self)} bytes={self._bytes} spilled={self.spilled_bytes}>"

    def __len__(self) -> int:
        return self._count + len(self._tail or ())

    @property
    def dropped(self) -> dict[str, int]:
        """Items lost so far, by kind."""
        dropped = dict(self._dropped)
        for kind, loss in self._losses.items():
            dropped[kind] = dropped.get(kind, 0) + loss.count
        return dropped

    @property
    def payload_bytes(self) -> int:
        """Payload and text that wait in memory."""
        return self._bytes + self._tail_bytes

    @property
    def is_spilling(self) -> bool:
        """Whether there is a tail: read the disk after the queue, then call `end_spilling`."""
        return self._tail is not None

    # --- who puts ---

    def put(self, item: Item) -> None:
        """Take one item, or let something go for it."""
        taker = self._taker
        if taker is not None:
            self._taker = None  # what comes while it is at work waits
            if taker(item) and not self._count and not self.is_closed:
                self._taker = taker
            else:
                self._on_work()
            return
        if type(item) in self._fast:
            self._expendable.append(item)
            self._count += 1
            self._bytes += len(item.payload)  # type: ignore[union-attr]  # only played ones are fast
            if self._count > self._alert_items or self._bytes > self._alert_bytes:
                self._alert()
        elif self._tail is not None:
            self._put_in_tail(self._tail, item)
        elif not self.is_closed:
            self._put_by_policy(item)
        if self._is_resting:
            self._is_resting = False
            self._on_work()

    def _put_by_policy(self, item: Item) -> None:
        size = size_of(item)
        policy = self._policies[kind_of(item)]
        is_full = self._bytes + size > self._most_bytes or self._count >= self._most_items
        if policy == "drop_newest" and is_full:
            self._lose(item)
            return
        if policy == "spill" and is_full:
            self._tail, self._fast = [], frozenset()
            self._put_in_tail(self._tail, item)
            return
        if policy == "drop_oldest":
            self._expendable.append(item)
        else:
            self._kept.append((self._gone + len(self._expendable), item))
        self._count += 1
        self._bytes += size
        if self._count > self._alert_items or self._bytes > self._alert_bytes:
            self._alert()

    def _alert(self) -> None:
        """What was gathered is a batch, or the queue is full."""
        if self._alert_items != self._most_items or self._alert_bytes != self._most_bytes:
            self._alert_items, self._alert_bytes = self._most_items, self._most_bytes
            self._on_work()
        while (self._count > self._most_items or self._bytes > self._most_bytes) and self._expendable:
            item = self._expendable.popleft()
            self._gone += 1
            self._count -= 1
            self._bytes -= size_of(item)
            self._lose(item)
        if self._bytes > 2 * self._most_bytes or self._count > 2 * self._most_items:
            self._on_overrun()

    def _put_in_tail(self, tail: list[Item], item: Item) -> None:
        size = size_of(item)
        is_full = (
            self.spilled_bytes + self._tail_bytes + size > self._delivery.spill_mb * MEGABYTE
            or self._tail_bytes + size > self._most_bytes
            or len(tail) >= self._most_items
        )
        if is_full and self._policies[kind_of(item)] != "detach":
            self._lose(item)
            return
        tail.append(item)
        self._tail_bytes += size
        if len(tail) > 2 * self._most_items or self._tail_bytes > 2 * self._most_bytes:
            self._on_overrun()
        elif len(tail) == 1 and self._on_spill is not None:
            self._on_spill()

    # --- who takes ---

    def take(self) -> tuple[Item, ...]:
        """The next batch; empty if nothing waits in memory before what is on disk."""
        expendable, kept = self._expendable, self._kept
        if not kept and self._count <= self._batch_items and self._bytes <= self._batch_bytes:
            self._gone += self._count
            self._count = self._bytes = 0
            everything = tuple(expendable)
            expendable.clear()
            return everything
        batch: list[Item] = []
        taken = 0
        while len(batch) < self._batch_items and taken < self._batch_bytes:
            if kept and kept[0][0] <= self._gone:
                item = kept.popleft()[1]
            elif expendable:
                item = expendable.popleft()
                self._gone += 1
            else:
                break
            batch.append(item)
            taken += size_of(item)
        self._count -= len(batch)
        self._bytes -= taken
        return tuple(batch)

    def rest(self, taker: Taker | None = None) -> None:
        """Nothing is there: call ``on_work`` with the next item.

        Args:
            taker: gets it, and each one after it, at once, instead of the queue, until it returns False;
                then ``on_work`` is called, as it is if something came while it was at work.
        """
        self._taker = taker
        self._is_resting = taker is None

    def wake(self) -> None:
        """Rest no more."""
        self._taker = None
        self._is_resting = False

    def gather(self) -> None:
        """A batch is gathered: call ``on_work`` when it is as large as it may be."""
        self._alert_items = min(self._batch_items - 1, self._most_items)
        self._alert_bytes = min(self._batch_bytes - 1, self._most_bytes)

    def gathered(self) -> None:
        """Enough, or the time is over."""
        self._alert_items, self._alert_bytes = self._most_items, self._most_bytes

    # --- who spills ---

    def take_tail(self) -> Sequence[Item]:
        """What is to be written to disk next."""
        if not self._tail:
            return ()
        chunk, self._tail = self._tail, []
        for item in chunk:
            _add(self._spilled, kind_of(item), 1, item.timestamp_ms, item.timestamp_ms)
        self.spilled_bytes += self._tail_bytes
        self._tail_bytes = 0
        return chunk

    def note_read(self, batch: Iterable[Item]) -> None:
        """These came back from the disk."""
        for item in batch:
            self._spilled[kind_of(item)].count -= 1

    def lose_spilled(self) -> None:
        """What is on disk does not come back."""
        spilled, self._spilled = self._spilled, {}
        for kind, loss in spilled.items():
            if loss.count:
                self._count_lost(kind, loss.count, loss.start_ms, loss.end_ms)

    def end_spilling(self) -> None:
        """Everything on disk has been read: what came since is the queue."""
        self._spilled.clear()
        tail, self._tail, self._tail_bytes = self._tail or (), None, 0
        self.spilled_bytes = 0
        self._fast = frozenset() if self.is_closed else self._usual
        for item in tail:
            self.put(item)

    # --- the end, and the books ---

    def close(self) -> None:
        """Nothing is taken any more, and what waits is lost."""
        self.is_closed = True
        self._fast = frozenset()
        self._taker = None
        waiting = [*self._expendable, *(item for _, item in self._kept), *(self._tail or ())]
        self._tail = None
        self._count = self._bytes = self._tail_bytes = self.spilled_bytes = 0
        self._expendable.clear()
        self._kept.clear()
        self.lose(waiting)
        self.lose_spilled()

    def lose(self, items: Iterable[Item]) -> None:
        """Count items that will not reach the sink."""
        for item in items:
            self._lose(item)

    def take_losses(self) -> dict[str, Loss]:
        """What was lost since the last call, by kind."""
        self._dropped = self.dropped
        losses, self._losses = self._losses, {}
        return losses

    def _lose(self, item: Item) -> None:
        when = item.timestamp_ms
        self._count_lost(kind_of(item), 1, when, when)

    def _count_lost(self, kind: str, count: int, start_ms: int, end_ms: int) -> None:
        is_first = not self._losses
        _add(self._losses, kind, count, start_ms, end_ms)
        if is_first:
            self._on_loss()


def _add(book: dict[str, Loss], kind: str, count: int, start_ms: int, end_ms: int) -> None:
    loss = book.get(kind)
    if loss is None:
        book[kind] = Loss(count, start_ms, end_ms)
        return
    loss.count += count
    loss.start_ms = min(loss.start_ms, start_ms)
    loss.end_ms = max(loss.end_ms, end_ms)


def _policies(delivery: Delivery, *, can_spill: bool) -> dict[str, OverflowPolicy]:
    policies: dict[str, OverflowPolicy] = msgspec.structs.asdict(delivery.overflow)
    if can_spill:
        return policies
    return {kind: "drop_oldest" if policy == "spill" else policy for kind, policy in policies.items()}
