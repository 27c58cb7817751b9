"""The sink that notifies: texts and events as signed webhooks, delivered however long that takes.

The messages are those of `rtms_engine.sinks.recall` in the envelope of Standard Webhooks
(`rtms_engine.outbound`). They wait on disk: neither a receiver that is down for a day nor a restart of the
engine loses one. A stream that is revoked takes its waiting messages with it, and so does one whose time is over or
whose account removes the app (`rtms_engine.sinks.outbox`).
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from ..errors import SinkError
from ..model.frames import AudioFrame, ShareFrame, VideoFrame
from ..model.ids import path_safe
from ..model.media import MediaKind
from ..model.reasons import Outcome
from ..model.secret import Secret
from ..outbound.addresses import reach_of
from ..outbound.deliverer import Deliverer, Receiver
from ..outbound.queue import Message
from ..outbound.signing import key_of
from . import outbox
from .base import Ending, Item, SinkSpec, StreamInfo, UnixClock
from .recall import RecallEvent, RecallEvents, wanted
from .secrets import revealed

_MOST_SECRETS = 2
_Event = Annotated[
    str, Meta(pattern=r"^[a-z_]*(\.[a-z_]+)*(\.?\*)?\Z", description='an event, or a beginning and "*"')
]


class WebhookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "webhook"``."""

    url: str
    """Where to: ``https://``."""
    secrets: tuple[Secret, ...] = ()
    """``whsec_`` and Base64; two while one replaces the other. Or ``secrets_file``."""
    secrets_file: Path | None = None
    """A file that holds them."""
    events: tuple[_Event, ...] = ("participant_events.*", "transcript.*", "chat.*", "stream.*")
    """What is sent: names of events, or a beginning and ``*``."""
    directory: str = "rtms-webhooks"
    """Where messages wait on disk."""
    max_queued: Annotated[int, Meta(ge=1)] = 10_000
    """Messages that may wait; beyond that the oldest are lost, and the log says so."""
    allow_private: bool = False
    """Allow private addresses, and ``http://`` to them."""

    def __post_init__(self) -> None:
        reach_of(self.url, allow_private=self.allow_private)
        self.keys()

    def keys(self) -> tuple[bytes, ...]:
        """The keys of the secrets. Raises ValueError if one is none."""
        texts = revealed("secrets", self.secrets, self.secrets_file)
        if len(texts) > _MOST_SECRETS:
            raise ValueError("secrets: at most two, while one replaces the other")
        return tuple(map(key_of, texts))


class Outbox:
    """What the sinks of one receiver share: its queue and its deliverer, while the engine runs."""

    def __init__(self, config: WebhookConfig, unix_s: UnixClock) -> None:
        self.events = config.events
        self.deliverer = Deliverer(
            Receiver(_host(config), config.url, config.keys(), config.allow_private),
            _path(config),
            unix_s,
            most=config.max_queued,
        )

    async def __aenter__(self) -> Self:
        """Deliver what an earlier engine left. Raises ConfigError if the queue cannot be used."""
        await self.deliverer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.deliverer.__aexit__(kind, error, trace)


class WebhookSink:
    """Puts what happens in one stream into the outbox."""

    _events: RecallEvents
    _topic: str
    _label: str

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._batch: Sequence[Item] = ()
        self._messages: list[Message] = []

    async def open(self, stream: StreamInfo) -> None:
        """Say that the stream begins. Raises SinkError if the disk does not let us."""
        self._topic = stream.stream_id
        self._label = outbox.label(stream)
        self._events = RecallEvents(stream, "webhook")
        await self._send(self._wanted([self._events.started()]))

    async def write(self, batch: Sequence[Item]) -> None:
        """Queue what is wanted of the batch. Raises SinkError if the disk does not let us."""
        if batch is not self._batch:  # else it is tried again, and who speaks is remembered already
            events = [e for item in batch if not isinstance(item, _MEDIA) for e in self._events.of(item)]
            self._batch, self._messages = batch, self._wanted(events)
        await self._send(self._messages)

    async def close(self, ending: Ending) -> None:
        """Say that the stream is over; if it is revoked, that alone is left of it in the queue."""
        if ending.stop_reason.outcome is Outcome.ERASE:
            try:
                await self._outbox.deliverer.forget(self._topic)
            except sqlite3.Error as error:
                raise SinkError(f"cannot delete what waits for the webhook: {error}") from error
        if not ending.is_released:
            await self._send(self._wanted([self._events.ended(ending)]))

    def _wanted(self, events: Sequence[RecallEvent]) -> list[Message]:
        chosen = (event.encode() for event in events if wanted(event.name, self._outbox.events))
        return [
            Message(f"msg_{hashlib.sha256(body).hexdigest()[:32]}", self._topic, body, label=self._label)
            for body in chosen
        ]

    async def _send(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        try:
            await self._outbox.deliverer.send(messages)
        except sqlite3.Error as error:
            raise SinkError(f"cannot queue what is to be sent: {error}") from error


def _host(config: WebhookConfig) -> str:
    return urlsplit(config.url).hostname or ""


def _path(config: WebhookConfig) -> Path:
    """Of the queue, one for each URL: two sinks with one URL share what waits for it."""
    digest = hashlib.sha256(config.url.encode()).hexdigest()[:12]
    return Path(config.directory) / f"{path_safe(_host(config).replace('.', '_'))}-{digest}.sqlite3"


_MEDIA = (AudioFrame, VideoFrame, ShareFrame)

SPEC = SinkSpec(
    "webhook",
    WebhookSink,
    WebhookConfig,
    kinds=frozenset([MediaKind.TRANSCRIPT, MediaKind.CHAT]),
    directory=lambda config: config.directory,
    store=lambda config: outbox.OutboxStore(_path(config)),
    service=Outbox,
    encrypts=True,
)
