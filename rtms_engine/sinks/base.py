"""The contract between a stream and a sink.

A sink is a name, a typed config, a factory and three verbs.

Life
    * One *instance* serves one stream and is used once: `open`, any number of `write`, `close`. A stream
      may begin and end without a `write`; a batch is never empty.
    * The verbs are awaited one after the other, never at the same time. Many instances of a sink live
      side by side, one for each stream: they share nothing, or share it with care.
    * `close` is called exactly once if `open` succeeded, however the stream ended, also after a failed
      `write`; after a failed `open` it is not called. When it returns, everything is let go of: files,
      connections, tasks, threads.

Items
    * `write` gets frames of the kinds that the sink asked for, and *every* event of the stream, in the
      order in which they came. That order is of arrival: place media by ``timestamp_ms``
      (`rtms_engine.model.frames`). Values are frozen and shared with other sinks: keep them as you like.
    * Names, texts and ids are whatever a participant or a caller chose: ``../../etc``, 4 KB, control
      characters, right-to-left marks. Make file names with `rtms_engine.model.ids.path_safe`.

Time
    * However long a verb takes, neither the stream nor another sink waits. Items queue up for this sink
      up to a bound; beyond it the policy of each kind decides (`rtms_engine.sinks.delivery`). What is
      lost is counted, said in the log once a second, and told to every sink as `ItemsDropped`.
    * A coroutine must not block: what works on a disk or with a blocking library goes through
      `asyncio.to_thread`, once per batch. Who blocks the loop all the same is named in the log
      (``SinkBlockedLoop``), since every stream has to wait meanwhile.
    * Or the sink declares ``blocking = True`` (`SinkSpec`): then its three verbs are plain functions,
      and run in a thread that this instance has for itself.

At once
    * A sink that gets every item as it comes (it is ``live``, or its ``linger_s`` is 0) may have a fourth verb,
      a plain function: `PromptSink.write_now`. While nothing waits for the sink, it is given each item in the
      moment in which that is read from its socket, instead of a `write`: no queue and no task are between.
    * It must not block. It returns None, or an awaitable for what is still to be done; until that is done,
      items queue up, for `write`. If it raises, or the awaitable does, the write of that one item has failed.

Failure
    * A verb fails if it raises, or takes longer than ``timeout_s``. Raise `SinkError` with a sentence
      that a person can act on; any other exception is taken for a defect and logged with its traceback.
    * A failed `write` is tried again, after a pause, with *the very same batch object*; nothing else is
      written in between. If it fails ``retries`` times more, the instance is closed and a new one
      opened, with `StreamInfo.resumed` set, which gets that batch first. After ``restarts`` of them the
      sink is *detached*: it gets nothing more of this stream, and the last instance is closed at the
      stream's end, which alone tells whether to erase. The stream goes on without it (`SinkDetached`).
    * So a batch whose `write` failed may be seen twice or more, by one instance or by its successor;
      every other item is seen once. A sink that cannot take half a batch again without harm either
      undoes the half or remembers where it was; one that can do neither sets ``retries=0, restarts=0``.
    * The `close` of an instance that is replaced gets an ending with ``is_released``: keep what was
      written for the successor to go on with.

Cancellation
    * A verb that takes too long is cancelled, as are all when the engine is stopped by force. Let
      `asyncio.CancelledError` pass; clean up in ``finally``, within 5 seconds. A verb that goes on
      regardless is abandoned: its coroutine is closed, and the instance never called again, not even
      its `close`. A thread cannot be cancelled: a ``blocking`` sink that hangs is abandoned likewise,
      and its thread ends when what it waits for ends.

Revocation
    * If ``ending.stop_reason.outcome`` is ``Outcome.ERASE``, whatever the sink stored of the stream must
      be gone when `close` returns. Such an ending may come after the stream is over: then a new
      instance is opened (``resumed``) and closed with it.

Service
    * What the instances of one ``[[sinks]]`` share, and what outlives streams (a server, a queue on disk),
      is a *service* (`SinkSpec.service`): an asynchronous context manager, entered once before the
      engine takes its first stream and left after the last one is over.

Third parties offer a `SinkSpec` under the entry point group ``rtms_engine.sinks``, or name their class
in the configuration (``type = "package.module:Class"``), and prove it with
`rtms_engine.testing.check_sink`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

from ..model.events import StreamEvent
from ..model.frames import Frame
from ..model.ids import StreamId
from ..model.media import ALL_KINDS, MediaKind, MediaParams
from ..model.products import Product
from ..model.reasons import StopReason
from .delivery import Delivery

Item = Frame | StreamEvent


class StreamInfo(msgspec.Struct, frozen=True):
    """What is known of a stream when it starts."""

    stream_id: StreamId
    app: str
    """Name of the Zoom app (``[[apps]] name``) that owns the stream."""
    product: Product
    entity_id: str
    """Meeting UUID, session id, engagement id … (V1.md §0.4)."""
    started_ms: int
    """``event_ts`` of the start webhook, Unix milliseconds. Audio begins about here (V1.md §6.9)."""
    media: MediaParams = MediaParams()
    """The parameters that are asked for; frames carry the granted ones."""
    kinds: frozenset[MediaKind] = ALL_KINDS
    """The kinds that are asked for in this stream, by all of its sinks together."""
    meeting_id: str = ""
    account_id: str = ""
    operator_id: str = ""
    resumed: bool = False
    """An earlier sink had the stream, of this engine or of one before it: continue what it began."""


class Ending(msgspec.Struct, frozen=True):
    """How a stream ended."""

    stop_reason: StopReason
    timestamp_ms: int
    """Unix milliseconds."""
    detail: str = ""
    """A sentence for people, where the reason alone does not tell."""
    is_released: bool = False
    """The stream may go on, and another engine, or another instance of the sink, take it up."""


class Sink(Protocol):
    """One sink at work on one stream. See the module's text for the contract."""

    async def open(self, stream: StreamInfo) -> None:
        """Get ready. Raises SinkError if that is not possible."""

    async def write(self, batch: Sequence[Item]) -> None:
        """Take a batch, never empty. Raises SinkError if that is not possible."""

    async def close(self, ending: Ending) -> None:
        """Finish what was received and let go of everything."""


