"""A stream while it happens: its events as server-sent events, its media over a WebSocket.

Who watches asks Zoom for nothing: they get of a stream what its sinks asked for. Who is slow misses
something, or is cut off; nobody waits for them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Literal

import msgspec
from aiohttp import WSCloseCode, web

from ..model.frames import KIND_OF_FRAME, AudioFrame
from ..model.ids import StreamId
from ..model.media import ALL_KINDS, MediaKind
from ..sinks.base import Ending, Item, Sink, StreamInfo
from ..sinks.lines import ending_line, item_line
from ..sinks.subscriber import EVENTS, Subscriber, Subscription
from ..sinks.twilio import CHUNK_MS, CONNECTED, MediaFormat, TwilioTrack
from ..sinks.websocket import Channel
from ..telemetry.story import Entry
from .face import EngineFace
from .levels import Levels
from .operation import Call, Operation
from .problem import Refused, not_found
from .tokens import Scope

TEXTS = frozenset({MediaKind.TRANSCRIPT, MediaKind.CHAT})
COMMENT_S = 15.0
"""So often at least something is sent, so that proxies do not think the connection dead."""
LEVELS_S = 0.2
MOST_WAITING = 1_000
"""Server-sent events that wait for a client; the oldest make room."""
MOST_WAITING_BYTES = 8_000_000
"""Of media; beyond it the client is cut off."""
MOST_WATCHERS = 100
DELAY_MS = 100
"""How long a mixed stream waits for late packets."""


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to hear of a stream."""

    levels: bool = False
    """Also how loud everybody is, five times a second."""


class MediaQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which media, in which shape."""

    format: Literal["recall", "twilio"] = "recall"
    """``recall``: every packet as it comes, under Recall's names. ``twilio``: steady sound, mixed or of one."""
    kinds: str = "audio"
    """With ``recall``: kinds of media separated by commas, and ``events``."""
    encoding: Literal["l16", "mulaw"] = "l16"
    """With ``twilio``."""
    rate: Literal[8000, 16000] = 16000
    """Hertz, with ``twilio``; ``mulaw`` has 8000."""
    participant: int | None = None
    """With ``twilio``: the ``user_id`` of one voice; none: all of them mixed."""


class Live:
    """The operations on what happens now."""

    def __init__(self, engine: EngineFace, most_watchers: int = MOST_WATCHERS) -> None:
        self._engine = engine
        self._most_watchers = most_watchers
        self._watchers = 0

    def operations(self) -> list[Operation]:
        """The rows."""
        one = "/api/v1/streams/{stream_id}"
        return [
            Operation(
                "GET",
                f"{one}/events",
                "followStream",
                "Transcript, chat, participants, speakers and states of a stream as they happen.",
                self._events,
                is_noted=True,
                query=EventsQuery,
                media_type="text/event-stream",
                problems=(404, 503),
                description="Server-sent events. The name of each is its type: those of events.jsonl, "
                "transcript, chat, entry (of the timeline), levels, missed, ending.",
            ),
            Operation(
                "GET",
                f"{one}/media",
                "followMedia",
                "Sound, pictures and texts of a stream as they come, over a WebSocket.",
                self._media,
                scope=Scope.MEDIA,
                is_noted=True,
                query=MediaQuery,
                status=101,
                problems=(404, 426, 503),
            ),
        ]

    async def _events(self, call: Call) -> web.StreamResponse:
        stream_id = self._admitted(call)
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        response = web.StreamResponse(headers=headers)
        feed = EventFeed(Levels() if call.query.levels else None)
        kinds = TEXTS | {MediaKind.AUDIO} if call.query.levels else TEXTS
        with self._watching(stream_id, lambda: feed, kinds), self._engine.listen(stream_id, feed.hear_entry):
            await response.prepare(call.request)
            with suppress(ConnectionError):
                while (text := await feed.next()) is not None:
                    await response.write(text)
        return response

    async def _media(self, call: Call) -> web.StreamResponse:
        stream_id = self._admitted(call)
        wants = _subscription(call.query)
        socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=4096, compress=False, timeout=2.0)
        if not socket.can_prepare(call.request):
            raise Refused.of(426, "This is a WebSocket.", "Ask for an upgrade.", Upgrade="websocket")
        transport = call.request.transport
        subscriber = Subscriber(wants, MOST_WAITING_BYTES, transport.abort if transport else lambda: None)
        kinds = frozenset(kind for kind in ALL_KINDS if kind in wants.kinds)
        feed = MediaFeed(subscriber)
        with self._watching(stream_id, lambda: feed, kinds):
            await socket.prepare(call.request)
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(_send(subscriber, socket), name="api:send")
                playing = tasks.create_task(feed.play(), name="api:play")
                async for _ in socket:
                    pass  # what they say is not heeded
                sending.cancel()
                playing.cancel()
        return socket

    def _admitted(self, call: Call) -> StreamId:
        stream_id = StreamId(call.path["stream_id"])
        if stream_id not in self._engine.live_streams():
            raise not_found("live stream of this id")
        if self._watchers >= self._most_watchers:
            raise Refused.of(503, "Too many are watching.", "Try again later.", Retry_After="30")
        return stream_id

    @contextmanager
    def _watching(
        self, stream_id: StreamId, make: Callable[[], Sink], kinds: frozenset[MediaKind]
    ) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(self._engine.watch(stream_id, make, kinds))
            except LookupError:
                raise not_found("live stream of this id") from None
            self._watchers += 1
            stack.callback(self._leave)
            yield

    def _leave(self) -> None:
        self._watchers -= 1


