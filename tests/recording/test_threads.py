"""Where recordings are finished."""

import asyncio
import os
import sys
import threading

import pytest

from rtms_engine.recording.threads import NICENESS, in_closing_thread


async def test_batches_do_not_wait_for_recordings_that_are_finished() -> None:
    """However many are finished at once, a batch finds a thread."""
    gate = threading.Event()
    closing = [asyncio.ensure_future(in_closing_thread(gate.wait)) for _ in range(50)]
    async with asyncio.timeout(10):
        assert await asyncio.to_thread(lambda: "written") == "written"
    gate.set()
    await asyncio.gather(*closing)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux")
async def test_it_is_less_urgent_than_all_else() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    found: list[int] = []
    await in_closing_thread(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert found == [NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


async def test_what_it_raises_is_heard() -> None:
    def fail() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await in_closing_thread(fail)
