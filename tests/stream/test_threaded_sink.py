"""A sink of plain functions that block, in a thread of its own."""

import asyncio
import threading
import time

import pytest

from rtms_engine.stream.threaded_sink import ThreadedSink
from tests.stream.items import ENDING, INFO, sound


class BlockingSink:
    def __init__(self):
        self.calls = []
        self.threads = set()
        self.go_on = threading.Event()

    def _called(self, verb, *_):
        self.calls.append(verb)
        self.threads.add(threading.current_thread().name)

    def open(self, stream):
        self._called("open")

    def write(self, batch):
        self._called("write")
        if batch == ["hang"]:
            self.go_on.wait()
        if batch == ["fail"]:
            raise ValueError("mine")
        time.sleep(0.05)

    def close(self, ending):
        self._called("close")


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "sink:s"]


async def all_ended():
    async with asyncio.timeout(5):
        while threads():
            await asyncio.sleep(0.001)


async def test_every_verb_in_the_same_thread_and_the_loop_goes_on():
    sink = BlockingSink()
    threaded = ThreadedSink(sink, "s")
    await threaded.open(INFO)
    turns = 0
    writing = asyncio.get_running_loop().create_task(threaded.write([sound(1)]))
    while not writing.done():
        turns += 1
        await asyncio.sleep(0.001)
    with pytest.raises(ValueError, match="mine"):
        await threaded.write(["fail"])
    await threaded.close(ENDING)
    assert sink.calls == ["open", "write", "write", "close"]
    assert sink.threads == {"sink:s"}
    assert turns > 5
    await all_ended()


async def test_a_cancelled_verb_is_waited_for_once():
    """The next verb must not run beside it; who cancels twice does not want to wait."""
    sink = BlockingSink()
    threaded = ThreadedSink(sink, "s")
    writing = asyncio.get_running_loop().create_task(threaded.write(["hang"]))
    while not sink.calls:
        await asyncio.sleep(0.001)
    writing.cancel()
    await asyncio.sleep(0.01)
    assert not writing.done()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    threaded.let_go()
    sink.go_on.set()
    await all_ended()


async def test_coroutine_functions_are_refused():
    class Wrong(BlockingSink):
        async def open(self, stream):
            """Nobody would await it."""

    with pytest.raises(TypeError, match="coroutine function"):
        await ThreadedSink(Wrong(), "s").open(INFO)
    await all_ended()
