"""Many operations, one commit: a disk that needs 5 ms for a commit takes 200 operations a second one
by one, and 2,000 in ten of them.

One commit is under way at a time, in a thread; what is asked meanwhile waits and goes into the next
one together. Nothing is delayed on purpose: an operation that comes alone is committed at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

_Store = TypeVar("_Store")
_Result = TypeVar("_Result")

MOST_TOGETHER = 500
"""Operations in one commit, so that none waits long for the others."""


class GroupCommit(Generic[_Store]):
    """Carries out operations in the order in which they come.

    Args:
        commit: carries out a group as one transaction and returns the operations' results. Called in
            a thread, but never twice at the same time. What it raises, every operation of the
            group raises.
    """

    def __init__(self, commit: Callable[[Sequence[Callable[[_Store], Any]]], Sequence[Any]]) -> None:
        self._commit = commit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: deque[tuple[Callable[[_Store], Any], asyncio.Future[Any]]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self.commits = 0
        """Groups so far."""

    def __repr__(self) -> str:
        return f"<GroupCommit commits={self.commits} waiting={len(self._waiting)}>"

    def submit(
        self, operation: Callable[[_Store], _Result], *, first: bool = False
    ) -> asyncio.Future[_Result]:
        """Carry out an operation, with the next commit; the future is done after that.

        Cancelling the future changes nothing but that nobody hears of the result.

        Args:
            operation: called in the thread.
            first: before all others that wait. What is submitted by a done callback of an operation's
                future then comes right after that operation's group.
        """
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        add = self._waiting.appendleft if first else self._waiting.append
        add((operation, future))
        if self._idle.is_set():
            self._begin()
        return future

    async def close(self, at_last: Callable[[], object]) -> None:
        """Wait for all operations, then call ``at_last`` in the thread, and end it.

        Nothing may be submitted from here on.
        """
        while not self._idle.is_set():
            await self._idle.wait()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, at_last)
        finally:
            self._thread.shutdown()

    def _begin(self) -> None:
        self._idle.clear()
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
        operations = [operation for operation, _ in group]
        futures = [future for _, future in group]
        self.commits += 1
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, operations)
        done.add_done_callback(lambda done: self._committed(futures, done))

    def _committed(self, futures: Sequence[asyncio.Future[Any]], done: asyncio.Future[Sequence[Any]]) -> None:
        error = done.exception()
        results = [None] * len(futures) if error else done.result()
        for future, result in zip(futures, results, strict=True):
            if future.done():  # cancelled
                continue
            if error:
                future.set_exception(error)
            else:
                future.set_result(result)
        asyncio.get_running_loop().call_soon(self._next)  # after the callbacks of these futures

    def _next(self) -> None:
        if self._waiting:
            self._begin()
        else:
            self._idle.set()
