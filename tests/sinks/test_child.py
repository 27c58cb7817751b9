"""Real processes, well-behaved and not."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import uvloop

from rtms_engine.errors import SinkError
from rtms_engine.sinks.child import Child, ChildFailed

ENVIRONMENT = {"PATH": os.environ["PATH"]}


async def start(tmp_path, program, *arguments):
    return await Child.start([sys.executable, "-c", program, *arguments], tmp_path, ENVIRONMENT)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_is_written_arrives(tmp_path):
    child = await Child.start(["tee", "out"], tmp_path, ENVIRONMENT)
    await child.write(b"a" * 100_000, 5)
    await child.write(b"b", 5)
    await child.finish(5)
    assert (tmp_path / "out").read_bytes() == b"a" * 100_000 + b"b"


async def test_its_last_words_are_told(tmp_path):
    child = await start(
        tmp_path, "import sys; sys.stderr.write('one\\ntwo: it is\\x1b[31m broken\\n\\n'); sys.exit(3)"
    )
    with pytest.raises(
        ChildFailed, match=r"python\S* ended with status 3; its last words: two: it is \[31m broken"
    ):
        await child.finish(5)


async def test_one_that_says_a_lot_is_not_held_up(tmp_path):
    child = await start(tmp_path, "import sys; sys.stderr.write('x' * 10_000_000 + '\\nend\\n'); sys.exit(1)")
    with pytest.raises(ChildFailed, match="last words: end"):
        await child.finish(20)


async def test_one_that_is_gone(tmp_path):
    child = await start(tmp_path, "import sys; sys.exit('no such format')")

    async def feed():
        while True:
            await child.write(bytes(100_000), 5)

    with pytest.raises(ChildFailed, match="last words: no such format"):
        await feed()


async def test_one_that_takes_nothing(tmp_path):
    child = await start(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ChildFailed, match=r"took nothing for 0\.1 s"):
        await child.write(bytes(10_000_000), 0.1)
    assert not is_alive(child._process.pid)


async def test_one_that_does_not_end_is_told_to(tmp_path):
    child = await start(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ChildFailed, match="status -15"):
        await child.finish(0.05)
    assert not is_alive(child._process.pid)


async def test_one_that_does_not_listen_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr("rtms_engine.sinks.child._TERM_S", 0.1)
    program = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "open('pid', 'w').write(str(child.pid)); open('ready', 'w').close(); time.sleep(60)"
    )
    child = await start(tmp_path, program)
    while not (tmp_path / "ready").exists():
        await asyncio.sleep(0.01)
    with pytest.raises(ChildFailed, match="status -9"):
        await child.finish(0.05)
    grandchild = int((tmp_path / "pid").read_text())
    async with asyncio.timeout(5):
        while is_alive(grandchild) and not is_zombie(grandchild):  # in a container nobody may reap it
            await asyncio.sleep(0.01)


def is_zombie(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(SinkError, match=r"cannot start no-such-program: No such file"):
        await Child.start(["no-such-program"], tmp_path, ENVIRONMENT)
    with pytest.raises(SinkError, match="cannot start"):
        await Child.start(["tee", "a\0b"], tmp_path, ENVIRONMENT)


def test_on_the_daemons_loop(tmp_path):
    """uvloop starts processes by itself; what they write is private there too."""

    async def touch():
        child = await start(tmp_path, "open('made', 'w').close()")
        await child.finish(5)

    uvloop.run(touch())
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
