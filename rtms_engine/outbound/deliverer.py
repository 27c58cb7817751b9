"""Brings the messages of one queue to their receiver, however long that takes."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog

from ..telemetry.throttle import Throttle
from ..threads import opened
from .addresses import reach_of
from .connector import guarded_session
from .post import post
from .queue import Message, Queue
from .schedule import TIMEOUT_S, Answer, Verdict, judge
from .signing import headers

AT_ONCE = 8
"""Messages on their way to one receiver at the same time. Their order is not promised."""
LEASE_S = 4 * TIMEOUT_S
"""How long a message is left alone whose sender may have died."""
_TROUBLED_S = 5.0
"""How long to wait if the disk does not work."""
_LONGEST_SLEEP_S = 600.0
"""The wall clock may be set meanwhile."""

_log = structlog.get_logger()


class Receiver(msgspec.Struct, frozen=True):
    """Whom to notify."""

    name: str
    """For logs."""
    url: str
    keys: tuple[bytes, ...]
    """Of `signing.key_of`: one, or two while one replaces the other."""
    allow_private: bool = False


class DelivererStatistics(msgspec.Struct, frozen=True):
    """What became of the messages so far."""

    counts: dict[str, int]
    """``queued``, ``delivered``, ``again``, ``given_up``, ``forgotten``, ``overflowed``, ``refused``."""
    is_disabled: bool


class Deliverer:
    """Delivers while its ``async with`` block runs; what is left then, the next one with the same file.

    Args:
        receiver: whom to.
        path: of the file in which messages wait.
        unix_s: the wall clock, Unix seconds.
        most: messages that may wait.

    Raises:
        ConfigError: on entering, the file cannot be used.
        ValueError: the receiver's URL cannot be used.
    """

    def __init__(
        self, receiver: Receiver, path: Path, unix_s: Callable[[], float], *, most: int = 10_000
    ) -> None:
        self._receiver = receiver
        self._reach = reach_of(receiver.url, allow_private=receiver.allow_private)
        self._path = path
        self._unix_s = unix_s
        self._most = most
        self._running = AsyncExitStack()
        self._wake = asyncio.Event()
        self._under_way: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._counts: Counter[str] = Counter()
        self._is_disabled = False
        self._throttle = Throttle()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._queue = await opened(partial(Queue, self._path, self._most), Queue.close)
            stack.callback(self._queue.close)
            self._session = await stack.enter_async_context(guarded_session(self._reach, TIMEOUT_S))
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            loop = self._tasks.create_task(self._deliver(), name=f"deliver:{self._receiver.name}")
            stack.callback(self._cancel, loop)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def __repr__(self) -> str:
        return f"<Deliverer {self._receiver.name} {dict(self._counts)}>"

    async def send(self, messages: Sequence[Message]) -> None:
        """Put messages on disk; they are delivered from there. Raises sqlite3.Error.

        Cancelling leaves open whether they are.
        """
        if self._is_disabled:
            self._counts["refused"] += len(messages)
            return
        overflow = await asyncio.to_thread(self._queue.put, messages, self._unix_s())
        self._counts["queued"] += len(messages)
        if overflow:
            self._counts["overflowed"] += overflow
            if count := self._throttle.note(overflow, asyncio.get_running_loop().time()):
                _log.error(
                    "NotificationsLost", receiver=self._receiver.name, count=count, reason="queue full"
                )
        self._wake.set()

    async def forget(self, topic: str) -> None:
        """Delete every message about a topic, also those that are on their way. Raises sqlite3.Error."""
        tasks = [task for about, task in self._under_way.values() if about == topic]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._counts["forgotten"] += await asyncio.to_thread(self._queue.forget, topic)

    def statistics(self) -> DelivererStatistics:
        """What happened so far."""
        return DelivererStatistics(dict(self._counts), self._is_disabled)

    def _cancel(self, loop: asyncio.Task[None]) -> None:
        loop.cancel()
        for _, task in self._under_way.values():
            task.cancel()

    async def _deliver(self) -> None:
        while True:
            self._wake.clear()
            try:
                sleep_s = await self._begin_what_is_due()
            except sqlite3.Error as error:
                _log.error("NotificationsHeldUp", receiver=self._receiver.name, reason=str(error))
                sleep_s = _TROUBLED_S
            try:
                async with asyncio.timeout(sleep_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _begin_what_is_due(self) -> float | None:
        """Send what may be sent now. Returns how long there is nothing more to do, None: until woken."""
        free = AT_ONCE - len(self._under_way)
        if free <= 0 or self._is_disabled:
            return None
        now_s = self._unix_s()
        for message in await asyncio.to_thread(self._queue.take, now_s, LEASE_S, free):
            name = f"deliver:{self._receiver.name}/{message.id}"
            task = self._tasks.create_task(self._try(message), name=name)
            self._under_way[message.id] = (message.topic, task)
            task.add_done_callback(partial(self._ended, message.id))
        due_s = await asyncio.to_thread(self._queue.next_due_s)
        return None if due_s is None else min(max(due_s - self._unix_s(), 0.0), _LONGEST_SLEEP_S)

    def _ended(self, message_id: str, _task: asyncio.Task[None]) -> None:
        del self._under_way[message_id]
        self._wake.set()

    async def _try(self, message: Message) -> None:
        now_s = self._unix_s()
        signed = headers(self._receiver.keys, message.id, int(now_s), message.body)
        sent = {"content-type": "application/json", "user-agent": "rtms-engine", **signed}
        answer = await post(self._session, self._receiver.url, sent, message.body, now_s)
        try:
            await self._conclude(message, answer)
        except sqlite3.Error as error:
            # Its lease ends in a while, and it is tried again: at least once, perhaps twice.
            _log.error("NotificationsHeldUp", receiver=self._receiver.name, reason=str(error))

    async def _conclude(self, message: Message, answer: Answer) -> None:
        verdict, wait_s = judge(answer, message.tries + 1)
        log = _log.bind(receiver=self._receiver.name, id=message.id, status=answer.status, why=answer.why)
        self._counts[verdict.name.lower()] += 1
        match verdict:
            case Verdict.DELIVERED:
                await asyncio.to_thread(self._queue.delete, message)
            case Verdict.AGAIN:
                log.warning("NotificationFailed", tries=message.tries + 1, again_in_s=wait_s)
                await asyncio.to_thread(self._queue.put_off, message, self._unix_s() + wait_s)
            case Verdict.GIVEN_UP:
                log.error("NotificationLost", tries=message.tries + 1)
                await asyncio.to_thread(self._queue.delete, message)
            case Verdict.DISABLED:
                self._is_disabled = True
                log.error("ReceiverGone", consequence="it gets nothing until the engine is started again")
                await asyncio.to_thread(self._queue.forget, None)
