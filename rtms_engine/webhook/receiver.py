"""The HTTP around `verify` and `parse`: what Zoom posts, and what a load balancer asks.

Zoom takes an answer later than 3 s for a failure and tries again only 5 minutes later, when the
meeting's first minutes are gone (V1.md §1.5). So the body has `BODY_TIMEOUT_S`, `accept` has
`ACCEPT_TIMEOUT_S`, and nothing else is waited for.

=======  ========================================================================================
status   when
=======  ========================================================================================
200      accepted, ignored or unusable; the challenge of ``endpoint.url_validation`` is answered
400      signed, but not a webhook
401      not signed by any app, or its timestamp is stale (300 s; 90 min for what may be late)
404/405  another path, another method
413      the body is larger than `LARGEST_BODY`
500      ``accept`` failed; Zoom tries again
503      the body came too slowly, or ``accept`` did not answer in time, or raised JournalError or ShuttingDown; Zoom
         tries again
=======  ========================================================================================

A stop is taken late, because losing a revocation is worse than hearing a stop twice; a start is not,
because its URLs are dead by then (V1.md §1.5). ``accept`` must know a replayed stop by what it says.

Nothing of a request is echoed, and logs hold ids alone.
"""

import asyncio
import enum
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import structlog
from aiohttp import web

from ..errors import JournalError, ShuttingDown, WebhookRejected
from ..model.signals import (
    AccountSignal,
    AppDeauthorized,
    Ignored,
    Signal,
    StreamSignal,
    StreamStopped,
    Unusable,
    UrlValidation,
)
from ..telemetry.histogram import Histogram
from ..telemetry.spoken import Spoken
from ..wire.signature import encrypted_token
from .parse import parse
from .verify import STALE, signing_app

