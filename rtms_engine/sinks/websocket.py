"""The sink that serves: live frames and texts for programs that subscribe over a WebSocket.

One server for all streams of the engine. ``GET /live`` with a token begins a subscription::

    ws://127.0.0.1:8082/live?kinds=audio,transcript,events            everything of every stream
    ws://127.0.0.1:8082/live?stream=ID&format=twilio&encoding=l16&rate=16000

The token comes as ``Authorization: Bearer TOKEN``; a browser, which cannot send that, offers the
subprotocols ``rtms`` and ``token.TOKEN``. With ``format=recall`` messages are those of
`rtms_engine.sinks.recall`, sound always as PCM; with ``format=twilio`` those of `rtms_engine.sinks.twilio`.
"""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import msgspec
import structlog
from aiohttp import WSCloseCode, web
from msgspec import Meta

from ..model.frames import KIND_OF_FRAME, AudioFrame
from ..model.ids import StreamId
from ..model.secret import Secret
from ..recording.codecs import sample_rate_of
from ..serving.server import HttpServer
from .base import Ending, Item, SinkSpec, StreamInfo, UnixClock
from .recall import RecallEvent, RecallEvents
from .secrets import revealed
from .sound import VoiceDecoder
from .subscriber import EVENTS, Subscriber, subscription
from .twilio import CHUNK_MS, CONNECTED, TwilioTrack

PATH = "/live"
PROTOCOL = "rtms"
_TOKEN_PROTOCOL = "token."  # noqa: S105 - what a token is preceded by
_SHORTEST_TOKEN = 16
_LONGEST_MESSAGE = 4096
"""Of a subscriber, in bytes; what it says is not heeded."""

_log = structlog.get_logger()


class WebsocketConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "websocket"``."""

    tokens: tuple[Secret, ...] = ()
    """Whoever has one of them may subscribe: at least 16 characters each. Or ``tokens_file``."""
    tokens_file: Path | None = None
    """A file that holds them."""
    host: str = "127.0.0.1"
    """Where to listen. It is plain HTTP: put a proxy that ends TLS in front of it for other machines."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8082
    """0: any free port."""
    max_subscribers: Annotated[int, Meta(ge=1)] = 100
    """At the same time."""
    subscriber_mb: Annotated[float, Meta(gt=0)] = 8.0
    """Megabytes that may wait for one subscriber; then it is cut off."""
    delay_ms: Annotated[int, Meta(ge=0, le=5000)] = 100
    """How long ``format=twilio`` waits for late packets."""

    def __post_init__(self) -> None:
        self.digests()

    def digests(self) -> list[bytes]:
        """Hashes of the tokens. Raises ValueError if one cannot be used."""
        tokens = revealed("tokens", self.tokens, self.tokens_file)
        for token in tokens:
            if len(token) < _SHORTEST_TOKEN or not (
                token.isascii() and token.isprintable() and " " not in token
            ):
                raise ValueError(
                    f"tokens: each must be {_SHORTEST_TOKEN} or more characters of ASCII, no spaces"
                )
        return [_digest(token) for token in tokens]


class Channel:
    """One live stream, as subscribers see it."""

    def __init__(self, stream: StreamInfo) -> None:
        self.stream = stream
        self._events = RecallEvents(stream, "websocket")
        self._decoders: dict[int, VoiceDecoder] = {}

    def greeting(self) -> list[bytes]:
        """For somebody who comes now."""
        return [event.encode() for event in self._events.present()]

    def farewell(self, ending: Ending) -> bytes:
        """The last message."""
        return self._events.ended(ending).encode()

    def messages(self, item: Item, *, wanted: bool) -> list[bytes]:
        """The item in Recall's shape. Who speaks and who is there is remembered also if nobody wants it."""
        if type(item) in KIND_OF_FRAME and not wanted:
            return []
        events = [self._sound(item)] if isinstance(item, AudioFrame) else self._events.of(item)
        return [event.encode() for event in events] if wanted else []

    def _sound(self, frame: AudioFrame) -> RecallEvent:
        params, sound = frame.params, frame.payload
        rate, channels = sample_rate_of(params), params.channels
        if params.codec != "l16":
            voice = 0 if frame.mixed else frame.speaker.user_id
            if voice not in self._decoders:
                self._decoders[voice] = VoiceDecoder(params, rate)
            sound, channels = self._decoders[voice].samples(frame.payload).astype("<i2").tobytes(), 1
        encoding = {"encoding": "pcm_s16le", "sample_rate": rate, "channels": channels}
        return self._events.audio(frame, sound, encoding)


