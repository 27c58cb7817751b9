"""Signing in with a browser: the token goes into a cookie that no script and no other page can use."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from .access import COOKIE, Doorkeeper
from .operation import Call, Operation
from .tokens import Scope, Token


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class Session(msgspec.Struct, frozen=True):
    """Who one is."""

    name: str
    """Of the token; ``anonymous`` without one."""
    scopes: list[Scope]
    is_signed_in: bool
    """False: no token is needed from here."""


class Sessions:
    """The operations."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def operations(self) -> list[Operation]:
        """The rows."""
        path = "/api/v1/session"
        return [
            Operation("GET", path, "getSession", "Who one is.", self._get, scope=None, answer=Session),
            Operation(
                "POST",
                path,
                "signIn",
                "Put a token into a cookie, for browsers.",
                self._sign_in,
                scope=None,
                is_open=True,
                body=SignIn,
                answer=Session,
            ),
            Operation(
                "DELETE",
                path,
                "signOut",
                "Forget the cookie.",
                self._sign_out,
                None,
                is_open=True,
                status=204,
            ),
        ]

    async def _get(self, call: Call) -> Session:
        return _session(call.token)

    async def _sign_in(self, call: Call) -> web.Response:
        token = self._doorkeeper.recognize(call.body.token)
        response = web.Response(body=msgspec.json.encode(_session(token)), content_type="application/json")
        response.set_cookie(COOKIE, call.body.token, **_guarded(call.request))
        return response

    async def _sign_out(self, call: Call) -> web.Response:
        response = web.Response(status=204)
        response.del_cookie(COOKIE, **_guarded(call.request))
        return response


def _session(token: Token) -> Session:
    return Session(token.name, sorted(token.scopes), bool(token.sha256))


def _guarded(request: web.Request) -> dict[str, Any]:
    """Behind a proxy that ends TLS the cookie is for TLS alone."""
    is_secure = request.secure or request.headers.get("X-Forwarded-Proto", "") == "https"
    return {"path": "/", "httponly": True, "samesite": "Strict", "secure": is_secure}
