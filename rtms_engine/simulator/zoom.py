"""`FakeZoom`: Zoom's servers on this machine, for any number of streams at once."""

import asyncio
import hmac
import secrets
import ssl
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
import trustme
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ..model.products import ID_FIELDS, MEETING, Product
from ..model.reasons import StatusCode
from ..wire.signature import handshake_signature
from .connection import Connection
from .legs import Leg
from .live import LiveMeeting, Options
from .media import Media
from .negotiation import Refused
from .rest import ACCOUNT, Account, RestServer
from .script import Script
from .timing import Timing
from .webhooks import ANSWER_WITHIN_S, StreamFacts, WebhookSender


class App(msgspec.Struct, frozen=True):
    """A Marketplace app: what signs handshakes, and what signs webhooks."""

    client_id: str
    client_secret: str
    secret_token: str


class _Start(msgspec.Struct, frozen=True):
    """How a stream was started."""

    app: App
    webhook_url: str | None
    options: Options


class Refusal(msgspec.Struct, frozen=True):
    """A handshake that was refused."""

    path: str
    status: StatusCode
    reason: str


class _NoServer(Exception):
    """A server that failed does not answer (V1.md §8.2)."""


class _Background:
    """Tasks that end with the servers. Not a TaskGroup, since a pytest fixture is entered in one task
    and left in another; what one of them raises is a defect of the simulator, and raised at the end.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._defects: list[BaseException] = []

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run something, by name."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def aclose(self) -> None:
        """Cancel all, wait for them. Raises a BaseExceptionGroup of the defects."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._defects:
            raise BaseExceptionGroup("the simulator failed", self._defects)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._defects.append(error)