class Hub:
    """The server, its subscribers and the streams that are live."""

    def __init__(self, config: WebsocketConfig, _unix_s: UnixClock) -> None:
        self._config = config
        self._digests = config.digests()
        self._channels: dict[StreamId, Channel] = {}
        self._tracks: dict[Subscriber, dict[StreamId, TwilioTrack]] = {}
        """The subscribers, each with its tracks if it wants ``twilio``."""
        self._listening = asyncio.Event()
        """Somebody wants ``twilio``."""
        self._running = AsyncExitStack()
        self.counts: Counter[str] = Counter()
        """Subscribers so far: ``accepted``, ``refused``, ``too_slow``."""
        self.port = config.port

    async def __aenter__(self) -> Self:
        """Listen. Raises ConfigError if that is not possible."""
        async with AsyncExitStack() as stack:
            application = web.Application()
            application.router.add_get(PATH, self._subscribe)
            host, port = self._config.host, self._config.port
            server = HttpServer("sinks", application, host, port, shutdown_s=3.0)
            self.port = (await stack.enter_async_context(server)).port
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(tasks.create_task(self._play(), name="websocket:play").cancel)
            stack.callback(self._dismiss)
            self._running = stack.pop_all()
        _log.info("WebsocketListening", host=self._config.host, port=self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def __repr__(self) -> str:
        return f"<Hub :{self.port} streams={len(self._channels)} subscribers={len(self._tracks)}>"

    # --- the streams' side ---

    def begin(self, stream: StreamInfo) -> Channel:
        """A stream is live."""
        channel = self._channels[stream.stream_id] = Channel(stream)
        for subscriber in self._of(stream.stream_id):
            self._introduce(subscriber, channel)
        return channel

    def publish(self, channel: Channel, batch: Sequence[Item]) -> None:
        """Something happened in it."""
        now = asyncio.get_running_loop().time()
        subscribers = list(self._of(channel.stream.stream_id))
        for item in batch:
            kind = KIND_OF_FRAME.get(type(item), EVENTS)
            readers = [s for s in subscribers if s.wants.shape == "recall" and kind in s.wants.kinds]
            messages = channel.messages(item, wanted=bool(readers))
            for subscriber in readers:
                subscriber.offer(messages)
            if isinstance(item, AudioFrame):
                for subscriber in subscribers:
                    if track := self._tracks[subscriber].get(channel.stream.stream_id):
                        track.hear(item, now)

    def end(self, channel: Channel, ending: Ending) -> None:
        """It is over, or goes on elsewhere."""
        stream_id = channel.stream.stream_id
        if self._channels.get(stream_id) is channel:
            del self._channels[stream_id]
        for subscriber in self._of(stream_id):
            if track := self._tracks[subscriber].pop(stream_id, None):
                subscriber.offer(track.stop())
            elif not ending.is_released and EVENTS in subscriber.wants.kinds:
                subscriber.offer([channel.farewell(ending)])

    # --- the subscribers' side ---

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        if not self._is_known(request):
            self.counts["refused"] += 1
            raise web.HTTPUnauthorized(text="a token is needed", headers={"www-authenticate": "Bearer"})
        if len(self._tracks) >= self._config.max_subscribers:
            self.counts["refused"] += 1
            raise web.HTTPServiceUnavailable(text="there are too many subscribers")
        try:
            wants = subscription(request.query)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        socket = web.WebSocketResponse(
            protocols=[PROTOCOL], heartbeat=30.0, max_msg_size=_LONGEST_MESSAGE, compress=False, timeout=2.0
        )
        await socket.prepare(request)
        transport = request.transport
        subscriber = Subscriber(
            wants, int(self._config.subscriber_mb * 1e6), transport.abort if transport else lambda: None
        )
        await self._serve(subscriber, socket)
        return socket

    async def _serve(self, subscriber: Subscriber, socket: web.WebSocketResponse) -> None:
        self.counts["accepted"] += 1
        self._welcome(subscriber)
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(_send(subscriber, socket), name="websocket:send")
                async for _ in socket:
                    pass  # what a subscriber says is not heeded
                sending.cancel()
        finally:
            self._tracks.pop(subscriber, None)
            if subscriber.is_too_slow:
                self.counts["too_slow"] += 1
                _log.warning("SubscriberCutOff", reason="too slow", sent=subscriber.sent)

    def _welcome(self, subscriber: Subscriber) -> None:
        self._tracks[subscriber] = {}
        if subscriber.wants.shape == "twilio":
            subscriber.offer([CONNECTED])
        for channel in self._channels.values():
            if subscriber.wants.stream in {None, channel.stream.stream_id}:
                self._introduce(subscriber, channel)

    def _introduce(self, subscriber: Subscriber, channel: Channel) -> None:
        if subscriber.wants.shape == "twilio":
            track = TwilioTrack(channel.stream, subscriber.wants.media, self._config.delay_ms)
            self._tracks[subscriber][channel.stream.stream_id] = track
            self._listening.set()
            subscriber.offer([track.start()])
        elif EVENTS in subscriber.wants.kinds:
            subscriber.offer(channel.greeting())

    def _of(self, stream_id: StreamId) -> Iterator[Subscriber]:
        return (s for s in list(self._tracks) if s.wants.stream in {None, stream_id})

    def _is_known(self, request: web.Request) -> bool:
        offered = request.headers.get("sec-websocket-protocol", "").split(",")
        tokens = [one.strip().removeprefix(_TOKEN_PROTOCOL) for one in offered if _TOKEN_PROTOCOL in one]
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = _digest(bearer.strip() if scheme.lower() == "bearer" else (tokens or [""])[0])
        return any([hmac.compare_digest(given, digest) for digest in self._digests])  # noqa: C419 - each one

    async def _play(self) -> None:
        """Hand out what is due to those who want sound without gaps."""
        loop = asyncio.get_running_loop()
        while True:
            await self._listening.wait()
            await asyncio.sleep(CHUNK_MS / 1000)
            playing = False
            for subscriber, tracks in self._tracks.items():
                for track in tracks.values():
                    playing = True
                    subscriber.offer(track.due(loop.time()))
            if not playing:
                self._listening.clear()

    def _dismiss(self) -> None:
        for subscriber in self._tracks:
            subscriber.end()


class WebsocketSink:
    """One stream's way into the hub."""

    _channel: Channel

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def open(self, stream: StreamInfo) -> None:
        """Tell the subscribers."""
        self._channel = self._hub.begin(stream)

    async def write(self, batch: Sequence[Item]) -> None:
        """Hand it out; nobody is waited for."""
        self._hub.publish(self._channel, batch)

    def write_now(self, item: Item) -> None:
        """The same for one item."""
        self._hub.publish(self._channel, (item,))

    async def close(self, ending: Ending) -> None:
        """Tell the subscribers."""
        self._hub.end(self._channel, ending)


async def _send(subscriber: Subscriber, socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        await subscriber.send_to(socket)
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the engine ends")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


SPEC = SinkSpec("websocket", WebsocketSink, WebsocketConfig, live=True, service=Hub)
