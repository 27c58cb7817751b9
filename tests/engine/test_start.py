"""A start that fails, at whichever step, leaves nothing behind: no task, file, socket, process or lock."""

import asyncio
import itertools
import os
import socket
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from rtms_engine import (
    ApiConfig,
    AppConfig,
    Config,
    ConfigError,
    Engine,
    NotificationConfig,
    RtmsConfig,
    Secret,
    ServerConfig,
    SinkConfig,
    StateConfig,
)
from rtms_engine.coordination.lock import DirectoryLock

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOWHERE = "http://127.0.0.1:9/"
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
LOCAL: dict[str, Any] = {"host": "127.0.0.1", "port": 0}


def everything(folder: Path, **changes: Any) -> Config:
    """An engine that has every part which can be started, but for more processes."""
    outbox = {"url": NOWHERE, "secrets": [SECRET], "directory": str(folder / "queue"), "allow_private": True}
    given: dict[str, Any] = {
        "apps": [AppConfig.of("client-id", "client-secret", "secret-token")],
        "server": ServerConfig(**LOCAL),
        "api": ApiConfig(**LOCAL),
        "rtms": RtmsConfig(allow_insecure_loopback=True),
        "state": StateConfig(directory=str(folder / "state")),
        "notifications": (NotificationConfig(NOWHERE, (Secret(SECRET),), allow_private=True),),
        "sinks": (
            SinkConfig("recording", options={"directory": str(folder / "out")}),
            SinkConfig("webhook", options=outbox),
            SinkConfig("websocket", options={**LOCAL, "tokens": ["x" * 32]}),
        ),
    }
    return Config(**{**given, **changes})


@contextmanager
def nothing_left(folder: Path) -> Generator[None]:
    """As many files, sockets and tasks afterwards as before; nobody hears the log, and the lock is free."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor())
    tasks, files, hearing = asyncio.all_tasks(), open_files(), structlog.get_config()["processors"]
    yield
    # What was asked of threads is done.
    loop._default_executor.shutdown()  # type: ignore[attr-defined]
    assert asyncio.all_tasks() == tasks
    assert structlog.get_config()["processors"] == hearing
    assert open_files() == files
    if (folder / "state/engine.lock").is_file():
        with DirectoryLock(folder / "state"):
            pass


def open_files() -> dict[str, str]:
    """What this process has open, by number."""
    found = {}
    for file in Path("/proc/self/fd").iterdir():
        try:
            found[file.name] = str(file.readlink())
        except FileNotFoundError:  # of the listing itself
            continue
    return found


# --- what can be wrong with each step ---


def a_folder_for_a_file(name: str) -> Callable[[Path, int], dict[str, Any]]:
    """Where a file is to be."""

    def make(folder: Path, _port: int) -> dict[str, Any]:
        (folder / name).mkdir(parents=True)
        return {}

    return make


def a_file_for_a_folder(name: str) -> Callable[[Path, int], dict[str, Any]]:
    """Where a folder is to be."""

    def make(folder: Path, _port: int) -> dict[str, Any]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        return {}

    return make


def workers(_folder: Path, _port: int) -> dict[str, Any]:
    """More processes than this one."""
    return {"server": ServerConfig(**LOCAL, workers=2)}


def taken(part: str, kind: type[Any]) -> Callable[[Path, int], dict[str, Any]]:
    """The port of a part."""
    return lambda _folder, port: {part: kind(**{**LOCAL, "port": port})}


@LINUX
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(a_folder_for_a_file("state/engine.lock"), "engine.lock", id="lock"),
        pytest.param(a_folder_for_a_file("state/journal.sqlite3"), "journal.sqlite3", id="journal"),
        pytest.param(a_file_for_a_folder("queue"), "queue", id="services"),
        pytest.param(a_file_for_a_folder("state/notifications"), "notifications", id="notices"),
        pytest.param(workers, "processes do not start", id="processes"),
        pytest.param(taken("server", ServerConfig), "server: cannot listen", id="webhooks"),
        pytest.param(taken("api", ApiConfig), "api: cannot listen", id="api"),
    ],
)
async def test_a_step_that_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Callable[[Path, int], dict[str, Any]],
    said: str,
) -> None:
    """Says what is wrong at once, and undoes those before it."""
    with socket.create_server(("127.0.0.1", 0)) as mine:
        monkeypatch.setattr(sys, "executable", "/bin/false")  # whatever is started as a process ends
        engine = Engine(everything(tmp_path, **wrong(tmp_path, mine.getsockname()[1])))
        with nothing_left(tmp_path):
            async with asyncio.timeout(10):
                with pytest.raises(ConfigError, match=said):
                    await engine.__aenter__()


class CancelledAt:
    """Awaits something, and is cancelled when that waits for the ``n``-th time."""

    def __init__(self, work: Any, n: int) -> None:
        self._steps = work.__await__()
        self._n = n

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        throw: BaseException | None = None
        for n in itertools.count():
            try:
                waited = self._steps.throw(throw) if throw else next(self._steps)
            except StopIteration as done:
                return done.value
            if n == self._n:
                task.cancel()
            try:
                yield waited
            except BaseException as error:
                throw = error
            else:
                throw = None


@LINUX
async def test_a_start_that_is_cancelled(tmp_path: Path) -> None:
    """Wherever it waits."""

    async def start(n: int) -> bool:
        engine = Engine(everything(tmp_path))
        try:
            await CancelledAt(engine.__aenter__(), n)
        except asyncio.CancelledError:
            return False
        await engine.__aexit__(None, None, None)
        return True

    for n in itertools.count():
        with nothing_left(tmp_path):
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                begun = group.create_task(start(n), name=f"start {n}")
            if not begun.cancelled() and begun.result():
                break
    assert n, "it waits somewhere"


@LINUX
async def test_a_start_that_is_cancelled_while_its_processes_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them stays."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/began-$$\nexec sleep 600\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    engine = Engine(everything(tmp_path, **workers(tmp_path, 0)))
    with nothing_left(tmp_path):
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            start = group.create_task(engine.__aenter__(), name="start")
            while len(began := list(tmp_path.glob("began-*"))) < 2:
                await asyncio.sleep(0.01)
            start.cancel()
    for path in began:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name.partition("-")[2]), 0)
