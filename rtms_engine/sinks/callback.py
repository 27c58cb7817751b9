"""The sink for programs that embed the engine: a function of theirs gets every item."""

import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from .base import Ending, Item, SinkSpec, StreamInfo
from .delivery import PATIENT

Callback: TypeAlias = Callable[[StreamInfo, Item], Awaitable[None] | None]
"""Called with every item. A coroutine function is awaited; any other runs in the event loop's own
thread (so that it may use its queues and futures) and must not block."""


class CallbackConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "callback"``."""

    callback: Any
    """``"package.module:function"``, or the function itself in a program's own `Config`."""

    def __post_init__(self) -> None:
        self.resolve()

    def resolve(self) -> Callback:
        """The function. Raises ValueError or TypeError if there is none: when the config is made."""
        callback: Callback = _imported(self.callback) if isinstance(self.callback, str) else self.callback
        if not callable(callback):
            raise TypeError("callback is not a function")
        return callback


class CallbackSink:
    """Calls ``callback(stream, item)`` for every item, one after the other."""

    _stream: StreamInfo

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    async def open(self, stream: StreamInfo) -> None:
        """Remember the stream."""
        self._stream = stream

    async def write(self, batch: Sequence[Item]) -> None:
        """Call for each item. What the callback raises, this raises; a cancellation reaches it."""
        for item in batch:
            result = self._callback(self._stream, item)
            if result is not None and inspect.isawaitable(result):
                await result

    def write_now(self, item: Item) -> Awaitable[None] | None:
        """Call for one item, and say what is still to be awaited."""
        result = self._callback(self._stream, item)
        return result if result is not None and inspect.isawaitable(result) else None

    async def close(self, ending: Ending) -> None:
        """Nothing to let go of."""


def _imported(place: str) -> Any:
    try:
        return pkgutil.resolve_name(place)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"callback cannot be imported: {error}") from error


SPEC = SinkSpec(
    "callback",
    lambda config: CallbackSink(config.resolve()),
    CallbackConfig,
    live=True,
    delivery=PATIENT,
)
