"""Ports for servers that are told which one to take.

The system hands out ports from 32768 on, to everybody who asks for any: between a look and the start of an engine
it may give one away again. So these are from below.
"""

import errno
import os
import socket
import zlib
from collections.abc import Iterator
from itertools import chain

_FIRST, _BEHIND = 20_000, 32_000


def _in_turn() -> Iterator[int]:
    begin = _FIRST + zlib.crc32(f"{os.environ.get('PYTEST_XDIST_WORKER')} {os.getpid()}".encode()) % (
        _BEHIND - _FIRST
    )
    while True:
        yield from chain(range(begin, _BEHIND), range(_FIRST, begin))


_PORTS = _in_turn()


def free_port() -> int:
    """One that nobody listens at, and nobody is given."""
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
    raise AssertionError("the ports have no end")
