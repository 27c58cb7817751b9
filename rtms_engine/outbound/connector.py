"""A way out that looks at every address at the moment in which it is connected to."""

import socket

import aiohttp
from aiohttp.connector import AddrInfoType

from .addresses import Reach, why_refused


class AddressRefused(OSError):
    """An address that must not be connected to."""


def guarded_session(reach: Reach, timeout_s: float) -> aiohttp.ClientSession:
    """A client that follows `reach` for every connection, keeps no cookies and heeds no proxy settings.

    Args:
        reach: how far it may go.
        timeout_s: for one request, from the connection to the last byte of the answer.
    """

    def checked_socket(address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        if why := why_refused(str(where[0]), reach):
            raise AddressRefused(f"the address is refused: {why}")
        return socket.socket(family, kind, protocol)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=checked_socket, use_dns_cache=False, limit=64),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        auto_decompress=False,
        trust_env=False,
    )
