"""`ZoomApi`: starts, stops, pauses and resumes streams, patiently."""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aiohttp
import structlog
from yarl import URL

from ..errors import ConfigError, ZoomApiError
from ..model.products import SESSION, Product
from .calls import BASE_URL, Action, Call, status_call
from .exchange import TIMEOUT_S, Exchange
from .retries import wait_after, waits
from .tokens import RestApp, Tokens

_log = structlog.get_logger()

_UNAUTHORIZED = 401


class ZoomApi:
    """Zoom's REST API: ``async with ZoomApi(…) as api: await api.control(app, MEETING, uuid, "start")``.

    Args:
        api_url: ``https://``; ``http://`` to this machine only, for simulators.
        oauth_url: the same, for tokens.
        unix_s: the wall clock, Unix seconds.
        random: gives numbers in [0, 1).
        tls: how Zoom's certificates are verified; None: as the system does.

    Raises:
        ConfigError: an address is of another kind.
    """

    def __init__(
        self,
        *,
        api_url: str,
        oauth_url: str,
        unix_s: Callable[[], float],
        random: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._api_url = _checked("zoom.api_url", api_url).rstrip("/")
        self._oauth_url = URL(_checked("zoom.oauth_url", oauth_url))
        self._unix_s = unix_s
        self._random = random
        self._tls = tls
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        )
        await self._running.enter_async_context(session)
        self._exchange = Exchange(session, self._unix_s)
        self._tokens = Tokens(self._exchange, self._oauth_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def __repr__(self) -> str:
        return f"<ZoomApi {self._api_url}>"

    async def control(
        self,
        app: RestApp,
        product: Product,
        entity_id: str,
        action: Action,
        *,
        participant_user_id: str | None = None,
    ) -> None:
        """Start, stop, pause or resume a stream; what follows, Zoom tells by webhook.

        A call that may succeed in a moment is made up to five times, over a minute or more if Zoom asks
        for that.

        Args:
            app: whose stream it is, with the credentials of the REST API.
            product: what the entity is.
            entity_id: the number or UUID of a meeting, the id of a session.
            action: what to do.
            participant_user_id: whose app; None: the app of whoever owns the credentials.

        Raises:
            ZoomApiError: Zoom refused, failed or could not be reached.
            ConfigError: the app has no credentials for this.
            LocalProtocolError: Zoom has no such call for the product, or the id is none.

        Cancelling leaves open whether Zoom has heard the call.
        """
        call = status_call(
            product, entity_id, action, client_id=app.client_id, participant_user_id=participant_user_id
        )
        _refuse_without_credentials(app, product)
        backoff = waits(self._random)
        while True:
            try:
                return await self._try(app, call)
            except ZoomApiError as error:
                wait_s = wait_after(error, next(backoff, None))
                if wait_s is None:
                    raise
                _log.warning(
                    "ZoomApiRetried",
                    action=action,
                    meeting=entity_id,
                    reason=error.reason.name,
                    wait_s=wait_s,
                )
                await asyncio.sleep(wait_s)

    async def _try(self, app: RestApp, call: Call) -> None:
        token = await self._tokens.bearer(app)
        try:
            await self._send(token, call)
        except ZoomApiError as error:
            if error.status != _UNAUTHORIZED:
                raise
            self._tokens.reject(app, token)
            await self._send(await self._tokens.bearer(app), call)

    async def _send(self, token: str, call: Call) -> None:
        url = URL(self._api_url + call.path, encoded=True)
        await self._exchange.send("PATCH", url, f"Bearer {token}", call.body)


def _checked(key: str, url: str) -> str:
    if not re.match(BASE_URL, url):
        raise ConfigError([f"{key}: must be an https:// URL (http:// only to this machine)"])
    return url


def _refuse_without_credentials(app: RestApp, product: Product) -> None:
    wanted = {"api_client_id": app.api_client_id, "api_client_secret": app.api_client_secret}
    if product != SESSION:
        wanted["account_id"] = app.account_id
    if missing := [key for key, value in wanted.items() if not value]:
        raise ConfigError([f"apps.{app.name}.{key}: is missing; Zoom's REST API needs it" for key in missing])
