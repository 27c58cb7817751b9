"""Which addresses may be connected to: a URL that somebody typed must not open the house. Pure.

What a name resolves to is looked at when the connection is made (`connector`), not before: between a
check and a connection a name may change its address (DNS rebinding).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal
from urllib.parse import urlsplit

Reach = Literal["public", "private", "any"]
"""``public``: the internet alone. ``private``: only this machine and its own networks."""

_NOT_PUBLIC = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
"""What Python takes for public: Azure's WireServer, and protocol assignments (Oracle's metadata)."""
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_SCHEMES = {"https": 443, "http": 80}


def reach_of(url: str, *, allow_private: bool) -> Reach:
    """How far connections for this URL may go.

    Args:
        url: ``https://``; ``http://`` too if private addresses are allowed, and then to them alone.
        allow_private: whether somebody has allowed private addresses.

    Raises:
        ValueError: the URL is not one that may be used, with the reason.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError("url: must be an https:// URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: must not hold a user or a password")
    if any(c <= " " or c == "\\" or not c.isprintable() for c in url):
        raise ValueError("url: must not hold spaces or control characters")
    _ = parts.port  # raises ValueError if it is none
    if parts.scheme == "http":
        if not allow_private:
            raise ValueError(
                "url: must be an https:// URL (http:// only to private addresses, with allow_private)"
            )
        return "private"
    return "any" if allow_private else "public"


def why_refused(address: str, reach: Reach) -> str | None:
    """Why this IP address must not be connected to; None if it may be.

    An IPv6 address that carries an IPv4 address is as good as that.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "it is no IP address"
    if any(meant.is_multicast or meant.is_unspecified for meant in _meanings(ip)):
        return "it is no address of one machine"
    is_public = all(_is_public(meant) for meant in _meanings(ip))
    if reach == "public" and not is_public:
        return "it is private, of this machine, or of a cloud's metadata; allow_private allows it"
    if reach == "private" and is_public:
        return "it is public, and would get it unencrypted; use https://"
    return None


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not ip.is_reserved and not any(ip in network for network in _NOT_PUBLIC)


def _meanings(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, or the IPv4 addresses inside of it."""
    if isinstance(ip, IPv4Address):
        yield ip
        return
    inside = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if any(ip in network for network in _NAT64):
        inside.append(IPv4Address(ip.packed[-4:]))
    carried = [one for one in inside if one is not None]
    if int(ip) >> 32 == 0 and int(ip) > 1:  # ::a.b.c.d, deprecated and still routed by some
        carried.append(IPv4Address(ip.packed[-4:]))
    yield from carried or [ip]
