"""Zoom's REST API for RTMS: tokens, and start, stop, pause and resume of streams (V1.md §1.11).

Plain HTTP on this machine. It knows meetings that have been streamed before, until their script is
over. What Zoom has not published is guessed: a start of a stream that runs changes nothing, and the other
actions want one that runs.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec
from aiohttp import web

from ..model.reasons import StopReason
from .live import LiveMeeting


class Account(msgspec.Struct, frozen=True):
    """Of a Server-to-Server OAuth app; for Video SDK, the last two are API key and secret."""

    account_id: str
    client_id: str
    client_secret: str


ACCOUNT = Account("AAAAAABBBB", "s2s-client-id", "s2s-client-secret")


class Answer(msgspec.Struct, frozen=True):
    """An HTTP response."""

    status: int
    code: int = 0
    """Zoom's own, in the body."""
    message: str = ""
    retry_after: str = ""
    """A header of it; empty: none."""
    delay_s: float = 0.0


class Asked(msgspec.Struct, frozen=True):
    """A call of the REST API, as it came."""

    path: str
    """Percent-encoded."""
    body: Any


class Streams(Protocol):
    """What the API acts on; `rtms_engine.simulator.zoom.FakeZoom` is it."""

    unix_ms: Callable[[], int]

    def newest(self, entity_id: str, client_id: str | None = None) -> LiveMeeting | None:
        """The last stream of a meeting."""

    def restart(self, meeting: LiveMeeting) -> LiveMeeting:
        """Stream a meeting again."""


_DONE = Answer(204)
_NO_MEETING = Answer(404, 3001, "Meeting does not exist.")
_BAD_TOKEN = Answer(401, 124, "Invalid access token.")
_PATH = re.compile(r"/v2/(?P<kind>live_meetings|videosdk/sessions)/(?P<id>[^/]+)/rtms_app/status")
_PRODUCTS = {"live_meetings": ("meeting", "webinar"), "videosdk/sessions": ("session",)}


