"""Server URLs are untrusted input: parse them, and connect only to what is on the list (V1.md §3.1)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from ..errors import EndpointRefused

_DEFAULT_PORT = {"wss": 443, "ws": 80}
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_FIRST_FREE_PORT = 1024
"""Below are mail, shells, databases of names: nothing of Zoom's but 443."""


class Endpoint(msgspec.Struct, frozen=True):
    """A checked address."""

    url: str
    """Exactly as given."""
    host: str
    port: int
    secure: bool
    """TLS, with the certificate verified."""
    is_local: bool = False
    """Of this machine, or an address that somebody has put on the list; else what the host's name resolves
    to must be a public address."""


class EndpointPolicy(msgspec.Struct, frozen=True):
    """What may be connected to."""

    allowed_hosts: Sequence[str] = ("*.zoom.us", "*.zoomgov.com")
    """Host names, or ``*.`` and a domain for everything below it."""
    allow_insecure_loopback: bool = False
    """Also ``ws://`` and ``wss://`` to this machine, for simulators."""

    def endpoint(self, url: str) -> Endpoint:
        """Check ``url``. Raises EndpointRefused."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise EndpointRefused(url, str(error)) from None
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in _DEFAULT_PORT or not host:
            raise EndpointRefused(url, "it is not a wss:// URL")
        if parts.username is not None or any(c <= " " or c == "\\" for c in url):
            raise EndpointRefused(url, "it holds user info, spaces or control characters")
        secure = parts.scheme == "wss"
        is_loopback_allowed = self.allow_insecure_loopback and is_loopback(host)
        is_named = host in self.allowed_hosts and (_is_plain_address(host) or is_loopback(host))
        is_local = is_loopback_allowed or is_named
        if not is_loopback_allowed:
            if not secure:
                raise EndpointRefused(
                    url, "only wss:// is allowed (ws:// to loopback: [rtms] allow_insecure_loopback)"
                )
            if not any(_matches(host, pattern) for pattern in self.allowed_hosts):
                raise EndpointRefused(
                    url, f"its host is not in [rtms] allowed_hosts ({', '.join(self.allowed_hosts)})"
                )
            if _is_address(host) and not is_local:
                raise EndpointRefused(url, "it names an address instead of a host")
            if not is_local and port is not None and port != _DEFAULT_PORT["wss"] and port < _FIRST_FREE_PORT:
                raise EndpointRefused(url, "its port belongs to another service")
        return Endpoint(url, host, port or _DEFAULT_PORT[parts.scheme], secure, is_local)


@lru_cache(1_000)  # asked for with every look at a stream, and there are few servers
def server_host(url: str) -> str:
    """The host that a URL names, for people; empty if it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _matches(host: str, pattern: str) -> bool:
    host, pattern = host.lower(), pattern.lower()
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _is_address(host: str) -> bool:
    """Also in the spellings that only `inet_aton` knows: 2130706433, 0x7f.1."""
    return ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _is_plain_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
