"""The contract between a stream and a sink.

A sink is a name, a typed config, a factory and three verbs.

* One *instance* serves one stream and is used once: `open`, any number of `write`, `close`.
* The three verbs are awaited one after the other, never at the same time, in a task of this sink's
  own. However long one takes, neither the stream nor another sink waits: frames queue up for this
  sink up to a bound, and beyond it the oldest pictures and sounds are dropped and counted.
* `write` gets frames of the kinds that the sink asked for, and *every* event of the stream, in the
  order in which they came. That order is of arrival: place media by ``timestamp_ms``
  (`rtms_engine.model.frames`).
* A verb that blocks (disk, database driver) goes through `asyncio.to_thread`, once per batch.
* A verb that raises detaches this sink from its stream: it is closed, said so in the log with the
  exception, and the stream goes on. Raise `SinkError` with a sentence that a person can act on;
  any other exception is taken for a defect and logged with its traceback.
* `close` is called exactly once if `open` succeeded, however the stream ended, also after a
  failed `write`. If `ending.stop_reason.outcome` is ``Outcome.ERASE``, whatever the sink stored
  must be gone when `close` returns.

Third parties offer a `SinkSpec` under the entry point group ``rtms_engine.sinks``, or name their
class in the configuration (``type = "package.module:Class"``).
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from ..model.events import StreamEvent
from ..model.frames import Frame
from ..model.ids import StreamId
from ..model.media import ALL_KINDS, MediaKind, MediaParams
from ..model.products import Product
from ..model.reasons import StopReason

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
    """This engine was restarted in the middle of the stream: continue what an earlier sink began."""


class Ending(msgspec.Struct, frozen=True):
    """How a stream ended."""

    stop_reason: StopReason
    timestamp_ms: int
    """Unix milliseconds."""
    detail: str = ""
    """A sentence for people, where the reason alone does not tell."""
    is_released: bool = False
    """The engine let go of the stream; it may go on at Zoom, and another engine take it up."""


class Sink(Protocol):
    """One sink at work on one stream. See the module's text for the contract."""

    async def open(self, stream: StreamInfo) -> None:
        """Get ready. Raises SinkError if that is not possible."""

    async def write(self, batch: Sequence[Item]) -> None:
        """Take a batch, never empty. Raises SinkError if that is not possible."""

    async def close(self, ending: Ending) -> None:
        """Finish what was received and let go of everything."""


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config type of a sink that has nothing to choose."""


def _nowhere(_config: Any) -> str:
    return ""


class SinkSpec(msgspec.Struct, frozen=True):
    """What the engine must know of a kind of sink."""

    name: str
    """``type`` in the configuration: a noun, lower case."""
    factory: Callable[[Any], Sink]
    """Called with a ``config_type`` value for every stream; must not block and must not raise."""
    config_type: type[msgspec.Struct] = NoConfig
    """A frozen Struct with ``forbid_unknown_fields=True``; its fields are the keys in ``[[sinks]]``."""
    kinds: frozenset[MediaKind] = ALL_KINDS
    """The kinds it wants unless ``kinds`` in the configuration says otherwise. The engine asks Zoom
    for the union over all sinks; a transcript makes Zoom bill the whole session as transcription."""
    directory: Callable[[Any], str] = _nowhere
    """Where it writes, of a ``config_type`` value, so that the engine can look at the disk."""
    live: bool = False
    """Wants sound as soon as possible: audio is asked for in steps of 20 ms (else 100 ms)."""
