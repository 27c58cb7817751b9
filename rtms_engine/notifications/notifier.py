"""Hands what is told to those who want it: it is put on disk for each of them, and delivered from there."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import msgspec
import structlog

from ..model.ids import path_safe
from ..outbound.deliverer import Deliverer, Receiver
from ..outbound.queue import Message
from ..telemetry.story import Entry
from .progress import Event, Interruptions, Outcome, Told, of_recording

FOLDER = "notifications"
"""Below the state directory."""

_log = structlog.get_logger()


class Wanted(Protocol):
    """Whom to tell what; `rtms_engine.config.NotificationConfig` is one."""

    @property
    def url(self) -> str:
        """Where to."""

    @property
    def events(self) -> Collection[Event]:
        """What."""

    @property
    def allow_private(self) -> bool:
        """Whether it may be at a private address."""

    def keys(self) -> tuple[bytes, ...]:
        """What it is signed with."""


Facts = Callable[[str], dict[str, Any]]
"""What is known of a stream, by its id."""


class _Line(NamedTuple):
    events: frozenset[Event]
    deliverer: Deliverer


class Notifier:
    """Tells while its ``async with`` block runs; what is not delivered by then, the next one delivers.

    Args:
        wanted: whom to tell what.
        directory: where messages wait.
        facts: asked for each message.
        unix_s: the wall clock, Unix seconds.
    """

    def __init__(
        self, wanted: Sequence[Wanted], directory: Path, facts: Facts, unix_s: Callable[[], float]
    ) -> None:
        self._lines = [
            _Line(
                frozenset(one.events),
                Deliverer(
                    Receiver(urlsplit(one.url).hostname or "", one.url, one.keys(), one.allow_private),
                    directory / FOLDER / _file_name(one.url),
                    unix_s,
                ),
            )
            for one in wanted
        ]
        self._facts = facts
        self._unix_s = unix_s
        self._interruptions = Interruptions()
        self._waiting: asyncio.Queue[Told | None] = asyncio.Queue()
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Deliver what an earlier engine left. Raises ConfigError if a queue cannot be used."""
        async with AsyncExitStack() as stack:
            for line in self._lines:
                await stack.enter_async_context(line.deliverer)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(self._queue(), name="notifications")
            stack.callback(self._waiting.put_nowait, None)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def hear(self, stream_id: str, entry: Entry) -> None:
        """The story of a stream goes on."""
        if told := self._interruptions.hear(stream_id, entry):
            self.tell(told)

    def tell(self, told: Told) -> None:
        """Notify those who want it; nothing is waited for."""
        self._waiting.put_nowait(told)

    def tell_of_recording(self, stream_id: str, outcome: Outcome) -> None:
        """Notify of the end of a recording."""
        for told in of_recording(stream_id, int(self._unix_s() * 1000), outcome):
            self.tell(told)

    async def _queue(self) -> None:
        while (told := await self._waiting.get()) is not None:
            body = self._body(told)
            message = Message(f"msg_{hashlib.sha256(body).hexdigest()[:32]}", told.stream_id, body)
            for line in self._lines:
                if told.event in line.events:
                    try:
                        await line.deliverer.send([message])
                    except sqlite3.Error as error:
                        _log.error("NotificationLost", event_name=told.event, reason=str(error))

    def _body(self, told: Told) -> bytes:
        """``type``, ``timestamp`` and ``data``, as Standard Webhooks recommends."""
        data = {"stream_id": told.stream_id, **self._facts(told.stream_id), **told.facts}
        at = datetime.fromtimestamp(told.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return msgspec.json.encode({"type": told.event, "timestamp": at.replace("+00:00", "Z"), "data": data})


def _file_name(url: str) -> str:
    """One for each URL."""
    host = path_safe((urlsplit(url).hostname or "").replace(".", "_"))
    return f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.sqlite3"
