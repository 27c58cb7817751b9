"""What is opened in a thread is closed if nobody waits for it any more."""

import asyncio
import threading

import pytest

from rtms_engine.threads import opened


async def test_what_is_opened():
    assert await opened(lambda: "it", lambda _: pytest.fail("nobody gave up")) == "it"


async def test_nobody_waits_for_it_any_more():
    """It is closed before who waited hears of it: what comes next finds it free."""
    may_open, closed = threading.Event(), []

    def opening():
        may_open.wait()
        return "it"

    async with asyncio.TaskGroup() as group:
        task = group.create_task(opened(opening, closed.append), name="opening")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_open.set()
        await asyncio.wait([task])
    assert task.cancelled()
    assert closed == ["it"]


async def test_what_cannot_be_opened():
    def opening():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await opened(opening, lambda _: pytest.fail("there is nothing to close"))
