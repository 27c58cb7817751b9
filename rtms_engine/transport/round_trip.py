"""How long a round trip over a connection takes, as the kernel measures it.

RTMS's keep-alives are asked by Zoom and answered by us, so only Zoom can time them. What TCP measures with
every acknowledgement is the nearest to it that can be known here.
"""

import asyncio
import contextlib
import socket
import struct
import sys

_SRTT_AT = 68
"""``tcpi_rtt`` in ``struct tcp_info`` of linux/tcp.h: 8 bytes, and 15 numbers of 32 bits before it."""


def round_trip_s(transport: asyncio.BaseTransport | None) -> float | None:
    """The smoothed round trip time of a connection, in seconds; None where the kernel does not tell."""
    if transport is None or sys.platform != "linux":
        return None
    sock = transport.get_extra_info("socket")
    if sock is None:
        return None
    with contextlib.suppress(OSError, struct.error):  # closed meanwhile, or no TCP
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        (micros,) = struct.unpack_from("=I", info, _SRTT_AT)
        return float(micros) / 1e6
    return None
