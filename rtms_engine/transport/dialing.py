"""From a checked URL to a connected socket: what the name resolves to is checked as well, here and now.

Between a check and a connection a name may change its address (DNS rebinding). So a name is resolved once,
and what is connected to is the very address that was looked at.
"""

import asyncio
import socket

from ..outbound.addresses import why_refused
from .endpoint import Endpoint, is_loopback


async def dial(endpoint: Endpoint) -> socket.socket:
    """Connect to the first address that may be connected to and answers.

    Raises:
        OSError: none does; the last reason.

    Cancelling it closes what was opened.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    failed: OSError = OSError(f"no address of {endpoint.host}")
    for family, kind, protocol, _name, address in addresses:
        if why := _why_refused(endpoint, str(address[0])):
            failed = OSError(f"the address of {endpoint.host} is refused: {why}")
            continue
        one = socket.socket(family, kind, protocol)
        one.setblocking(False)
        try:
            await loop.sock_connect(one, address)
        except OSError as error:
            one.close()
            failed = error
        except BaseException:
            one.close()
            raise
        else:
            return one
    raise failed


def _why_refused(endpoint: Endpoint, address: str) -> str | None:
    if endpoint.is_local:
        is_right = address == endpoint.host or is_loopback(address.partition("%")[0])
        return None if is_right else "it is not of this machine"
    return "it is not a public one" if why_refused(address, "public") else None
