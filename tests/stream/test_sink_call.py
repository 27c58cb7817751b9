"""One call of a verb: never waited for longer than allowed, whatever it does."""

import asyncio
import time

import pytest

from rtms_engine.stream.sink_call import GRACE_S, Abandoned, CutShort, call


async def called(verb, timeout_s=10.0):
    """How long the loop was blocked, in the steps that were too long."""
    blocked = []
    await call(verb, "argument", timeout_s=timeout_s, blocked=blocked.append)
    return blocked


@pytest.mark.virtual_clock
class TestInTime:
    async def test_its_argument_and_its_awaits(self):
        heard = []

        async def verb(argument):
            await asyncio.sleep(3)
            async with asyncio.timeout(5):
                heard.append(await asyncio.to_thread(str.upper, argument))

        await called(verb)
        assert heard == ["ARGUMENT"]

    async def test_one_that_waits_for_nothing(self):
        async def verb(_):
            pass

        assert await called(verb) == []

    @pytest.mark.parametrize("waits", [False, True])
    async def test_what_it_raises(self, waits):
        async def verb(_):
            if waits:
                await asyncio.sleep(1)
            raise KeyError("mine")

        with pytest.raises(KeyError):
            await called(verb)

    async def test_its_own_timeout_is_its_own(self):
        async def verb(_):
            async with asyncio.timeout(1):
                await asyncio.sleep(2)

        with pytest.raises(TimeoutError):
            await called(verb)

    async def test_cut_short(self):
        cleaned = []

        async def verb(_):
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(1)
                cleaned.append(asyncio.get_running_loop().time())

        with pytest.raises(CutShort) as cut:
            await called(verb)
        assert not isinstance(cut.value, Abandoned)
        assert cleaned == [11]
        assert asyncio.current_task().cancelling() == 0

    async def test_late_but_done_is_done(self):
        """It was cancelled, finished its work all the same, and returned."""

        async def verb(_):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(1)

        await called(verb)

    async def test_one_that_ignores_it_is_abandoned(self):
        """And its coroutine is closed: nothing of it runs on."""

        async def verb(_):
            while True:
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    continue

        with pytest.raises(Abandoned):
            await called(verb)
        assert asyncio.get_running_loop().time() == 10 + GRACE_S
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert asyncio.current_task().cancelling() == 0

    @pytest.mark.parametrize("obeys", [True, False])
    async def test_cancelled_from_outside(self, obeys):
        async def verb(_):
            while True:
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    if obeys:
                        raise

        async def swallowing(_):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                return

        loop = asyncio.get_running_loop()
        for one in (verb, swallowing):
            began = loop.time()
            task = loop.create_task(called(one, timeout_s=0))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert loop.time() - began <= 1 + GRACE_S

    async def test_a_plain_function_is_refused_with_what_to_do(self):
        def verb(_):
            return None

        with pytest.raises(TypeError, match="blocking = True"):
            await called(verb)


async def test_a_step_that_blocks_the_loop_is_measured():
    """Only the step that did it; real time, since the loop's own stands still within a step."""

    async def verb(_):
        await asyncio.sleep(0)
        time.sleep(0.3)
        await asyncio.sleep(0)

    (blocked_s,) = await called(verb)
    assert 0.3 <= blocked_s < 2
