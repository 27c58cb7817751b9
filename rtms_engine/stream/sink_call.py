"""One call of a sink's verb: cut short in time, never waited for beyond that, and watched while it runs.

`asyncio.timeout` alone would wait for ever for a coroutine that goes on when it is cancelled. Here each
step of the coroutine is made by us, so that we can stop making them; and so that a step which blocks
the event loop is known by its sink's name.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

A = TypeVar("A")
R = TypeVar("R")

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
    """Await ``verb(argument)``.

    Args:
        verb: a coroutine function of a sink.
        argument: what it gets.
        timeout_s: how long it may take; 0: for ever.
        blocked: called with the seconds for which it blocked the event loop.

    Raises:
        CutShort: it took too long; Abandoned, if it did not let itself be cancelled.
        Exception: whatever it raises.

    Cancelling this cancels the verb, and waits at most `GRACE_S` for it.
    """
    steps = _Steps(blocked)
    if steps.begin(verb, argument):
        return
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine, and awaited
    cancellations = task.cancelling()
    limit = asyncio.timeout(timeout_s or None)
    try:
        async with limit:
            await steps
    except TimeoutError:
        if not limit.expired():
            raise  # the verb's own
        raise (Abandoned if steps.is_abandoned else CutShort) from None
    if task.cancelling() > cancellations:
        raise asyncio.CancelledError  # the verb kept it to itself


def watched(step: Callable[[A], R], argument: A, blocked: Callable[[float], None]) -> R:
    """``step(argument)``, and ``blocked`` called with its seconds if it kept the event loop for too long."""
    began_s = time.perf_counter()  # the loop's own time may stand still within a step
    try:
        return step(argument)
    finally:
        took_s = time.perf_counter() - began_s
        if took_s > BLOCKED_S:
            blocked(took_s)


class _Steps:
    """Makes the steps of one coroutine, as a task would."""

    def __init__(self, blocked: Callable[[float], None]) -> None:
        self.is_abandoned = False
        self._blocked = blocked
        self._steps: Generator[Any, Any, Any]
        self._first: Any = None

    def begin(self, verb: Callable[[A], Awaitable[None]], argument: A) -> bool:
        """Make the first step. Returns whether it was the last: the verb waited for nothing."""
        awaitable = self._step(verb, argument)
        if not inspect.isawaitable(awaitable):
            raise TypeError(
                f"{getattr(verb, '__qualname__', verb)} is not a coroutine function; "
                "a sink of plain functions declares blocking = True"
            )
        self._steps = awaitable.__await__()
        try:
            self._first = self._step(self._steps.send, None)
        except StopIteration:
            return True
        return False

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

    def _abandon(self) -> None:
        self.is_abandoned = True
        try:
            self._steps.close()
        except Exception:  # noqa: BLE001 - a wall: it is asked to end, and whatever it says is too late
            return

    def _step(self, step: Callable[..., Any], argument: Any) -> Any:
        return watched(step, argument, self._blocked)