class PromptSink(Sink, Protocol):
    """A sink that hardly ever waits, and takes items as they come (see *At once* in the module's text)."""

    def write_now(self, item: Item) -> Awaitable[None] | None:
        """Take one item; returns what is still to be awaited. Raises SinkError if that is not possible."""


class BlockingSink(Protocol):
    """A sink whose verbs block: it is declared ``blocking``, and each instance gets a thread."""

    def open(self, stream: StreamInfo) -> None:
        """Get ready. Raises SinkError if that is not possible."""

    def write(self, batch: Sequence[Item]) -> None:
        """Take a batch, never empty. Raises SinkError if that is not possible."""

    def close(self, ending: Ending) -> None:
        """Finish what was received and let go of everything."""


Service = AbstractAsyncContextManager[Any, bool | None]
UnixClock = Callable[[], float]
"""The wall clock, Unix seconds."""


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config type of a sink that has nothing to choose."""


def _nowhere(_config: Any) -> str:
    return ""


class Kept(msgspec.Struct, frozen=True):
    """What a kind of sink has stored of one stream. Times are Unix milliseconds."""

    place: str
    """Where, for people."""
    stream_id: StreamId
    app: str
    account_id: str
    started_ms: int
    ended_ms: int
    """Of a stream that nobody has ended: when something of it was written last."""


DeletionCause = Literal["revoked", "deauthorized", "retention", "requested"]


class Store(Protocol):
    """What a kind of sink keeps beyond its streams, so that the engine can delete it. All of it blocks, and
    raises OSError.
    """

    def kept(self) -> Iterable[Kept]:
        """Everything that is there and not deleted."""

    def delete(self, kept: Kept, cause: DeletionCause, now_ms: int) -> tuple[int, int]:
        """Delete it, for good and all of it; how many files and bytes that were.

        Raises BlockingIOError if it is being written.
        """

    def settle(self) -> int:
        """Complete the deletions that a killed process has begun, and return how many."""

    def proof(self, stream: StreamInfo) -> Mapping[str, str]:
        """SHA-256 of whatever describes the stream in the end, by place."""


class SinkSpec(msgspec.Struct, frozen=True):
    """What the engine must know of a kind of sink."""

    name: str
    """``type`` in the configuration: a noun, lower case."""
    factory: Callable[[Any], Sink | BlockingSink]
    """Called for every stream, with a ``config_type`` value, or if the spec has a ``service`` with what
    entering that gave. Must not block and must not raise."""
    config_type: type[msgspec.Struct] = NoConfig
    """A frozen Struct with ``forbid_unknown_fields=True``; its fields are the keys in ``[[sinks]]``."""
    kinds: frozenset[MediaKind] = ALL_KINDS
    """The kinds it wants unless ``kinds`` in the configuration says otherwise. The engine asks Zoom
    for the union over all sinks; a transcript makes Zoom bill the whole session as transcription."""
    directory: Callable[[Any], str] = _nowhere
    """Where it writes, of a ``config_type`` value, so that the engine can look at the disk."""
    live: bool = False
    """Wants sound as soon as possible: audio is asked for in steps of 20 ms (else 100 ms)."""
    delivery: Delivery = Delivery()
    """How it is fed, unless ``delivery`` in the configuration says otherwise."""
    blocking: bool = False
    """Its verbs are plain functions that block (`BlockingSink`)."""
    store: Callable[[Any], Store] | None = None
    """Called with a ``config_type`` value: what retention and deauthorization delete. None with a
    ``directory``: it is for its owner to delete."""
    encrypts: bool = False
    """What it writes in its ``directory`` goes through `rtms_engine.vault.files`, and is encrypted if the
    configuration wants that. Of one that has a directory and does not, the engine says that it is in plain."""
    service: Callable[[Any, UnixClock], Service] | None = None
    """Called once, with a ``config_type`` value; must not block. Entering it raises `ConfigError` if
    it cannot work (an address in use, a directory that cannot be written)."""
