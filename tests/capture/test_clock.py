import asyncio
import socket
import time
from threading import Timer, get_ident

import pytest

from rtms_engine.capture import clock
from rtms_engine.capture.clock import ReplayLoop


def run(main, **how):
    with asyncio.Runner(loop_factory=lambda: ReplayLoop(**how)) as runner:
        return runner.run(main())


def test_time_costs_nothing():
    async def main():
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(100_000)
        return began, loop.time()

    began = time.monotonic()
    assert run(main, start_s=77.5) == (77.5, 100_077.5)
    assert time.monotonic() - began < 5


def test_or_a_part_of_what_it_did():
    async def main():
        await asyncio.sleep(2)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(main, speed=20) == 2
    assert 0.1 <= time.monotonic() - began < 5


def test_time_stands_still_for_a_thread():
    async def main():
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(1, pytest.fail, "time went on")
        assert await asyncio.to_thread(get_ident) == await asyncio.to_thread(get_ident) != get_ident()
        await asyncio.to_thread(time.sleep, 0.05)
        alarm.cancel()
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return loop.time()

    assert run(main) == 0


@pytest.mark.parametrize("is_held", [True, False])
def test_time_stands_still_for_a_sink_at_work(is_held):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def main():
        loop = asyncio.get_running_loop()
        alarm = loop.create_task(asyncio.sleep(1000), name="alarm")
        with loop.held() if is_held else pytest.MonkeyPatch.context():
            receiving = loop.create_task(loop.sock_recv(ours, 1), name="a sink")
            await asyncio.sleep(0)
            outside = Timer(0.05, theirs.send, [b"x"])
            outside.start()
            await asyncio.wait([receiving, alarm], return_when=asyncio.FIRST_COMPLETED)
            outside.join()
        done = receiving.done()
        alarm.cancel()
        receiving.cancel()
        return done, loop.time()

    with ours, theirs:
        assert run(main) == ((True, 0) if is_held else (False, 1000))


def test_until_all_has_had_its_effect():
    """At its exact time, after what was due before, however many turns of the loop that took."""

    async def main():
        loop = asyncio.get_running_loop()
        done = []

        async def slow(turns):
            await asyncio.sleep(5)
            for _ in range(turns):
                await asyncio.sleep(0)
            done.append(turns)

        tasks = [loop.create_task(slow(turns), name="slow") for turns in (1, 20)]
        await loop.until(5)
        await loop.until(3)
        assert done == [1, 20]
        await asyncio.wait(tasks)
        return loop.time()

    assert run(main) == 5


def test_but_not_for_ever(monkeypatch):
    """So that the sink's own timeout comes."""
    monkeypatch.setattr(clock, "PATIENCE_S", 0.05)

    async def main():
        loop = asyncio.get_running_loop()
        with loop.held(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await loop.create_future()
        return loop.time()

    assert 0.2 <= run(main) < 0.5
