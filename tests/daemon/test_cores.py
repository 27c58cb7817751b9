"""On which cores a daemon runs."""

import signal
import time
from pathlib import Path

import pytest

from rtms_engine import cores
from rtms_engine.simulator import App
from tests.foreign.daemon import Daemon

pytestmark = pytest.mark.skipif(
    len(cores.ALL) < 2, reason="there is but one core, or the system does not tell"
)

APP = App("client-id", "client-secret", "secret-token")


def allowed(pid: int) -> int:
    """How many cores the thread of its event loop may use."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("Cpus_allowed:"))
    return int(mask.replace(",", ""), 16).bit_count()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def hears_signals(pid: int) -> bool:
    """Whether the daemon can be ended in order."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


@pytest.mark.parametrize(
    ("options", "engine_keeps", "streams_keep"),
    [((), True, 0), (("server.pin_to_core=false",), False, 0), (("server.workers=2",), False, 2)],
    ids=["one process", "not wanted", "two processes of streams"],
)
def test_who_keeps_to_one_core(tmp_path, options, engine_keeps, streams_keep):
    words = [word for option in options for word in ("--set", option)]
    with Daemon(tmp_path, [APP], insecure_loopback=True, options=words) as daemon:
        assert daemon.process is not None
        pid = daemon.process.pid
        deadline = time.monotonic() + 30
        while not hears_signals(pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert (allowed(pid) == 1) is engine_keeps
        assert [allowed(child) for child in children(pid)] == [1] * streams_keep
