"""One connection: aiohttp's handler of requests, with bounds on waiting, and without words of the request in errors.

aiohttp has no timeout for a request's head, answers what is not HTTP with a piece of it, and logs that with a
traceback. Here whoever waits is a guest of the `Lobby`, errors are problem details, and the log counts them.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..telemetry.spoken import Spoken
from .lobby import Bounds, Lobby

LINGER_S = 2.0
"""How long what is left of a body is read and thrown away after the answer, so that the answer arrives."""
KEPT_HEADERS = ("Allow",)

_log = structlog.get_logger()


class Reception:
    """Receives the connections of one server. Close it.

    Args:
        server: aiohttp's, of an application that is set up.
        bounds: of its connections.
        auto_decompress: see `HttpServer`.
    """

    def __init__(self, server: web.Server, bounds: Bounds, *, auto_decompress: bool) -> None:
        self._server = server
        self._auto_decompress = auto_decompress
        self._loop = asyncio.get_running_loop()
        self._lobby: Lobby[Handler] = Lobby(bounds)
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = Spoken(self._say_closed)
        self._malformed = Spoken(self._say_malformed)
        self._serve = server.request_factory
        server.request_factory = self._request

    def __repr__(self) -> str:
        return f"<Reception {self._lobby!r}>"

    def __call__(self) -> "Handler":
        """The protocol of a new connection."""
        return Handler(self, self._server, loop=self._loop, auto_decompress=self._auto_decompress)

    @property
    def has_room(self) -> bool:
        """Whether one more connection may be taken."""
        return self._lobby.has_room

    def close(self) -> None:
        """Watch nobody any more."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._closed.close()
        self._malformed.close()

    # --- what handlers tell ---

    def arrives(self, guest: "Handler", address: str) -> None:
        """See `Lobby`."""
        self._dismiss(self._lobby.arrives(guest, address, self._loop.time()))
        self._watch()

    def speaks(self, guest: "Handler") -> None:
        """See `Lobby`."""
        self._lobby.speaks(guest, self._loop.time())
        self._watch()

    def rests(self, guest: "Handler") -> None:
        """See `Lobby`."""
        self._lobby.rests(guest, self._loop.time())
        self._watch()

    def leaves(self, guest: "Handler") -> None:
        """See `Lobby`."""
        self._lobby.leaves(guest)

    def malformed(self) -> None:
        """Somebody sent what is no HTTP."""
        self._malformed.note(self._loop)

    # --- inside ---

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        self._lobby.is_served(protocol)
        return self._serve(message, payload, protocol, writer, task)

    def _watch(self) -> None:
        """Armed lazily: an alarm that comes too early is set again."""
        deadline = self._lobby.deadline()
        if deadline is None or (self._alarm is not None and self._alarm.when() <= deadline):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._dismiss(self._lobby.on_deadline(self._loop.time()))
        self._watch()

    def _dismiss(self, guests: list["Handler"]) -> None:
        for guest in guests:
            self._closed.note(self._loop)
            guest.abort()

    def _say_closed(self, count: int) -> None:
        _log.info("ConnectionsClosed", count=count, reason="they sent no request in time, or made room")

    def _say_malformed(self, count: int) -> None:
        _log.warning("RequestsMalformed", count=count)


class Handler(web.RequestHandler):
    """The protocol of one connection."""

    __slots__ = ("_reception",)

    def __init__(self, reception: Reception, server: web.Server, **options: Any) -> None:
        super().__init__(server, access_log=None, lingering_time=LINGER_S, **options)  # type: ignore[arg-type]
        self._reception = reception

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._reception.arrives(self, str(peer[0]) if isinstance(peer, tuple) else "")

    def connection_lost(self, exc: BaseException | None) -> None:
        """They are gone."""
        self._reception.leaves(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """They say something."""
        self._reception.speaks(self)
        super().data_received(data)

    def abort(self) -> None:
        """Close it, whatever is on its way."""
        if self.transport is not None:
            self.transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer; what aiohttp says by itself is said without the request's own words."""
        if isinstance(resp, web.HTTPException):
            kept = {name: resp.headers[name] for name in KEPT_HEADERS if name in resp.headers}
            resp = problem(resp.status, kept)
        done = await super().finish_response(request, resp, start_time)
        self._reception.rests(self)
        return done

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or a defect. Raises ConnectionError if an answer has begun already."""
        if isinstance(exc, HttpProcessingError):
            self._reception.malformed()
        else:
            _log.error("RequestFailed", status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = problem(status)
        response.force_close()
        return response

    def log_exception(self, *_: Any, exc_info: Any = None, **__: Any) -> None:
        """Where aiohttp would write to a log of its own, perhaps with what was sent."""
        _log.error("ConnectionFailed", error=type(exc_info).__name__)


def problem(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """RFC 9457, of nothing but the status."""
    body = {"title": HTTPStatus(status).phrase, "status": status}
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/problem+json",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", **(headers or {})},
    )
