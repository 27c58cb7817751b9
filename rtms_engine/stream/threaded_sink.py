"""A sink whose verbs block, behind the asynchronous face of the others.

Each instance has one thread for all of its verbs (database drivers insist on that). It is a daemon, so
that one which hangs does not keep the process from ending.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from ..sinks.base import BlockingSink, Ending, Item, StreamInfo

_Call = tuple[Callable[[Any], Any], Any, asyncio.Future[None]]


class ThreadedSink:
    """A `Sink` around a `BlockingSink`. Used once, as the sink itself."""

    def __init__(self, sink: BlockingSink, name: str) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._work, name=f"sink:{name}", daemon=True).start()

    async def open(self, stream: StreamInfo) -> None:
        """As the sink's. The thread ends if it fails."""
        try:
            await self._call(self._sink.open, stream)
        except Exception:
            self.let_go()
            raise

    async def write(self, batch: Sequence[Item]) -> None:
        """As the sink's."""
        await self._call(self._sink.write, batch)

    async def close(self, ending: Ending) -> None:
        """As the sink's; the thread ends."""
        try:
            await self._call(self._sink.close, ending)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """The thread ends as soon as it is out of the call that it is in."""
        self._calls.put(None)

    async def _call(self, verb: Callable[[Any], Any], argument: Any) -> None:
        """Cancelling this waits for the thread all the same; only a second time it gives up."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._calls.put((verb, argument, done))
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait({done})
            raise

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            verb, argument, done = call
            try:
                _refuse_coroutine(verb(argument))
            except BaseException as error:  # noqa: BLE001 - a wall: it is raised where the call came from
                self._report(done, error)
            else:
                self._report(done, None)

    def _report(self, done: asyncio.Future[None], error: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(_settle, done, error)
        except RuntimeError:
            return  # the loop is closed; nobody waits any more


def _refuse_coroutine(result: Any) -> None:
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(f"{result.__qualname__} is a coroutine function, and its sink is declared blocking")


def _settle(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        done.exception()  # whoever gave up waiting does not want to hear of it
