"""Tells the service manager how the process is, in systemd's protocol (sd_notify(3)): one datagram a message.

Without ``NOTIFY_SOCKET`` in the environment nobody is told. The watchdog is told from the event loop, so it
barks when the loop stands still.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Self

READY, STOPPING = "READY=1", "STOPPING=1"
_ABSTRACT = "@"
_TIMES_IN_TIME = 2
"""How often the watchdog is told within its time."""


class Notifier:
    """Speaks to one service manager.

    Args:
        address: of its socket: a path, or ``@`` and an abstract name; empty: there is none.
        watchdog_s: how often it wants to hear that all is well; None: never.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = address
        self._timer: asyncio.TimerHandle | None = None
        self._watchdog_s = watchdog_s

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Self:
        """As the service manager has told this process (sd_watchdog_enabled(3))."""
        micros = environment.get("WATCHDOG_USEC", "")
        is_mine = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watchdog_s = int(micros) / 1e6 if micros.isdecimal() and int(micros) and is_mine else None
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog_s)

    def tell(self, *lines: str) -> bool:
        """Send a message. Returns whether somebody took it; that nobody does is no reason to stop."""
        if not self._address:
            return False
        address = self._address
        if address.startswith(_ABSTRACT):
            address = "\0" + address[1:]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), address)
            return True
        return False

    def ready(self, status: str) -> None:
        """The engine listens."""
        self.tell(READY, f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, within_s: float) -> None:
        """The engine drains, and may take so long."""
        self.tell(STOPPING, "STATUS=draining", f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    def __enter__(self) -> Self:
        """Keep the watchdog quiet from now on, as long as the running loop goes round."""
        if self._watchdog_s is not None:
            self._feed()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _feed(self) -> None:
        assert self._watchdog_s is not None  # noqa: S101 - see __enter__
        self.tell("WATCHDOG=1")
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._watchdog_s / _TIMES_IN_TIME, self._feed)


def of_process() -> Notifier:
    """That of this process."""
    return Notifier.of(os.environ, os.getpid())