class EventFeed:
    """A sink that turns items into the text of server-sent events, for one client."""

    def __init__(self, levels: Levels | None) -> None:
        self._levels = levels
        self._levels_due = 0.0
        self._waiting: deque[bytes] = deque()
        self._missed = 0
        self._is_over = False
        self._wake = asyncio.Event()

    async def open(self, stream: StreamInfo) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Sequence[Item]) -> None:
        """Queue what can be read, and measure what can be heard."""
        for item in batch:
            if isinstance(item, AudioFrame):
                if self._levels is not None:
                    self._levels.hear(item)
            else:
                line = item_line(item, media=False)
                kind = line["type"] if isinstance(line, dict) else type(item).__struct_config__.tag
                self._say(str(kind), line)
        if self._levels is not None and (now := asyncio.get_running_loop().time()) >= self._levels_due:
            self._levels_due = now + LEVELS_S
            if levels := self._levels.take():
                self._say("levels", levels)

    async def close(self, ending: Ending) -> None:
        """Say how it ended."""
        if not ending.is_released:
            self._say("ending", ending_line(ending))
        self._is_over = True
        self._wake.set()

    def hear_entry(self, entry: Entry) -> None:
        """The story of the stream goes on."""
        self._say("entry", entry)

    async def next(self) -> bytes | None:
        """What to send next, a comment if nothing happens; None: it is over."""
        while not self._waiting:
            if self._is_over:
                return None
            self._wake.clear()
            try:
                async with asyncio.timeout(COMMENT_S):
                    await self._wake.wait()
            except TimeoutError:
                return b": nothing new\n\n"
        if self._missed:
            missed, self._missed = self._missed, 0
            return _event("missed", {"count": missed})
        return self._waiting.popleft()

    def _say(self, name: str, value: Any) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(_event(name, value))
        self._wake.set()


class MediaFeed:
    """A sink that hands what comes to one subscriber."""

    _channel: Channel

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._track: TwilioTrack | None = None

    async def open(self, stream: StreamInfo) -> None:
        """Introduce the stream."""
        self._channel = Channel(stream)
        wants = self._subscriber.wants
        if wants.shape == "twilio":
            self._track = TwilioTrack(stream, wants.media, DELAY_MS)
            self._subscriber.offer([CONNECTED, self._track.start()])
        elif EVENTS in wants.kinds:
            self._subscriber.offer(self._channel.greeting())

    async def write(self, batch: Sequence[Item]) -> None:
        """Hand it on; nobody is waited for."""
        now = asyncio.get_running_loop().time()
        for item in batch:
            if self._track is None:
                self._subscriber.offer(self._messages(item))
            elif isinstance(item, AudioFrame):
                self._track.hear(item, now)

    async def close(self, ending: Ending) -> None:
        """Say good-bye."""
        if self._track is not None:
            self._subscriber.offer(self._track.stop())
        elif EVENTS in self._subscriber.wants.kinds and not ending.is_released:
            self._subscriber.offer([self._channel.farewell(ending)])
        self._subscriber.end()

    async def play(self) -> None:
        """Hand out steady sound when it is due, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHUNK_MS / 1000)
            if self._track is not None:
                self._subscriber.offer(self._track.due(loop.time()))

    def _messages(self, item: Item) -> Iterable[bytes]:
        kind = KIND_OF_FRAME.get(type(item), EVENTS)
        return self._channel.messages(item, wanted=kind in self._subscriber.wants.kinds)


def _subscription(query: MediaQuery) -> Subscription:
    known = {*(kind.value for kind in MediaKind), EVENTS}
    kinds = frozenset(filter(None, query.kinds.split(",")))
    if query.format == "twilio":
        kinds = frozenset({MediaKind.AUDIO.value})
    if not kinds or not kinds <= known:
        raise Refused.of(
            400, "There is no such kind.", f"Choose from {', '.join(sorted(known))}.", field="query.kinds"
        )
    rate = 8000 if query.encoding == "mulaw" else query.rate
    return Subscription(None, query.format, kinds, MediaFormat(query.encoding, rate, query.participant))


def _event(name: str, value: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


async def _send(subscriber: Subscriber, socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        await subscriber.send_to(socket)
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the stream is over")
