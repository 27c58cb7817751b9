"""Files that are no journal, or not of this version, and directories that cannot be used."""

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest
import structlog

from rtms_engine.coordination.sqlite import SqliteJournal
from rtms_engine.coordination.sqlite_file import NAME, SCHEMA_VERSION, open_journal
from rtms_engine.errors import ConfigError
from tests.coordination.signals import NOW_S, Clock, started

DATE = "20260921T141320Z"
NOBODY = 65534


async def written(directory):
    """A journal with one delivery."""
    journal = await SqliteJournal.open(directory, Clock())
    await journal.append(started())
    await journal.close()


async def replaced(directory):
    """Open what is there; the names of what was kept aside, and the line that said so."""
    with structlog.testing.capture_logs() as lines:
        journal = await SqliteJournal.open(directory, Clock())
    assert await journal.unfinished() == []
    assert await journal.append(started()) is True
    await journal.close()
    [line] = lines
    assert (line["event"], line["log_level"]) == ("JournalReplaced", "error")
    return sorted(path.name for path in directory.iterdir() if path.name != NAME), line


async def test_a_file_that_is_none_is_kept_aside(tmp_path):
    (tmp_path / NAME).write_bytes(b"not a database, but long enough for one" * 100)
    content = (tmp_path / NAME).read_bytes()
    kept, line = await replaced(tmp_path)
    assert kept == [f"{NAME}.corrupt-{DATE}"]
    assert line["kept_at"] == str(tmp_path / kept[0])
    assert "not a database" in line["reason"]
    assert (tmp_path / kept[0]).read_bytes() == content


async def test_a_page_that_was_overwritten_is_found(tmp_path):
    await written(tmp_path)
    data = bytearray((tmp_path / NAME).read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    (tmp_path / NAME).write_bytes(data)
    kept, line = await replaced(tmp_path)
    assert kept[0] == f"{NAME}.corrupt-{DATE}"
    assert line["reason"]


async def test_its_log_goes_with_it(tmp_path):
    """Left behind, the log of the old file would be taken for the new one's."""
    (tmp_path / NAME).write_bytes(b"not a database" * 100)
    (tmp_path / f"{NAME}-wal").write_bytes(b"log")
    (tmp_path / f"{NAME}-shm").write_bytes(b"index")
    kept, _ = await replaced(tmp_path)
    assert kept == [f"{NAME}.corrupt-{DATE}{suffix}" for suffix in ("", "-shm", "-wal")]
    assert (tmp_path / kept[2]).read_bytes() == b"log"


async def test_a_second_one_in_the_same_second_is_kept_too(tmp_path):
    for _ in range(3):
        (tmp_path / NAME).write_bytes(b"not a database" * 100)
        kept, _ = await replaced(tmp_path)
    assert kept == [f"{NAME}.corrupt-{DATE}{again}" for again in ("", "-2", "-3")]


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
async def test_another_schema_is_kept_aside_whole(tmp_path, version):
    await written(tmp_path)
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    kept, line = await replaced(tmp_path)
    assert kept[0] == f"{NAME}.schema{version}-{DATE}"
    assert line["reason"] == f"its schema is {version}, this version of the engine reads {SCHEMA_VERSION}"
    connection = sqlite3.connect(tmp_path / kept[0])
    assert connection.execute("SELECT count(*) FROM deliveries").fetchall() == [(1,)]
    connection.close()


async def test_an_empty_file_is_a_fresh_one(tmp_path):
    """What a crash leaves between making the file and its tables."""
    (tmp_path / NAME).touch()
    with structlog.testing.capture_logs() as lines:
        await written(tmp_path)
    assert lines == []


# --- directories ---


@pytest.fixture
def read_only():
    """A directory that we may read and not write to, root or not."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o555)
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield directory
        finally:
            os.seteuid(user)
            directory.chmod(0o755)


def test_a_read_only_directory(read_only):
    with pytest.raises(ConfigError, match=r"state.directory: cannot use .*: Permission denied"):
        open_journal(read_only, NOW_S)
    with pytest.raises(ConfigError, match="Permission denied"):
        open_journal(read_only / "below", NOW_S)


async def test_a_journal_that_may_not_be_written_is_left_where_it_is(read_only):
    nobody = os.geteuid()
    os.seteuid(os.getuid())
    read_only.chmod(0o755)
    await written(read_only)
    (read_only / NAME).chmod(0o444)
    read_only.chmod(0o555)
    os.seteuid(nobody)
    with pytest.raises(ConfigError, match="Permission denied"):
        open_journal(read_only, NOW_S)
    assert [path.name for path in read_only.iterdir()] == [NAME]


def test_a_file_in_the_place_of_the_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot use .*file"):
        open_journal(tmp_path / "file", NOW_S)


def test_a_directory_in_the_place_of_the_file(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        open_journal(tmp_path, NOW_S)


def test_a_file_that_somebody_else_holds_is_not_taken_for_a_corrupt_one(tmp_path):
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ConfigError, match="locked"):
        open_journal(tmp_path, NOW_S, busy_s=0.01)
    other.close()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_commit_is_on_the_disk(tmp_path):
    """What no test of a killed process can show: https://sqlite.org/pragma.html#pragma_synchronous."""
    connection = open_journal(tmp_path, NOW_S)
    assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert connection.execute("PRAGMA synchronous").fetchall() == [(2,)]
    connection.close()
