"""A stream as values that JSON can hold, one line each: what `jsonl` writes and `http` posts. Pure.

Each has a ``type``: ``audio``, ``video``, ``share``, ``transcript``, ``chat``, or that of an event
(`rtms_engine.model.events`); ``stream`` is the first and ``ending`` the last.
"""

from typing import Any

import msgspec

from ..model.frames import KIND_OF_FRAME
from .base import Ending, Item, StreamInfo


def stream_line(stream: StreamInfo) -> dict[str, Any]:
    """The first line."""
    return {"type": "stream", **msgspec.structs.asdict(stream), "product": stream.product.name}


def item_line(item: Item, *, media: bool) -> Any:
    """The line of an item.

    Args:
        item: a frame or an event.
        media: keep the bytes of sound and pictures, which become Base64; else only their number.
    """
    kind = KIND_OF_FRAME.get(type(item))
    if kind is None:
        return item
    line = {"type": kind.value, **msgspec.structs.asdict(item)}
    if not media and "payload" in line:
        line["payload_bytes"] = len(line.pop("payload"))
    return line


def ending_line(ending: Ending) -> dict[str, Any]:
    """The last line."""
    return {
        "type": "ending",
        "timestamp_ms": ending.timestamp_ms,
        "stop_reason": ending.stop_reason.name,
        "outcome": ending.stop_reason.outcome.name.lower(),
        "detail": ending.detail,
    }
