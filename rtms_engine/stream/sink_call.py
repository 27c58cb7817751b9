"""One call of a sink's verb: cut short in time, never waited for beyond that, and watched while it runs.

`asyncio.timeout` alone would wait for ever for a coroutine that goes on when it is cancelled. Here each
step of the coroutine is made by us, so that we can stop making them; and so that a step which blocks
the event loop is known by its sink's name.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar, cast

A = TypeVar("A")

GRACE_S = 5.0
"""How long a cancelled verb may clean up."""
BLOCKED_S = 0.25
"""A step of a coroutine that takes longer keeps keep-alives and other streams waiting."""


class CutShort(Exception):
    """The verb took too long, and was cancelled."""


class Abandoned(CutShort):
    """The verb went on although it was cancelled. It runs no more, and its sink must not be called again."""


async def call(
    verb: Callable[[A], Awaitable[None]],
    argument: A,
    *,
    timeout_s: float,
    blocked: Callable[[float], None],
) -> None:
    """Await ``verb(argument)``: see `SinkCall`, and `SinkCall.finish` for what it raises."""
    calling = SinkCall(verb, argument, blocked)
    if not calling.begin():
        await calling.finish(timeout_s)


class SinkCall(Generic[A]):
    """Makes the steps of one coroutine, as a task would: the first when it is to `begin`, the others when
    it is to `finish`. Both in the name of the same task.

    Args:
        verb: a coroutine function of a sink.
        argument: what it gets.
        blocked: called with the seconds for which it blocked the event loop.
    """

    def __init__(
        self, verb: Callable[[A], Awaitable[None]], argument: A, blocked: Callable[[float], None]
    ) -> None:
        self._verb = verb
        self._argument = argument
        self._blocked = blocked
        self._steps: Generator[Any, Any, Any]
        self._first: Any = None
        self._raised: BaseException | None = None
        self._is_abandoned = False

    def begin(self) -> bool:
        """Make the first step. Returns whether it was the last: the verb waited for nothing."""
        try:
            self._steps = self._coroutine().__await__()
            self._first = self._step(self._steps.send, None)
        except StopIteration:
            return True
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - kept for `finish`
            self._raised = error
        return False

    async def finish(self, timeout_s: float) -> None:
        """Make all other steps.

        Args:
            timeout_s: how long they may take; 0: for ever.

        Raises:
            CutShort: it took too long; Abandoned, if it did not let itself be cancelled.
            Exception: whatever the verb raises, in its first step too.

        Cancelling this cancels the verb, and waits at most `GRACE_S` for it.
        """
        if self._raised is not None:
            raise self._raised
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine, and awaited
        cancellations = task.cancelling()
        limit = asyncio.timeout(timeout_s or None)
        try:
            async with limit:
                await self
        except TimeoutError:
            if not limit.expired():
                raise  # the verb's own
            raise (Abandoned if self._is_abandoned else CutShort) from None
        if task.cancelling() > cancellations:
            raise asyncio.CancelledError  # the verb kept it to itself

    def __await__(self) -> Generator[Any, Any, None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a task drives this
        again: asyncio.TimerHandle | None = None
        awaited = self._first
        try:
            while True:
                try:
                    answer = yield awaited
                except asyncio.CancelledError as error:
                    if again is not None:
                        task.uncancel()  # the second one is ours
                        self._abandon()
                        raise
                    again = asyncio.get_running_loop().call_later(GRACE_S, task.cancel)
                    awaited = self._step(self._steps.throw, error)
                else:
                    awaited = self._step(self._steps.send, answer)
        except StopIteration:
            return
        finally:
            if again is not None:
                again.cancel()

    def _coroutine(self) -> Awaitable[None]:
        awaitable = self._step(self._verb, self._argument)
        if not inspect.isawaitable(awaitable):
            raise TypeError(
                f"{getattr(self._verb, '__qualname__', self._verb)} is not a coroutine function; "
                "a sink of plain functions declares blocking = True"
            )
        return cast(Awaitable[None], awaitable)

    def _abandon(self) -> None:
        self._is_abandoned = True
        try:
            self._steps.close()
        except Exception:  # noqa: BLE001 - a wall: it is asked to end, and whatever it says is too late
            return

    def _step(self, step: Callable[..., Any], argument: Any) -> Any:
        began_s = time.perf_counter()  # the loop's own time may stand still within a step
        try:
            return step(argument)
        finally:
            took_s = time.perf_counter() - began_s
            if took_s > BLOCKED_S:
                self._blocked(took_s)
