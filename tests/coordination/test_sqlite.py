"""The journal on a real disk; where the loop is real, its thread is too."""

import asyncio
import random
import resource
import sqlite3
import subprocess
import sys

import pytest
import structlog

from rtms_engine.coordination.base import KEPT_MS, Unfinished
from rtms_engine.coordination.group_commit import MOST_TOGETHER
from rtms_engine.coordination.sqlite import FORGOTTEN_AT_ONCE, JournalStatistics, SqliteJournal
from rtms_engine.coordination.sqlite_file import NAME
from rtms_engine.errors import JournalError
from rtms_engine.model.signals import ConcurrencyLimited
from tests.coordination.contract import JournalContract
from tests.coordination.signals import REVOKED, Clock, started, stopped


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def opened(self, clock, tmp_path):
        return lambda: SqliteJournal.open(tmp_path, clock)


class TestSqliteJournalOnTheVirtualClock(TestSqliteJournal):
    pytestmark = pytest.mark.virtual_clock


@pytest.fixture
def clock():
    return Clock()


async def table(directory, name):
    """The rows of a table, as another process would see them."""
    connection = sqlite3.connect(directory / NAME)
    try:
        return connection.execute(f"SELECT * FROM {name}").fetchall()
    finally:
        connection.close()


# --- a restart ---


async def test_everything_is_there_after_a_restart(tmp_path, clock):
    before = await SqliteJournal.open(tmp_path, clock)
    for signal in (started("live"), started("stopped"), stopped("stopped", reason=REVOKED), started("ended")):
        await before.append(signal)
    await before.stream_ended("ended")
    await before.close()

    after = await SqliteJournal.open(tmp_path, clock)
    assert await after.unfinished() == [
        Unfinished(started("live"), None, clock.now_ms),
        Unfinished(started("stopped"), stopped("stopped", reason=REVOKED), clock.now_ms),
    ]
    assert await after.append(started("live")) is False
    assert await after.append(stopped("stopped", reason=REVOKED)) is False
    assert await after.append(started("ended", ts=101)) is True
    await after.close()


async def test_nothing_is_lost_without_close(tmp_path, clock):
    left_open = await SqliteJournal.open(tmp_path, clock)
    await left_open.append(started())
    after = await SqliteJournal.open(tmp_path, clock)
    assert await after.append(started()) is False
    assert len(await after.unfinished()) == 1
    await after.close()
    await left_open.close()


@pytest.mark.parametrize("seed", range(6))
async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, clock, seed):
    """The parent kills after some lines; the child is somewhere in the middle of the next ones."""
    lines_first = random.Random(seed).randint(1, 1500)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.coordination.appender", tmp_path], stdout=subprocess.PIPE, text=True
    ) as child:
        lines = [child.stdout.readline() for _ in range(lines_first)]
        child.kill()
        lines += child.stdout.readlines()
    complete = [line.split() for line in lines if line.endswith("\n")]
    acknowledged = {stream_id for sign, stream_id in complete if sign == "+"}
    ended = {stream_id for sign, stream_id in complete if sign == "-"}
    assert len(complete) >= lines_first

    journal = await SqliteJournal.open(tmp_path, clock)
    owed = {found.start.stream_id for found in await journal.unfinished()}
    ending = {stream_id for stream_id in acknowledged if stream_id.endswith("7")}
    assert acknowledged - ending <= owed
    assert not owed & ended
    again = await asyncio.gather(*(journal.append(started(stream_id)) for stream_id in acknowledged))
    assert not any(again)
    await journal.close()


# --- a burst ---


