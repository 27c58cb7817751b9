import os
import subprocess
import sys

import pytest

from rtms_engine.coordination.lock import LOCK_FILE, DirectoryLock
from rtms_engine.errors import ConfigError

HOLDER = """
import sys
from pathlib import Path
from rtms_engine.coordination.lock import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_engine_is_told_who_has_it(holder, tmp_path):
    with pytest.raises(ConfigError) as refused, DirectoryLock(tmp_path):
        pass
    assert f"pid {holder.pid}" in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_it_is_free_after_the_other_ends(holder, tmp_path):
    holder.communicate()
    with DirectoryLock(tmp_path):
        pass


def test_it_is_free_after_kill_9(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / LOCK_FILE).read_text() == f"{holder.pid}\n"
    with DirectoryLock(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_two_engines_of_one_process(tmp_path):
    with DirectoryLock(tmp_path), pytest.raises(ConfigError, match=f"pid {os.getpid()}"):
        DirectoryLock(tmp_path).__enter__()
    with DirectoryLock(tmp_path):
        pass


def test_a_child_that_lives_longer_does_not_keep_it(tmp_path):
    with DirectoryLock(tmp_path) as lock:
        command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[lock._file])
    with child, DirectoryLock(tmp_path):
        child.communicate()


def test_a_long_name_of_an_older_holder_does_not_show_through(tmp_path):
    (tmp_path / LOCK_FILE).write_text("9" * 50)
    with DirectoryLock(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_the_directory_is_made_for_the_owner_alone(tmp_path):
    with DirectoryLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "b" / LOCK_FILE).stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"state.directory: cannot use .*file"):
        DirectoryLock(tmp_path / "file").__enter__()


def test_its_face(tmp_path):
    lock = DirectoryLock(tmp_path)
    assert repr(lock) == f"<DirectoryLock {tmp_path} free>"
    with lock:
        assert repr(lock) == f"<DirectoryLock {tmp_path} held>"
