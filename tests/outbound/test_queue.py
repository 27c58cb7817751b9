"""Messages on disk."""

import contextlib
import sqlite3
import stat
import subprocess
import sys

import pytest

from rtms_engine.errors import ConfigError
from rtms_engine.outbound.queue import Message, Queue
from rtms_engine.vault import files
from tests.vault.support import vault


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queues" / "one.sqlite3"


@pytest.fixture
def queue(path):
    queue = Queue(path, 5)
    yield queue
    queue.close()


def message(number, topic="s1"):
    return Message(f"msg_{number}", topic, b"body %d" % number)


def test_what_is_put_is_taken_in_order_when_it_is_due(queue):
    queue.put([message(1), message(2)], due_s=100.0)
    queue.put([message(3)], due_s=50.0)
    assert queue.take(49.0, 60.0, 10) == []
    assert queue.next_due_s() == 50.0
    assert [taken.id for taken in queue.take(100.0, 60.0, 2)] == ["msg_3", "msg_1"]


def test_nobody_else_gets_it_within_the_lease(queue, path):
    queue.put([message(1)], due_s=0.0)
    other = Queue(path, 5)
    assert [taken.id for taken in queue.take(0.0, 60.0, 10)] == ["msg_1"]
    assert other.take(59.0, 60.0, 10) == []
    assert [taken.id for taken in other.take(60.0, 60.0, 10)] == ["msg_1"]
    other.close()


def test_tries_are_counted(queue):
    queue.put([message(1)], due_s=0.0)
    [taken] = queue.take(0.0, 60.0, 10)
    queue.put_off(taken, 5.0)
    [again] = queue.take(5.0, 60.0, 10)
    assert (again.tries, again.body) == (1, b"body 1")
    queue.delete(again)
    assert len(queue) == 0
    assert queue.next_due_s() is None


def test_the_same_message_twice_is_one(queue):
    queue.put([message(1), message(1)], due_s=0.0)
    queue.put([message(1)], due_s=0.0)
    assert len(queue) == 1


def test_beyond_its_bound_the_oldest_make_room(queue):
    assert queue.put([message(n) for n in range(1, 8)], due_s=0.0) == 2
    assert [taken.id for taken in queue.take(0.0, 1.0, 10)] == [f"msg_{n}" for n in range(3, 8)]


def test_what_is_forgotten_is_on_no_disk(queue, path):
    secret = Message("msg_1", "revoked", b"what Ada said " * 500)
    queue.put([secret, message(2, "other")], due_s=0.0)
    assert queue.forget("revoked") == 1
    assert [taken.id for taken in queue.take(0.0, 1.0, 10)] == ["msg_2"]
    assert b"what Ada said" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_everything_may_be_forgotten(queue):
    queue.put([message(1), message(2, "s2")], due_s=0.0)
    assert queue.forget(None) == 2
    assert len(queue) == 0


def test_it_survives_the_death_of_its_process(path):
    program = (
        "import os, sys; from pathlib import Path; from rtms_engine.outbound.queue import *;"
        "q = Queue(Path(sys.argv[1]), 5); q.put([Message('msg_1', 's1', b'kept')], 0.0); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 9
    queue = Queue(path, 5)
    assert [taken.body for taken in queue.take(0.0, 1.0, 10)] == [b"kept"]
    queue.close()


def test_nobody_else_may_read_it(queue, path):
    queue.put([message(1)], due_s=0.0)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_is_no_queue(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database, whatever it is called" * 100)
    with pytest.raises(ConfigError, match=r"one\.sqlite3: cannot be used as a queue"):
        Queue(path, 5)


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used as a queue"):
        Queue(tmp_path / "file" / "one.sqlite3", 5)


def test_where_the_engine_encrypts_bodies_are_encrypted(tmp_path, path):
    """Those that were there before are delivered too; without the key the queue cannot be used, and says so."""
    before = Queue(path, 5)
    before.put([message(1)], due_s=100.0)
    before.close()
    keys = vault(tmp_path / "keys", covers=(path.parent,))
    with files.unlocked(keys):
        for _ in range(2):
            queue = Queue(path, 5)
            queue.put([message(2)], due_s=100.0)
            queue.close()
        assert b"body 2" not in b"".join(one.read_bytes() for one in path.parent.iterdir())
    with pytest.raises(ConfigError, match="no key is configured"):
        Queue(path, 5)
    with files.unlocked(keys):
        queue = Queue(path, 5)
        assert [one.body for one in queue.take(100.0, 10.0, 9)] == [b"body 1", b"body 2"]
        queue.close()


def test_a_queue_of_another_version_is_left_as_it_is(path):
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.executescript(
            "CREATE TABLE messages (id TEXT, body BLOB); INSERT INTO messages VALUES ('a', 'b');"
        )
    before = path.read_bytes()
    with pytest.raises(
        ConfigError, match="its schema is 0, this version of the engine reads 1; run the version"
    ):
        Queue(path, 5)
    assert path.read_bytes()[100:] == before[100:]  # but for the journal mode in SQLite's header


def test_its_own_is_opened_again(path):
    first = Queue(path, 5)
    first.put([message(1)], due_s=0.0)
    first.close()
    second = Queue(path, 5)
    assert [taken.id for taken in second.take(0.0, 60.0, 10)] == ["msg_1"]
    second.close()