class RestServer:
    """Answers the calls.

    Args:
        streams: what it acts on.
        account: whose credentials it takes.
    """

    def __init__(self, streams: Streams, account: Account) -> None:
        self.account = account
        self.answers: list[Answer] = []
        """What the next calls are answered with, one each, instead of what they ask for."""
        self.oauth_answers: list[Answer] = []
        """The same for requests of tokens."""
        self.asked: list[Asked] = []
        """All calls, whatever became of them."""
        self.tokens_asked = 0
        self.token_life_s = 3600.0
        self._streams = streams
        self._tokens: dict[str, float] = {}

    # --- life ---

    async def open(self) -> None:
        """Listen."""
        application = web.Application()
        application.router.add_post("/oauth/token", self._grant)
        application.router.add_patch("/{path:.*}", self._receive)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()

    async def close(self) -> None:
        """Listen no longer."""
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """Scheme, host and port."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def revoke_tokens(self) -> None:
        """No token that was handed out is good any more."""
        self._tokens.clear()

    # --- tokens ---

    async def _grant(self, request: web.Request) -> web.Response:
        self.tokens_asked += 1
        if self.oauth_answers:
            return await _said(self.oauth_answers.pop(0))
        account = self.account
        pair = b64encode(f"{account.client_id}:{account.client_secret}".encode()).decode()
        if request.query.get("grant_type") != "account_credentials":
            return _refused("unsupported_grant_type", "unsupported grant type")
        if request.query.get("account_id") != account.account_id:
            return _refused("invalid_request", "Bad Request")
        if request.headers.get("authorization") != f"Basic {pair}":
            return _refused("invalid_client", "Invalid client_id or client_secret")
        token = secrets.token_urlsafe(32)
        self._tokens[token] = self._now_s() + self.token_life_s
        scope = "meeting:update:participant_rtms_app_status"
        granted = {"token_type": "bearer", "expires_in": int(self.token_life_s), "scope": scope}
        return web.json_response({"access_token": token, **granted})

    def _is_known(self, bearer: str, kind: str) -> bool:
        if kind == "videosdk/sessions" and self._is_signed(bearer):
            return True
        return self._tokens.get(bearer, 0.0) > self._now_s()

    def _is_signed(self, bearer: str) -> bool:
        """Whether it is a JWT of Video SDK's API that has not expired."""
        message, _, signature = bearer.rpartition(".")
        wanted = hmac.new(self.account.client_secret.encode(), message.encode(), hashlib.sha256).digest()
        try:
            header, claims = (msgspec.json.decode(_base64url(part)) for part in message.split("."))
            is_ours = hmac.compare_digest(wanted, _base64url(signature)) and header["alg"] == "HS256"
            return is_ours and claims["iss"] == self.account.client_id and claims["exp"] > self._now_unix_s()
        except (ValueError, KeyError, TypeError):
            return False

    # --- streams ---

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        self.asked.append(Asked(request.rel_url.raw_path, body))
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        answer = self.answers.pop(0) if self.answers else self._decide(self.asked[-1], bearer)
        return await _said(answer)

    def _decide(self, asked: Asked, bearer: str) -> Answer:
        found = _PATH.fullmatch(asked.path)
        if found is None:
            return Answer(404, 0, "No such path.")
        kind, raw_id = found["kind"], found["id"]
        if not self._is_known(bearer, kind):
            return _BAD_TOKEN
        if "/" in unquote(raw_id):
            return _NO_MEETING  # the gateway has made two segments of it
        return self._act(unquote(unquote(raw_id)), kind, asked.body)

    def _act(self, entity_id: str, kind: str, body: Any) -> Answer:
        if not isinstance(body, Mapping) or body.get("action") not in _ACTIONS:
            return Answer(400, 300, "Validation failed.")
        client_id = body.get("settings", {}).get("client_id") if kind == "live_meetings" else None
        if kind == "live_meetings" and client_id is None:
            return Answer(400, 300, "client_id is missing.")
        meeting = self._streams.newest(entity_id, client_id)
        if meeting is None or meeting.product.name not in _PRODUCTS[kind]:
            return _NO_MEETING
        return _ACTIONS[body["action"]](self._streams, meeting)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _now_unix_s(self) -> float:
        return self._streams.unix_ms() / 1000


def _start(streams: Streams, meeting: LiveMeeting) -> Answer:
    if meeting.stop_reason is None:
        return _DONE
    is_over = meeting.timeline.position_ms >= meeting.media.script.duration_ms
    if is_over or meeting.stop_reason == StopReason.MEETING_ENDED:
        return _NO_MEETING
    streams.restart(meeting)
    return _DONE


def _live(act: Callable[[LiveMeeting], None]) -> Callable[[Streams, LiveMeeting], Answer]:
    def acted(streams: Streams, meeting: LiveMeeting) -> Answer:
        if meeting.stop_reason is not None:
            return _NO_MEETING
        act(meeting)
        return _DONE

    return acted


_ACTIONS: dict[str, Callable[[Streams, LiveMeeting], Answer]] = {
    "start": _start,
    "stop": _live(lambda meeting: meeting.stop_soon(StopReason.USER_TRIGGERED)),
    "pause": _live(LiveMeeting.pause),
    "resume": _live(LiveMeeting.resume),
}


async def _said(answer: Answer) -> web.Response:
    await asyncio.sleep(answer.delay_s)
    headers = {"retry-after": answer.retry_after} if answer.retry_after else {}
    if answer.status in range(200, 300) and not answer.message:
        return web.Response(status=answer.status, headers=headers)
    body = {"code": answer.code or answer.status, "message": answer.message}
    return web.json_response(body, status=answer.status, headers=headers)


def _refused(error: str, reason: str) -> web.Response:
    """How Zoom's OAuth says no."""
    return web.json_response({"reason": reason, "error": error}, status=400)


def _base64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
