"""One listener at the server of the `websocket` sink, and what it asked for."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
from aiohttp import WSMsgType, web

from ..model.ids import StreamId
from ..model.media import MediaKind
from .twilio import MediaFormat

EVENTS = "events"
"""Among the kinds: everything that is no media."""
DEFAULT_KINDS = frozenset([MediaKind.TRANSCRIPT.value, MediaKind.CHAT.value, EVENTS])
_KNOWN_KINDS = frozenset([*(kind.value for kind in MediaKind), EVENTS])
_RATES: dict[str, tuple[int, ...]] = {"mulaw": (8000,), "l16": (8000, 16000)}


class Subscription(msgspec.Struct, frozen=True):
    """What a listener wants."""

    stream: StreamId | None = None
    """None: all of them."""
    shape: Literal["recall", "twilio"] = "recall"
    kinds: frozenset[str] = DEFAULT_KINDS
    """Of `MediaKind`, and `EVENTS`; with ``recall``."""
    media: MediaFormat = MediaFormat()
    """With ``twilio``."""


class _Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stream: str = ""
    format: Literal["recall", "twilio"] = "recall"
    kinds: str = ""
    encoding: Literal["mulaw", "l16"] = "mulaw"
    rate: int = 0
    participant: int | None = None


def subscription(query: Mapping[str, str]) -> Subscription:
    """What a query asks for. Raises ValueError, with what is allowed."""
    try:
        asked = msgspec.convert(dict(query), _Query, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    kinds = frozenset(filter(None, asked.kinds.split(","))) or DEFAULT_KINDS
    if unknown := kinds - _KNOWN_KINDS:
        raise ValueError(f"kinds: {len(unknown)} not known; there are {', '.join(sorted(_KNOWN_KINDS))}")
    rates = _RATES[asked.encoding]
    rate = asked.rate or rates[0]
    if rate not in rates:
        raise ValueError(f"rate: must be {' or '.join(map(str, rates))} with encoding={asked.encoding}")
    media = MediaFormat(asked.encoding, rate, asked.participant)
    return Subscription(StreamId(asked.stream) if asked.stream else None, asked.format, kinds, media)


class Subscriber:
    """Sends what it is offered; whoever takes it too slowly is cut off, and delays nobody.

    Args:
        wants: what it asked for.
        most_bytes: that may wait for it.
        cut: ends the connection at once.
    """

    def __init__(self, wants: Subscription, most_bytes: int, cut: Callable[[], Any]) -> None:
        self.wants = wants
        self._most_bytes = most_bytes
        self._cut = cut
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._is_over = False
        self.is_too_slow = False
        self.sent = 0

    def __repr__(self) -> str:
        return f"<Subscriber {self.wants.shape} sent={self.sent} waiting={len(self._waiting)}>"

    def offer(self, messages: Iterable[bytes]) -> None:
        """Queue messages; never waits."""
        if self._is_over:
            return
        for message in messages:
            self._waiting.append(message)
            self._waiting_bytes += len(message)
        if self._waiting_bytes > self._most_bytes:
            self.is_too_slow = self._is_over = True
            self._waiting.clear()
            self._cut()
        self._wake.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._is_over = True
        self._wake.set()

    async def send_to(self, socket: web.WebSocketResponse) -> None:
        """Send until the end. Raises ConnectionError if the other side is gone; may be cancelled."""
        while True:
            while self._waiting:
                message = self._waiting.popleft()
                await socket.send_frame(message, WSMsgType.TEXT)
                self._waiting_bytes -= len(message)
                self.sent += 1
            if self._is_over:
                return
            self._wake.clear()
            await self._wake.wait()
