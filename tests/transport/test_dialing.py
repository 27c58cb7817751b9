"""What a name resolves to is untrusted too, and is looked at in the moment of connecting."""

import asyncio
import socket

import pytest

from rtms_engine.errors import ConnectFailed, EndpointRefused
from rtms_engine.transport.dialing import dial
from rtms_engine.transport.endpoint import Endpoint, EndpointPolicy
from rtms_engine.transport.tls import client_context
from rtms_engine.transport.websocket import WebSocketConnector

ZOOM = EndpointPolicy().endpoint("wss://rtms.zoom.us")
NOT_PUBLIC = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


def resolving_to(monkeypatch, *answers):
    """Each resolution gets the next answer; what was connected to."""
    loop = asyncio.get_running_loop()
    left, connected = list(answers), []

    async def getaddrinfo(host, port, **_):
        address = left.pop(0)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    async def sock_connect(_, address):
        connected.append(address[0])

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    return connected


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_name_that_leads_into_the_house_is_not_followed(monkeypatch, address):
    """Private, link-local, metadata, and IPv4 in the clothes of IPv6."""
    connected = resolving_to(monkeypatch, address)
    with pytest.raises(OSError, match=r"address of rtms\.zoom\.us is refused"):
        await dial(ZOOM)
    assert not connected


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    """A second look at the name, which now leads elsewhere (DNS rebinding), is never taken."""
    connected = resolving_to(monkeypatch, "170.114.10.1", "127.0.0.1")
    (await dial(ZOOM)).close()
    assert connected == ["170.114.10.1"]


async def test_this_machine_only_where_it_was_named(monkeypatch):
    """``localhost`` that leads elsewhere is not followed either."""
    local = EndpointPolicy(allow_insecure_loopback=True).endpoint("ws://localhost:9999")
    connected = resolving_to(monkeypatch, "127.0.0.1", "10.0.0.1")
    (await dial(local)).close()
    assert connected == ["127.0.0.1"]
    with pytest.raises(OSError, match="not of this machine"):
        await dial(local)


async def test_the_worker_hears_why():
    """The connector says it as it says every failure; nothing was sent to the server that listens."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = Endpoint(f"wss://localhost:{port}", "localhost", port, secure=True)
    with pytest.raises(ConnectFailed, match="not a public one"):
        await WebSocketConnector(client_context()).connect(endpoint, None)
    server.close()


@pytest.mark.parametrize("host", ["10.0.0.1", "2130706433", "0x7f000001", "127.1", "169.254.169.254"])
def test_addresses_are_no_hosts(host):
    """Whatever pattern they fit; but a plain one that somebody has listed is that one."""
    with pytest.raises(EndpointRefused, match="an address instead of a host"):
        EndpointPolicy(("*.1", "*.254", "2130706433", "0x7f000001", "127.1", "fd00::2")).endpoint(
            f"wss://{host}"
        )
    assert EndpointPolicy(("127.0.0.1",)).endpoint("wss://127.0.0.1:22").is_local
