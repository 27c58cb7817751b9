"""Where recordings are finished, so that no batch waits for it."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVarTuple

from .. import cores

Ts = TypeVarTuple("Ts")

NICENESS = 10
"""Recordings that run go before those that are finished."""


def _be_nice() -> None:
    cores.roam()
    with contextlib.suppress(OSError, AttributeError):  # where threads have no niceness of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_executor = ThreadPoolExecutor(max(4, cores.count()), "recording-close", _be_nice)
"""Has no thread before the first recording ends."""


async def in_closing_thread(work: Callable[[*Ts], None], *arguments: *Ts) -> None:
    """Do work that may take minutes, less urgently than all others.

    The event loop's few threads (`asyncio.to_thread`) serve the batches of all streams; half a dozen
    recordings that end together would keep them all. Cancelling it does not stop the work.
    """
    await asyncio.get_running_loop().run_in_executor(_executor, work, *arguments)