LARGEST_BODY = 1024 * 1024
"""Bytes; Zoom's webhooks have some hundred."""
BODY_TIMEOUT_S = 0.8
ACCEPT_TIMEOUT_S = 2.0
LATENCY_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Zoom waits for 3 s (V1.md §1.5)."""

Accept: TypeAlias = Callable[[StreamSignal | AccountSignal], Awaitable[None]]
"""Takes a signal over; it is safe with the callee when this returns."""

_log = structlog.get_logger()


class Result(enum.StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    VALIDATED = "validated"
    IGNORED = "ignored"
    UNUSABLE = "unusable"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


class WebhookStatistics(msgspec.Struct, frozen=True):
    """Deliveries by result, since the receiver was made."""

    accepted: int = 0
    validated: int = 0
    """Challenges of ``endpoint.url_validation`` that were answered; one every 72 h (V1.md §1.4)."""
    ignored: int = 0
    unusable: int = 0
    rejected: int = 0
    """Answered with 4xx."""
    unavailable: int = 0
    """Answered with 503."""
    failed: int = 0
    """Answered with 500."""


class WebhookReceiver:
    """Receives the webhooks of several apps at one path.

    Args:
        apps: secret tokens by the name of their app. The app whose token verifies a delivery owns it.
        accept: awaited with every signal about a stream or an account, at most `ACCEPT_TIMEOUT_S`
            seconds, then cancelled. JournalError and ShuttingDown are answered with 503; anything else that it raises
            is logged as a defect and answered with 500.
        path: where Zoom posts to.
        unix_s: the wall clock, Unix seconds.
        why_not_ready: asked by ``GET /readyz``: the reason for answering 503, or None.
        rejected: told of every delivery that is refused.
    """

    def __init__(
        self,
        apps: Mapping[str, Sequence[str]],
        accept: Accept,
        *,
        unix_s: Callable[[], float],
        path: str = "/webhook",
        why_not_ready: Callable[[], str | None] = lambda: None,
        rejected: Callable[[WebhookRejected], None] = lambda _: None,
    ) -> None:
        self._apps = apps
        self._accept = accept
        self._unix_s = unix_s
        self.path = path
        self._why_not_ready = why_not_ready
        self._rejected = rejected
        self._results: Counter[Result] = Counter()
        self.latency = Histogram(LATENCY_S)
        """How long the answers took."""
        self._refusals = _Refusals()

    def __repr__(self) -> str:
        counts = " ".join(f"{result}={count}" for result, count in self._results.items())
        return f"<WebhookReceiver {self.path} apps={list(self._apps)} {counts}>"

    def statistics(self) -> WebhookStatistics:
        """The counters as they are now."""
        return WebhookStatistics(**{result.value: count for result, count in self._results.items()})

    def application(self) -> web.Application:
        """The routes. Run it with ``auto_decompress=False``: signatures cover the body as it came."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post(self.path, self._post)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.on_cleanup.append(self._cleanup)
        return application

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="alive")

    async def _readyz(self, request: web.Request) -> web.Response:
        why_not = self._why_not_ready()
        return web.Response(text="ready") if why_not is None else web.Response(status=503, text=why_not)

    async def _cleanup(self, application: web.Application) -> None:
        self._refusals.close()

    async def _post(self, request: web.Request) -> web.Response:
        began = asyncio.get_running_loop().time()
        try:
            result, response = await self._receive(request)
        except WebhookRejected as rejection:
            self._refusals.add(rejection)
            self._rejected(rejection)
            result, response = Result.REJECTED, web.Response(status=rejection.status, text=rejection.reason)
        except TimeoutError:
            _log.error("WebhookTimedOut", timeout_s=ACCEPT_TIMEOUT_S)
            result, response = Result.UNAVAILABLE, web.Response(status=503, text="busy")
        except (JournalError, ShuttingDown) as error:
            _log.error("WebhookNotAccepted", reason=str(error))
            result, response = Result.UNAVAILABLE, web.Response(status=503, text="unavailable")
        except Exception:  # noqa: BLE001 - one of the four places: Zoom must hear 500 to try again
            _log.exception("WebhookFailed")
            result, response = Result.FAILED, web.Response(status=500, text="failed")
        self._results[result] += 1
        self.latency.observe(asyncio.get_running_loop().time() - began)
        return response

    async def _receive(self, request: web.Request) -> tuple[Result, web.Response]:
        body = await _body(request)
        now_s = self._unix_s()
        headers = request.headers
        app, token, is_late = signing_app(
            self._apps,
            headers.get("x-zm-request-timestamp"),
            headers.get("x-zm-signature"),
            body,
            now_s,
        )
        signal = parse(body, app, int(now_s * 1000))
        if is_late and not _may_be_late(signal):
            raise WebhookRejected(401, STALE)
        if isinstance(signal, UrlValidation):
            _log.info("WebhookValidated", app=app)
            return Result.VALIDATED, web.json_response(_challenge_answer(signal, token))
        return await self._take(signal), web.Response()

    async def _take(self, signal: StreamSignal | AccountSignal | Ignored | Unusable) -> Result:
        match signal:
            case Ignored(event=event, why=why):
                _log.info("WebhookIgnored", webhook=event, why=why)
                return Result.IGNORED
            case Unusable(app=app, event=event, why=why):
                _log.error("WebhookUnusable", app=app, webhook=event, why=why)
                return Result.UNUSABLE
            case _:
                async with asyncio.timeout(ACCEPT_TIMEOUT_S):
                    await self._accept(signal)
                return Result.ACCEPTED


async def _body(request: web.Request) -> bytes:
    """The raw body. Raises WebhookRejected: 413 if too large, 503 if too slow (Zoom
    tries again only after 5xx, V1.md §1.5), 400 if it breaks off.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise WebhookRejected(413, "body too large") from error
    except TimeoutError as error:
        raise WebhookRejected(503, "body too slow") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise WebhookRejected(400, "body unreadable") from error


def _may_be_late(signal: Signal) -> bool:
    """A stop, and the event by which an account takes the app's rights away."""
    match signal:
        case StreamStopped() | AppDeauthorized():
            return True
        case _:
            return False


def _challenge_answer(challenge: UrlValidation, secret_token: str) -> dict[str, str]:
    return {
        "plainToken": challenge.plain_token,
        "encryptedToken": encrypted_token(secret_token, challenge.plain_token),
    }


class _Refusals:
    """One warning a second for however many deliveries are refused: anybody can post here."""

    def __init__(self) -> None:
        self._spoken = Spoken(self._say)
        self._reason = ""

    def add(self, rejection: WebhookRejected) -> None:
        """Count one, and say so now or within a second."""
        self._reason = str(rejection)
        self._spoken.note(asyncio.get_running_loop())

    def close(self) -> None:
        """Say what has not been said."""
        self._spoken.close()

    def _say(self, count: int) -> None:
        _log.warning("WebhooksRejected", count=count, last_reason=self._reason)