class FakeZoom:
    """Zoom's RTMS servers: ``async with FakeZoom([App(…)]) as zoom: meeting = await zoom.start(…)``.

    Args:
        apps: the apps that it knows; a stream belongs to the first one unless `start` says otherwise.
        host: where to listen, and what the URLs say.
        port: 0 takes a free one.
        tls: ``wss`` with a certificate of a CA of its own, else ``ws``.
        ca_file: where that CA's certificate is, with its key beside it (``.key``); both are made if they
            are not there, so that clients can trust one CA over many runs. None: a throw-away CA.
        timing: Zoom's timers.
        epoch_s: what to add to the loop's time to get Unix seconds; None: so that it is that of the
            system's clock now.
        webhook_tls: how to verify an ``https`` webhook receiver; None: as usual.
        account: whose credentials the REST API takes.
    """

    def __init__(
        self,
        apps: Sequence[App],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = True,
        ca_file: Path | None = None,
        timing: Timing | None = None,
        epoch_s: float | None = None,
        webhook_tls: ssl.SSLContext | None = None,
        account: Account = ACCOUNT,
    ) -> None:
        self.apps = tuple(apps)
        self.meetings: dict[str, LiveMeeting] = {}
        """By stream id; they stay when they are over."""
        self.refusals: list[Refusal] = []
        self._host = host
        self._port = port
        self._authority = _authority(ca_file) if tls else None
        self._timing = timing or Timing()
        self._epoch_s = epoch_s
        self._webhook_tls = webhook_tls
        self._media: dict[int, Media] = {}
        self._starts: dict[str, _Start] = {}
        self._numbers: dict[str, int] = {}
        self._background = _Background()
        self.rest = RestServer(self, account)
        """The REST API that starts, stops, pauses and resumes the streams."""

    # --- life ---

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        epoch_s = self._epoch_s
        if epoch_s is None:
            epoch_s = time.time() - loop.time()  # noqa: TID251 - Zoom's clock is nobody else's
        self.unix_ms: Callable[[], int] = lambda: int((loop.time() + epoch_s) * 1000)
        self._folder = tempfile.TemporaryDirectory(prefix="fake-zoom-")
        self.ca_file.write_bytes(self.ca_pem)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._webhook_tls or True),  # Zoom waits for nobody
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
        )
        self._server = await self._listen()
        await self.rest.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._background.aclose()
        finally:
            await self.rest.close()
            self._server.close()
            await self._server.wait_closed()
            await self._session.close()
            self._folder.cleanup()

    async def _listen(self) -> Server:
        context = None
        if self._authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            names = {self._host, "localhost", "127.0.0.1"}
            self._authority.issue_cert(*sorted(names)).configure_cert(context)
        return await serve(
            self._accept,
            self._host,
            self._port,
            ssl=context,
            compression=None,
            ping_interval=None,
            backlog=4096,  # hundreds of streams connect at once; a full queue costs them seconds
        )

    # --- its face ---

    @property
    def base_url(self) -> str:
        """Scheme, host and port of all its servers."""
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"{'wss' if self._authority else 'ws'}://{self._host}:{port}"

    @property
    def api_url(self) -> str:
        """Of the REST API, which is plain HTTP on this machine."""
        return f"{self.rest.base_url}/v2"

    @property
    def oauth_url(self) -> str:
        """Where the REST API's tokens are had."""
        return f"{self.rest.base_url}/oauth/token"

    @property
    def ca_pem(self) -> bytes:
        """The certificate that clients must trust; empty without TLS."""
        return self._authority.cert_pem.bytes() if self._authority else b""

    @property
    def ca_file(self) -> Path:
        """A file with `ca_pem`; it goes when the servers go."""
        return Path(self._folder.name) / "ca.pem"

    # --- streams ---

    async def start(
        self,
        script: Script | Media,
        webhook_url: str | None = None,
        *,
        product: Product = MEETING,
        app: App | None = None,
        meeting_uuid: str | None = None,
        stream_id: str | None = None,
        options: Options | None = None,
        **changes: Any,
    ) -> LiveMeeting:
        """Start streaming a meeting: register it and send ``*_started``.

        Args:
            script: what happens; its files are read now, once for all streams of the same script. Or one
                that is loaded, which several of these can share.
            webhook_url: who is told; None: nobody.
            product: what kind of meeting it is.
            app: whose stream it is.
            meeting_uuid: the entity's id, whatever its name in this product; None: a new one.
            stream_id: None: a new one.
            options: how it differs.
            **changes: fields of `Options`, for short: ``speed=4.0``.

        Returns:
            The meeting; see its ``deliveries`` for what the webhook's receiver answered.
        """
        entity_id = meeting_uuid or b64encode(secrets.token_bytes(16)).decode()
        number = self._numbers.setdefault(entity_id, 1234567890 + len(self._numbers))
        facts = StreamFacts(product, entity_id, stream_id or secrets.token_hex(16), number)
        options = msgspec.structs.replace(options or Options(), **changes)
        start = _Start(app or self.apps[0], webhook_url, options)
        media = script if isinstance(script, Media) else self._loaded(script)
        meeting = self._register(facts, media, start, self.unix_ms() - int(options.from_ms))
        await meeting.begin()
        return meeting

    def restart(self, meeting: LiveMeeting) -> LiveMeeting:
        """Stream a meeting again from where it is now, as a new stream; it is announced soon."""
        start = self._starts[meeting.stream_id]
        options = msgspec.structs.replace(start.options, from_ms=meeting.timeline.position_ms)
        facts = msgspec.structs.replace(meeting.facts, stream_id=secrets.token_hex(16))
        epoch_ms = meeting.timeline.epoch_ms - meeting.chaos.skew_ms
        again = self._register(
            facts, meeting.media, msgspec.structs.replace(start, options=options), epoch_ms
        )
        self._background.spawn(again.begin(), f"zoom:{facts.stream_id}/begin")
        return again

    def newest(self, entity_id: str, client_id: str | None = None) -> LiveMeeting | None:
        """The stream of a meeting, named by id or number, that started last; of that app, if one is named."""
        for meeting in reversed(self.meetings.values()):
            is_named = entity_id in (meeting.facts.entity_id, str(meeting.facts.number))
            if is_named and client_id in (None, self._starts[meeting.stream_id].app.client_id):
                return meeting
        return None

    def _register(self, facts: StreamFacts, media: Media, start: _Start, epoch_ms: int) -> LiveMeeting:
        meeting = LiveMeeting(
            facts,
            media,
            options=start.options,
            timing=self._timing,
            epoch_ms=epoch_ms,
            base_url=self.base_url,
            sender=self.webhooks(start.webhook_url, start.app) if start.webhook_url else None,
            spawn=self._background.spawn,
        )
        self.meetings[facts.stream_id] = meeting
        self._starts[facts.stream_id] = start
        return meeting

    def webhooks(self, url: str, app: App | None = None) -> WebhookSender:
        """Zoom's webhooks to a URL, for those that belong to no stream."""
        return WebhookSender(self._session, url, (app or self.apps[0]).secret_token, self.unix_ms)

    def _loaded(self, script: Script) -> Media:
        known = self._media.get(id(script))  # the Media keeps its script alive, so the id is its own
        if known is None:
            known = self._media[id(script)] = Media(script)
        return known

    # --- sockets ---

    async def _accept(self, socket: ServerConnection) -> None:
        path = socket.request.path if socket.request else ""
        await asyncio.wait([self._background.spawn(self._converse(Connection(socket), path), f"zoom:{path}")])

    async def _converse(self, connection: Connection, path: str) -> None:
        try:
            async with asyncio.timeout(self._timing.handshake_s):
                request = await connection.receive()
        except (ConnectionClosed, TimeoutError):
            await connection.close()
            return
        try:
            leg = self._admit(connection, path, request or {})
        except _NoServer:
            connection.cut()
        except Refused as refused:
            self.refusals.append(Refusal(path, refused.status, refused.reason))
            connection.send(_refusal(path, refused))
            await connection.close()
        else:
            await leg.run()

    def _admit(self, connection: Connection, path: str, request: Mapping[str, Any]) -> Leg:
        match path.strip("/").split("/"):
            case ["signaling", node]:
                if request.get("msg_type") != 1:
                    raise Refused(StatusCode.INVALID_MESSAGE_TYPE)
                return self._genuine(request, node).admit_signaling(connection, request)
            case ["media", node, key]:
                if request.get("msg_type") != 3:
                    raise Refused(StatusCode.INVALID_MESSAGE_TYPE)
                return self._genuine(request, node).admit_media(connection, request, key)
        raise Refused(StatusCode.INVALID_PAYLOAD, "unknown path")

    def _genuine(self, request: Mapping[str, Any], node: str) -> LiveMeeting:
        """The stream that a handshake speaks of. Raises Refused (V1.md §2, §3.3)."""
        stream_id, signature = request.get("rtms_stream_id"), request.get("signature")
        is_whole = isinstance(stream_id, str) and isinstance(signature, str)
        if not is_whole or request.get("protocol_version", 1) != 1:
            raise Refused(StatusCode.INVALID_PAYLOAD)
        meeting = self.meetings.get(str(stream_id))
        if meeting is None or meeting.stop_reason is not None:
            raise Refused(StatusCode.INVALID_RTMS_STREAM_ID)
        if str(meeting.node) != node:
            raise _NoServer
        app, facts = self._starts[meeting.stream_id].app, meeting.facts
        ids = [request[field] for field in ID_FIELDS if field in request]
        is_named = any(field in request for field in ("meeting_uuid", facts.product.id_field))
        if not is_named or any(given != facts.entity_id for given in ids):
            raise Refused(StatusCode.INVALID_PAYLOAD)
        wanted = handshake_signature(app.client_id, app.client_secret, facts.entity_id, facts.stream_id)
        if not hmac.compare_digest(wanted, str(signature)):
            raise Refused(StatusCode.INVALID_SIGNATURE)
        return meeting


def _authority(ca_file: Path | None) -> trustme.CA:
    """The CA of that file, or a new one, which is kept there."""
    if ca_file is None:
        return trustme.CA()
    key_file = ca_file.with_suffix(".key")
    if ca_file.exists() and key_file.exists():
        return trustme.CA.from_pem(ca_file.read_bytes(), key_file.read_bytes())
    authority = trustme.CA()
    ca_file.write_bytes(authority.cert_pem.bytes())
    key_file.touch(mode=0o600)
    key_file.write_bytes(authority.private_key_pem.bytes())
    return authority


def _refusal(path: str, refused: Refused) -> dict[str, Any]:
    msg_type = 4 if path.startswith("/media") else 2
    answer = {"status_code": int(refused.status), "reason": refused.reason}
    return {"msg_type": msg_type, "protocol_version": 1, "sequence": 0, **answer}
