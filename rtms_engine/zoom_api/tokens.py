"""What proves to Zoom's REST API who calls: an OAuth token of an account, or a JWT of Video SDK's.

Meetings and webinars want a token of a Server-to-Server OAuth app, which Zoom hands out for an hour;
Video SDK accounts have no such apps, but an API key and secret that sign a JWT
(developers.zoom.us/docs/build/api-request).
"""

import asyncio
import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from typing import Protocol

import msgspec
from yarl import URL

from ..errors import ZoomApiError
from .exchange import Exchange

MARGIN_S = 60.0
"""A token is no longer used so long before it expires."""
JWT_LIFE_S = 300


class Secret(Protocol):
    """A text that shows itself only when asked."""

    def reveal(self) -> str:
        """The text itself."""


class RestApp(Protocol):
    """An app whose streams can be controlled; `rtms_engine.config.AppConfig` is one."""

    @property
    def name(self) -> str:
        """What logs call it."""

    @property
    def client_id(self) -> str:
        """Of the RTMS app itself."""

    @property
    def account_id(self) -> str | None:
        """Whose Server-to-Server OAuth app it is; None with Video SDK."""

    @property
    def api_client_id(self) -> str | None:
        """Of the Server-to-Server OAuth app; the API key of Video SDK."""

    @property
    def api_client_secret(self) -> Secret | None:
        """Its secret."""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


_decode_token = msgspec.json.Decoder(_Token).decode


class _Account:
    """The token of one account, which one caller at a time may replace."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.token = ""
        self.good_until = 0.0
        self.fetches = 0
        self.failure: ZoomApiError | None = None


class Tokens:
    """Fetches tokens and keeps them until shortly before they expire.

    Args:
        exchange: with Zoom.
        oauth_url: where tokens are had.
    """

    def __init__(self, exchange: Exchange, oauth_url: URL) -> None:
        self._exchange = exchange
        self._oauth_url = oauth_url
        self._accounts: dict[tuple[str, str], _Account] = {}

    async def bearer(self, app: RestApp) -> str:
        """A token for this app. However many callers wait, it is asked for once, and once only it fails.

        Cancelling leaves the others to fetch it. Raises ZoomApiError.
        """
        if not app.account_id:
            return api_jwt(app, int(self._exchange.unix_s()))
        account = self._account(app)
        fetches = account.fetches
        async with account.lock:
            if account.failure and account.fetches > fetches:
                raise account.failure
            if asyncio.get_running_loop().time() >= account.good_until:
                await self._fetch(app, account)
            return account.token

    def reject(self, app: RestApp, token: str) -> None:
        """Zoom does not take this token: fetch another, unless somebody has done so already."""
        account = self._account(app)
        if account.token == token:
            account.good_until = 0.0

    def _account(self, app: RestApp) -> _Account:
        return self._accounts.setdefault((app.account_id or "", app.api_client_id or ""), _Account())

    async def _fetch(self, app: RestApp, account: _Account) -> None:
        account.failure = None
        try:
            token = await self._granted(app)
        except ZoomApiError as failure:
            account.failure = failure
            raise
        finally:
            account.fetches += 1
        account.token = token.access_token
        account.good_until = asyncio.get_running_loop().time() + token.expires_in - MARGIN_S

    async def _granted(self, app: RestApp) -> _Token:
        url = self._oauth_url.with_query(grant_type="account_credentials", account_id=app.account_id or "")
        pair = f"{app.api_client_id}:{_secret(app)}".encode()
        answer = await self._exchange.send("POST", url, f"Basic {b64encode(pair).decode()}")
        try:
            return _decode_token(answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ZoomApiError(0, 0, f"what {url.host} answered holds no token") from None


def api_jwt(app: RestApp, now_s: int) -> str:
    """A JWT of Video SDK's API: signed with HMAC SHA-256 by the API secret, and good for five minutes."""
    claims = {"iss": app.api_client_id, "iat": now_s, "exp": now_s + JWT_LIFE_S}
    signed = b".".join(
        _base64url(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    signature = hmac.new(_secret(app).encode(), signed, hashlib.sha256).digest()
    return b".".join([signed, _base64url(signature)]).decode()


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _secret(app: RestApp) -> str:
    return app.api_client_secret.reveal() if app.api_client_secret else ""
