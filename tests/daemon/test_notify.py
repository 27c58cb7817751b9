"""What the service manager hears, over a real socket."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtms_engine.daemon.notify import Notifier

CONFIG = """
[server]
host = "127.0.0.1"
port = 0
[api]
enabled = false
[[apps]]
client_id = "ID"
client_secret = "SECRET"
secret_token = "TOKEN"
[[sinks]]
type = "null"
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(30)
        yield sock


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().splitlines()


def test_what_the_environment_says() -> None:
    asked = {"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "30000000"}
    assert Notifier.of(asked, 7)._watchdog_s == 30.0
    assert Notifier.of({**asked, "WATCHDOG_PID": "7"}, 7)._watchdog_s == 30.0
    assert Notifier.of({**asked, "WATCHDOG_PID": "8"}, 7)._watchdog_s is None
    for nonsense in ("", "0", "soon", "-1"):
        assert Notifier.of({"WATCHDOG_USEC": nonsense}, 7)._watchdog_s is None


def test_nobody_there_is_no_trouble(tmp_path: Path) -> None:
    assert not Notifier("").tell("READY=1")
    assert not Notifier(str(tmp_path / "nobody")).tell("READY=1")


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux'")
def test_an_abstract_name() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0rtms-test-{os.getpid()}")
        assert Notifier(f"@rtms-test-{os.getpid()}").tell("READY=1", "STATUS=x")
        assert heard(sock) == ["READY=1", "STATUS=x"]


@pytest.mark.virtual_clock
async def test_the_watchdog_is_fed_while_the_loop_goes_round(tmp_path: Path, manager: socket.socket) -> None:
    manager.setblocking(False)
    with Notifier(str(tmp_path / "notify"), 30.0):
        await asyncio.sleep(61)
    fed = 0
    while True:
        try:
            assert heard(manager) == ["WATCHDOG=1"]
        except BlockingIOError:
            break
        fed += 1
    assert fed == 5  # at once, and every 15 s
    await asyncio.sleep(60)
    with pytest.raises(BlockingIOError):
        heard(manager)


def test_the_life_of_a_daemon(tmp_path: Path, manager: socket.socket) -> None:
    """Ready, fed, reloading, stopping; as a process that systemd has started."""
    (tmp_path / "config.toml").write_text(CONFIG)
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
    command = [sys.executable, "-m", "rtms_engine", "run"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            assert heard(manager) == ["WATCHDOG=1"]
            ready = heard(manager)
            assert ready[0] == "READY=1"
            assert ready[1].startswith("STATUS=webhooks at http://127.0.0.1:")
            process.send_signal(signal.SIGHUP)
            reloading = heard(manager)
            assert reloading[0] == "RELOADING=1"
            assert int(reloading[1].removeprefix("MONOTONIC_USEC=")) > 0
            assert heard(manager)[0] == "READY=1"
            process.send_signal(signal.SIGTERM)
            assert heard(manager)[0] == "STOPPING=1"
            assert process.wait(30) == 0
        finally:
            process.kill()
