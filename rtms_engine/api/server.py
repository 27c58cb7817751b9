"""The HTTP server of the API: from a request to a handler, and from what it says to a response."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec
import structlog
from aiohttp import web

from ..serving.server import HttpServer
from .access import COOKIE, NOBODY, Doorkeeper, require
from .links import Links
from .openapi import describe
from .operation import Call, Operation, read_body, read_query
from .pages import Pages
from .problem import MEDIA_TYPE, Refused
from .tokens import Token
from .uses import Book, Uses

LARGEST_BODY = 1024 * 1024
BODY_TIMEOUT_S = 20.0
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiServer:
    """Serves operations while its ``async with`` block runs.

    Args:
        operations: what it can do.
        doorkeeper: who may ask for it.
        book: where it is written down who used it.
        links: what opens some of it without a token.
        version: of the engine, for the description.
        host: the address to listen on.
        port: 0 for any.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        doorkeeper: Doorkeeper,
        book: Book,
        links: Links,
        *,
        version: str,
        host: str,
        port: int,
    ) -> None:
        self._operations = operations
        self._doorkeeper = doorkeeper
        self._uses = Uses(book)
        self._links = links
        self._pages = Pages()
        self._description = msgspec.json.encode(describe(operations, version))
        self._server = HttpServer("api", self.application(), host, port, shutdown_s=1.0)

    @property
    def url(self) -> str:
        """Where it is, as seen from this machine."""
        return self._server.url

    async def __aenter__(self) -> Self:
        """Listen. Raises ConfigError if the address cannot be used."""
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._uses.close()
        await self._server.__aexit__(exc_type, exc, traceback)

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._answering])
        for operation in self._operations:
            handler = self._handler(operation)
            for path in (operation.path, *operation.aliases):
                application.router.add_route(operation.method, path, handler)
            if operation.also_head:
                application.router.add_route("HEAD", operation.path, handler)
        application.router.add_get("/api/openapi.json", self._openapi)
        for path in self._pages.paths:
            application.router.add_get(path, self._page)
        return application

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            token = self._token(operation, request)
            if operation.scope is not None:
                require(token, operation.scope)
            query = read_query(operation, request.query)
            body = read_body(operation, await _body(request)) if operation.body is not None else None
            call = Call(request.match_info, query, body, token, request)
            await self._uses.begins(operation, call)
            try:
                answer = await operation.handle(call)
            except Refused as refusal:
                await self._uses.ended(operation, call, refusal.problem.status)
                raise
            await self._uses.ended(operation, call, operation.status, getattr(answer, "id", ""))
            if isinstance(answer, web.StreamResponse):
                return answer
            content = b"" if operation.answer is None else msgspec.json.encode(answer)
            return web.Response(body=content, status=operation.status, content_type=operation.media_type)

        return handle

    def _token(self, operation: Operation, request: web.Request) -> Token:
        if operation.is_open:
            return self._receive(request)
        if operation.by_link and (signature := request.query.get("signature")):
            self._receive(request)
            address = (*request.match_info.values(), request.query.get("part", ""))
            return self._links.check(operation.name, address, request.query.get("expires", ""), signature)
        return self._admit(request)

    def _admit(self, request: web.Request) -> Token:
        now = asyncio.get_running_loop().time()
        cookie = request.cookies.get(COOKIE, "")
        return self._doorkeeper.admit(request.remote or "", request.headers, cookie, now)

    def _receive(self, request: web.Request) -> Token:
        self._doorkeeper.receive(request.remote or "", request.headers, asyncio.get_running_loop().time())
        return NOBODY

    async def _page(self, request: web.Request) -> web.Response:
        self._receive(request)
        return self._pages.answer(request)

    async def _openapi(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.Response(body=self._description, content_type="application/json")

    @web.middleware
    async def _answering(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever happens becomes a response, and every response says how browsers are to take it."""
        try:
            response = await handler(request)
        except Refused as refusal:
            self._uses.refused(refusal.problem, request.remote or "")
            response = _problem(refusal)
        except web.HTTPException as error:  # aiohttp's own: no route, wrong method, body too large
            detail, remedy = _ROUTING.get(error.status, (error.reason, ""))
            response = _problem(Refused.of(error.status, detail, remedy))
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - a wall: a request's defect is not the engine's
            _log.exception(
                "RequestFailed",
                path=request.match_info.route.resource and request.match_info.route.resource.canonical,
            )
            response = _problem(Refused.of(500, "The engine failed at this request.", "See its log."))
        if not response.prepared:
            for name, value in SECURITY_HEADERS.items():
                response.headers.setdefault(name, value)
        return response


async def _body(request: web.Request) -> bytes:
    """Raises Refused if it does not come, or not as it was announced."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise Refused.of(408, "The body came too slowly.", f"Send it within {BODY_TIMEOUT_S:g} s.") from None
    except web.RequestPayloadError:
        raise Refused.of(
            400, "The body cannot be read.", "Send as many bytes, and in the encoding, that the headers say."
        ) from None


def _problem(refusal: Refused) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(refusal.problem),
        status=refusal.problem.status,
        content_type=MEDIA_TYPE,
        headers=refusal.headers,
    )


_ROUTING = {
    404: ("There is nothing at this address.", "See /api/openapi.json for what there is."),
    405: ("This method is not for this address.", "See the header Allow."),
    413: ("The body is too large.", f"Send at most {LARGEST_BODY} bytes."),
}