@pytest.mark.parametrize("loop_kind", ["real", pytest.param("virtual", marks=pytest.mark.virtual_clock)])
async def test_a_burst_of_2000_starts_is_a_handful_of_commits(tmp_path, clock, loop_kind):
    journal = await SqliteJournal.open(tmp_path, clock)
    assert all(await asyncio.gather(*(journal.append(started(f"s{n}")) for n in range(2000))))
    assert journal.statistics() == JournalStatistics(2000, 0, 1 + -(-1999 // MOST_TOGETHER))
    assert len(await journal.unfinished()) == 2000
    await journal.close()


# --- what is kept, and for how long ---


async def test_account_signals_are_kept_for_the_audit(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path, clock)
    await journal.append(ConcurrencyLimited("mine", 100, 2001, "of s1"))
    await journal.close()
    [(_, accepted_ms, kind, event_ts_ms, _, _, signal)] = await table(tmp_path, "deliveries")
    assert (accepted_ms, kind, event_ts_ms) == (clock.now_ms, "ConcurrencyLimited", 100)
    assert '"number":2001' in signal


async def test_why_a_stream_was_given_up_is_kept(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path, clock)
    await journal.append(started())
    await journal.mark_expired("s1", "its server is gone")
    await journal.close()
    [row] = await table(tmp_path, "streams")
    assert row[-2:] == (clock.now_ms, "its server is gone")


async def test_old_rows_go_little_by_little(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path, clock)
    many = FORGOTTEN_AT_ONCE + 500
    await asyncio.gather(*(journal.append(started(f"s{n}")) for n in range(many)))
    await asyncio.gather(*(journal.stream_ended(f"s{n}") for n in range(many - 1)))
    clock.now_s += KEPT_MS / 1000 + 1
    for left in (500, 0, 0):
        await journal.append(ConcurrencyLimited("mine", 1, 1, ""))
        live = 1
        new = journal.statistics().appended - many
        assert len(await table(tmp_path, "deliveries")) == left + new
        assert len(await table(tmp_path, "streams")) == max(left - 1, 0) + live
    assert [owed.start.stream_id for owed in await journal.unfinished()] == [f"s{many - 1}"]
    await journal.close()


async def test_nobody_else_may_read_it(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path / "state", clock)
    await journal.append(started())
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert files == {NAME: 0o600, f"{NAME}-wal": 0o600, f"{NAME}-shm": 0o600}
    await journal.close()


# --- trouble ---


async def test_a_full_disk_is_an_error_and_passes(tmp_path, clock):
    """The kernel refuses to let the log grow, as on a full disk; SIGXFSZ is ignored by Python."""
    journal = await SqliteJournal.open(tmp_path, clock)
    await journal.append(started("before"))
    size = (tmp_path / f"{NAME}-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
    try:
        with pytest.raises(JournalError, match=NAME) as failed:
            await journal.append(started("during"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk" in failed.value.why
    assert await journal.append(started("during")) is True
    assert len(await journal.unfinished()) == 2
    await journal.close()


async def test_somebody_who_holds_the_file_is_an_error_and_passes(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path, clock, busy_s=0.01)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(
        journal.append(started()), journal.stream_ended("x"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [JournalError, JournalError]
    assert "locked" in str(answers[0])
    other.close()
    assert await journal.append(started()) is True
    await journal.close()


async def test_an_unreadable_stream_does_not_hide_the_others(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path, clock)
    await journal.append(started("spoilt"))
    await journal.append(started("good"))
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("UPDATE streams SET start = '{\"product\": \"toaster\"}' WHERE stream_id = 'spoilt'")
    other.commit()
    other.close()
    with structlog.testing.capture_logs() as lines:
        assert [owed.start.stream_id for owed in await journal.unfinished()] == ["good"]
    [line] = lines
    assert (line["event"], line["log_level"], line["stream_id"]) == (
        "JournalEntryUnreadable",
        "error",
        "spoilt",
    )
    assert "toaster" in line["reason"]
    await journal.close()


async def test_its_face(tmp_path, clock):
    journal = await SqliteJournal.open(tmp_path, clock)
    await journal.append(started())
    await journal.append(started())
    assert repr(journal) == f"<SqliteJournal {tmp_path / NAME} appended=1 commits=2>"
    assert journal.statistics() == JournalStatistics(appended=1, repeated=1, commits=2)
    await journal.close()
