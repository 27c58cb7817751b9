"""The process around the engine: its event loop and its signals."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Uvloop where it exists; chosen here and nowhere else."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


SWITCH_INTERVAL_S = 0.0005
"""How long the loop waits at most for a sink's thread to let the interpreter go; Python's 5 ms add up to
seconds when hundreds of recordings are written."""


YOUNG_OBJECTS = 20_000
"""So many more containers than before, and the garbage collector looks for cycles among them; Python's 700
make it look at everything some twenty times while a thousand streams start."""


def _settle_collector() -> None:
    """What the imports left stays for good: it is not to be looked at again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _settle_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


class Signals:
    """What the process is told by signals, while the ``with`` block runs.

    SIGTERM and SIGINT: the first sets ``stop``, the second calls ``hurry``, a third ends the process.
    SIGHUP calls ``reload``.
    """

    def __init__(self, *, hurry: Callable[[], None], reload: Callable[[], None]) -> None:
        self.stop = asyncio.Event()
        self._hurry: Callable[[], None] | None = hurry
        self._reload = reload
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        for number in _STOPPING:
            self._loop.add_signal_handler(number, self._told_to_stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (*_STOPPING, signal.SIGHUP):
            self._loop.remove_signal_handler(number)

    def _told_to_stop(self) -> None:
        if not self.stop.is_set():
            self.stop.set()
        elif self._hurry is not None:
            self._hurry()
            self._hurry = None
        else:
            for number in _STOPPING:
                self._loop.remove_signal_handler(number)
            signal.raise_signal(signal.SIGTERM)


_STOPPING = (signal.SIGTERM, signal.SIGINT)
