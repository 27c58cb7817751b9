"""What is opened in a thread, and not lost when nobody waits for it any more."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def opened(opening: Callable[[], _T], close: Callable[[_T], None]) -> _T:
    """Open something whose opening blocks.

    Cancelled, this waits until it is open, and closes it: a thread cannot be stopped, and what it holds
    would stay locked.
    """
    task = asyncio.get_running_loop().run_in_executor(None, opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if task.exception() is None:
            close(task.result())
        raise
