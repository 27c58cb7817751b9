"""A client of protocol V1 written from V1.md alone: raw `websockets`, no part of the engine."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rtms_engine.simulator import App, FakeZoom, LiveMeeting

APP = App("XkWfgHHASGOQC9b95AkIxB", "YZnKVUufg7N18Oej6gHHqNWc7CG5jQ6N", "DyBoLm8OZoJT2Pi3-kY2px")
MEDIA_TYPE = {"audio": 1, "video": 2, "deskshare": 4, "transcript": 8, "chat": 16, "all": 32}
L16_20_MS = {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 2, "send_rate": 20}
H264 = {"content_type": 3, "codec": 7, "resolution": 2, "data_opt": 3, "fps": 25}

Fields = dict[str, Any]


def signature(meeting: LiveMeeting, app: App = APP) -> str:
    """V1.md §2."""
    message = f"{app.client_id},{meeting.facts.entity_id},{meeting.stream_id}".encode()
    return hmac.new(app.client_secret.encode(), message, hashlib.sha256).hexdigest()


class Socket:
    """One socket that answers keep-alives by itself and remembers what else came, and when."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Fields] = []
        self.raw: list[str | bytes] = []
        self.times_s: list[float] = []
        self.answers_keep_alives = True
        self.closed = asyncio.Event()
        self._news = asyncio.Condition()

    async def read(self) -> None:
        """Until the socket closes."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                data = await self.socket.recv()
                self.raw.append(data)
                try:
                    message = json.loads(data)
                except ValueError:
                    continue
                if not isinstance(message, dict):
                    continue
                if message["msg_type"] == 12 and self.answers_keep_alives:
                    with suppress(ConnectionClosed):  # there may be more to read
                        await self.say({**message, "msg_type": 13})
                self.heard.append(message)
                self.times_s.append(loop.time())
                async with self._news:
                    self._news.notify_all()
        except ConnectionClosed:
            self.closed.set()
            async with self._news:
                self._news.notify_all()

    async def say(self, message: Mapping[str, Any]) -> None:
        """Send one message as text."""
        await self.socket.send(json.dumps(message))

    async def hear(self, msg_type: int, **wanted: Any) -> Fields:
        """The first message of that type with these values, heard already or still to come."""
        async with self._news:
            while not (found := [m for m in self.of(msg_type) if wanted.items() <= m.items()]):
                assert not self.closed.is_set(), f"closed while waiting for {msg_type} {wanted}"
                await self._news.wait()
            return found[0]

    def of(self, msg_type: int) -> list[Fields]:
        """What came of one type."""
        return [message for message in self.heard if message["msg_type"] == msg_type]

    def events(self, event_type: int) -> list[Fields]:
        """The inner objects of message 6 of one type."""
        return [m["event"] for m in self.of(6) if m["event"]["event_type"] == event_type]

    @property
    def close_code(self) -> int | None:
        """1006 if it was cut."""
        return self.socket.close_code


class Client:
    """A client of one stream."""

    def __init__(self, zoom: FakeZoom, meeting: LiveMeeting, *, id_field: str = "meeting_uuid") -> None:
        self.meeting = meeting
        self.tls = ssl.create_default_context(cadata=zoom.ca_pem.decode()) if zoom.ca_pem else None
        self.ids: Fields = {id_field: meeting.facts.entity_id, "rtms_stream_id": meeting.stream_id}
        self.signaling: Socket = None  # type: ignore[assignment]
        self.media: dict[str, Socket] = {}
        self.urls: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for socket in (self.signaling, *self.media.values()):
            if socket:
                await socket.socket.close()
        await self._stack.aclose()

    async def open(self, url: str) -> Socket:
        """A socket that is being read."""
        socket = Socket(await connect(url, ssl=self.tls, proxy=None, compression=None, ping_interval=None))
        self._group.create_task(socket.read())
        return socket

    async def signal(self, **changes: Any) -> Fields:
        """Messages 1 and 2."""
        self.signaling = await self.open(self.meeting.server_url)
        await self.signaling.say(
            {
                "msg_type": 1,
                "protocol_version": 1,
                "sequence": 1,
                **self.ids,
                "signature": signature(self.meeting),
                **changes,
            }
        )
        answer = await self.signaling.hear(2)
        self.urls = answer.get("media_server", {}).get("server_urls", {})
        return answer

    async def subscribe(self, *event_types: int) -> None:
        """Message 5."""
        choices = [{"event_type": n, "subscribe": True} for n in event_types]
        await self.signaling.say({"msg_type": 5, "events": choices})

    async def attach(self, key: str, params: Mapping[str, Any] | None = None, **changes: Any) -> Fields:
        """Messages 3 and 4."""
        socket = await self.open(self.urls.get(key) or self.urls["all"])
        self.media[key] = socket
        request = {
            "msg_type": 3,
            "protocol_version": 1,
            "sequence": 0,
            **self.ids,
            "signature": signature(self.meeting),
            "media_type": MEDIA_TYPE[key],
            "payload_encryption": False,
            **({"media_params": params if key == "all" else {key: params}} if params is not None else {}),
            **changes,
        }
        await socket.say(request)
        return await socket.hear(4)

    async def ready(self) -> None:
        """Message 7."""
        await self.signaling.say({"msg_type": 7, "rtms_stream_id": self.meeting.stream_id})

    async def stream(self, **media: Mapping[str, Any] | None) -> Self:
        """The happy path of Appendix B."""
        assert (await self.signal())["status_code"] == 0
        await self.subscribe(2, 3, 4, 5, 6, 8, 9)
        for key, params in media.items():
            assert (await self.attach(key, params))["status_code"] == 0
        await self.ready()
        return self

    async def over(self) -> int:
        """Wait until the stream has ended and everything of it was read; the reason."""
        reason = await self.meeting.ended()
        for socket in (self.signaling, *self.media.values()):
            await socket.closed.wait()
        return int(reason)

    async def said(self, sentence: Mapping[str, Any]) -> None:
        """Say something on signaling."""
        await self.signaling.say(sentence)


@asynccontextmanager
async def client_of(zoom: FakeZoom, meeting: LiveMeeting, **options: Any) -> AsyncIterator[Client]:
    """A client that is closed at the end."""
    async with Client(zoom, meeting, **options) as client:
        yield client
