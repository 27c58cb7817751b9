"""Who is let in, before any handler runs.

A browser on this machine may be led by any page, so being on this machine is not enough: the ``Host`` must
be a name of ours (against DNS rebinding), and an ``Origin`` must be our own (against other pages). Who comes
through a proxy is not on this machine, whatever the socket says.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from .problem import Refused
from .tokens import Find, Scope, Token

ANYBODY = Token("anonymous", "", frozenset(Scope), 0)
"""Whoever needs no token."""
SCHEMES = ("bearer", "token")
"""Of ``Authorization``; the second is what Recall's clients send."""
NOBODY = Token("nobody", "", frozenset(), 0)
"""Whoever calls what is open to all."""
COOKIE = "rtms_token"
"""Where a browser keeps its token; out of reach of scripts."""
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers that only a proxy sets."""
_MOST_CLIENTS = 10_000
_SOONEST_S = 1e-6
"""What sums of fractions may be wrong by."""
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Doorkeeper:
    """Decides whose request goes on.

    Args:
        find: the token of a text.
        anonymous: ``loopback``: who is on this machine needs no token; ``everywhere``: nobody does;
            ``never``: everybody does.
        hosts: names under which the API may be called, besides those of this machine.
        requests_per_s: of one client, after a burst of twice as many.
    """

    def __init__(self, find: Find, *, anonymous: str, hosts: frozenset[str], requests_per_s: float) -> None:
        self._find = find
        self._anonymous = anonymous
        self._hosts = {name.lower() for name in hosts} | _OWN_NAMES
        self._bucket = Buckets(requests_per_s, 2 * requests_per_s)

    def admit(self, peer: str, headers: Mapping[str, str], cookie: str, now: float) -> Token:
        """Let a request in, as somebody. Raises Refused.

        Args:
            peer: the address at the other end of the socket.
            headers: of the request.
            cookie: the value of `COOKIE`; empty if there is none.
            now: monotonic seconds.
        """
        self._refuse_strangers(headers)
        is_here = is_loopback(peer) and not any(name in headers for name in FORWARDED)
        token = self._identify(headers.get("Authorization", ""), cookie, is_here)
        self._slow_down(token.name if token.sha256 else peer, now)
        return token

    def receive(self, peer: str, headers: Mapping[str, str], now: float) -> None:
        """Let a request in that is anybody's: for a page without content, or to sign in. Raises Refused."""
        self._refuse_strangers(headers)
        self._slow_down(peer, now)

    def recognize(self, text: str) -> Token:
        """Whose token it is. Raises Refused."""
        if (token := self._find(text)) is None:
            raise _no_token("The token is not known.")
        return token

    def _slow_down(self, client: str, now: float) -> None:
        if wait_s := self._bucket.take(client, now):
            raise Refused.of(
                429,
                "Too many requests.",
                "Wait as long as Retry-After says.",
                Retry_After=str(math.ceil(wait_s)),
            )

    def _refuse_strangers(self, headers: Mapping[str, str]) -> None:
        host = headers.get("Host", "")
        name = _host_name(host)
        if name not in self._hosts and "*" not in self._hosts:
            raise Refused.of(
                403, "The API is not called so.", "Add the host name to [api] hosts.", field="header.Host"
            )
        origin = headers.get("Origin")
        if origin is not None and _authority(origin) != host.lower():
            raise Refused.of(
                403,
                "Pages of other origins may not use the API.",
                "Call it from a server.",
                field="header.Origin",
            )

    def _identify(self, authorization: str, cookie: str, is_here: bool) -> Token:
        kind, _, given = authorization.partition(" ")
        text = given.strip() if kind.lower() in SCHEMES else cookie
        if text:
            return self.recognize(text)
        if self._anonymous == "everywhere" or (self._anonymous == "loopback" and is_here):
            return ANYBODY
        raise _no_token("A token is needed.")


def require(token: Token, scope: Scope) -> None:
    """Raises Refused if the token does not reach so far."""
    if scope not in token.scopes:
        raise Refused.of(
            403,
            f"The token does not have the scope {scope.value!r}.",
            f"Make one that has: rtms-engine token new NAME --scope {scope.value}",
        )


class Buckets:
    """Token buckets, one per client."""

    def __init__(self, rate_per_s: float, size: float, most: int = _MOST_CLIENTS) -> None:
        self._rate_per_s = rate_per_s
        self._size = size
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the bucket of a client is full again (monotonic seconds)."""

    def take(self, client: str, now: float) -> float:
        """Returns how many seconds the client has to wait; 0 if it need not."""
        full_at = max(self._full_at.get(client, now), now) + 1 / self._rate_per_s
        wait_s = full_at - now - self._size / self._rate_per_s
        if wait_s > _SOONEST_S:
            return wait_s
        self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0


Clock = Callable[[], float]


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _authority(origin: str) -> str:
    """Host and port; empty if it is no origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _no_token(why: str) -> Refused:
    return Refused.of(
        401,
        why,
        "Send 'Authorization: Bearer TOKEN'; rtms-engine token new makes one.",
        WWW_Authenticate="Bearer",
    )
