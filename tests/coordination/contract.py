"""What every journal must do (`rtms_engine.coordination.base`).

A test module runs it for a journal by subclassing `JournalContract` and giving ``opened``.
"""

import asyncio

import pytest

from rtms_engine.coordination.base import KEPT_MS, Unfinished
from rtms_engine.errors import JournalError
from rtms_engine.model.signals import ConcurrencyLimited, ConcurrencyNearLimit, StartFailed
from tests.coordination.signals import ENDED, HOUR_S, REVOKED, Clock, interrupted, started, stopped

LIMITED = ConcurrencyLimited("mine", 100, 2001, "of s1")


class JournalContract:
    """Subclasses give ``opened``: an awaitable journal of this clock."""

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def opened(self, clock, tmp_path):
        raise NotImplementedError

    # --- deliveries ---

    @pytest.mark.parametrize("signal", [started(), interrupted(), stopped()], ids=lambda s: type(s).__name__)
    async def test_the_same_delivery_is_new_once(self, opened, signal):
        journal = await opened()
        assert await journal.append(signal) is True
        assert await journal.append(signal) is False
        await journal.close()

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(started(ts=101), id="event_ts"),
            pytest.param(started("s2"), id="stream"),
            pytest.param(started(entity_id="another"), id="entity"),
            pytest.param(interrupted(ts=100), id="kind"),
            pytest.param(stopped(ts=100), id="stop"),
        ],
    )
    async def test_another_one_is_not_the_same(self, opened, other):
        journal = await opened()
        assert await journal.append(started())
        assert await journal.append(other)
        await journal.close()

    @pytest.mark.parametrize(
        "signal",
        [LIMITED, ConcurrencyNearLimit("mine", 100, 2000, 1601, 80), StartFailed("mine", 100, "")],
        ids=lambda s: type(s).__name__,
    )
    async def test_a_signal_of_the_account_is_always_new(self, opened, signal):
        journal = await opened()
        assert await journal.append(signal)
        assert await journal.append(signal)
        assert await journal.unfinished() == []
        await journal.close()

    async def test_of_the_same_deliveries_at_once_one_is_new(self, opened):
        journal = await opened()
        answers = await asyncio.gather(*(journal.append(started()) for _ in range(9)))
        assert answers == [True] + [False] * 8
        await journal.close()

    @pytest.mark.parametrize(("later_s", "is_new"), [(2 * HOUR_S, False), (KEPT_MS / 1000 + 1, True)])
    async def test_how_long_a_delivery_is_known(self, opened, clock, later_s, is_new):
        journal = await opened()
        await journal.append(stopped())
        clock.now_s += later_s
        await journal.append(started("unrelated"))
        assert await journal.append(stopped()) is is_new
        await journal.close()

    async def test_a_cancelled_delivery_was_not_accepted(self, opened):
        journal = await opened()
        asked = asyncio.get_running_loop().create_task(journal.append(started()))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await journal.append(started()) is asked.cancelled()
        await journal.close()

    async def test_a_cancelled_repetition_does_not_make_it_new(self, opened):
        journal = await opened()
        await journal.append(started())
        asked = asyncio.get_running_loop().create_task(journal.append(started()))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await journal.append(started()) is False
        await journal.close()

    # --- streams ---

    async def test_what_was_started_is_owed(self, opened, clock):
        journal = await opened()
        await journal.append(started())
        assert await journal.unfinished() == [Unfinished(started(), None, clock.now_ms)]
        await journal.close()

    async def test_what_has_ended_is_not(self, opened):
        journal = await opened()
        await journal.append(started())
        await journal.stream_ended("s1")
        await journal.stream_ended("s1")
        await journal.stream_ended("never heard of")
        assert await journal.unfinished() == []
        await journal.close()

    async def test_what_has_expired_is_not(self, opened):
        journal = await opened()
        await journal.append(started())
        await journal.mark_expired("s1", "its server is gone")
        assert await journal.unfinished() == []
        await journal.close()

    async def test_a_stop_that_was_not_carried_out(self, opened, clock):
        journal = await opened()
        await journal.append(started())
        await journal.append(stopped())
        assert await journal.unfinished() == [Unfinished(started(), stopped(), clock.now_ms)]
        await journal.close()

    async def test_a_failover_is_the_newer_start(self, opened, clock):
        journal = await opened()
        await journal.append(started())
        clock.now_s += 60
        failover = started(ts=101, url="wss://two.zoom.us")
        await journal.append(failover)
        assert await journal.unfinished() == [Unfinished(failover, None, clock.now_ms)]
        await journal.close()

    async def test_the_longest_accepted_first(self, opened, clock):
        journal = await opened()
        for stream in ("b", "a", "c"):
            clock.now_s += 1
            await journal.append(started(stream))
        clock.now_s += 1
        await journal.append(started("b", ts=101))
        assert [owed.start.stream_id for owed in await journal.unfinished()] == ["a", "c", "b"]
        await journal.close()

    async def test_a_live_stream_is_never_forgotten(self, opened, clock):
        journal = await opened()
        await journal.append(started())
        clock.now_s += 30 * 24 * HOUR_S
        await journal.append(started("unrelated"))
        assert [owed.start.stream_id for owed in await journal.unfinished()] == ["s1", "unrelated"]
        await journal.close()

    @pytest.mark.parametrize(("later_s", "owed"), [(2 * HOUR_S, [REVOKED]), (KEPT_MS / 1000 + 1, [])])
    async def test_how_long_an_ended_stream_can_be_revoked(self, opened, clock, later_s, owed):
        journal = await opened()
        await journal.append(started())
        await journal.append(stopped(reason=ENDED))
        await journal.stream_ended("s1")
        clock.now_s += later_s
        await journal.append(started("unrelated"))
        await journal.stream_ended("unrelated")
        await journal.append(stopped(ts=300, reason=REVOKED))
        assert [found.stop.stop_reason for found in await journal.unfinished()] == owed
        await journal.close()

    # --- the end ---

    async def test_after_close_it_refuses(self, opened):
        journal = await opened()
        await journal.close()
        await journal.close()
        for asked in (
            journal.append(started()),
            journal.stream_ended("s1"),
            journal.mark_expired("s1", "why"),
            journal.unfinished(),
        ):
            with pytest.raises(JournalError, match="closed"):
                await asked

    async def test_what_was_asked_before_close_is_done(self, opened):
        journal = await opened()
        loop = asyncio.get_running_loop()
        asked = [loop.create_task(journal.append(started(f"s{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        await journal.close()
        assert await asyncio.gather(*asked) == [True] * 20
