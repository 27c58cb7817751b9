"""What waits for the receiver of a webhook sink, to be deleted with whatever else is stored of its stream.

Each message is labelled with whose stream it is of. A queue is shared with the deliverer of an engine that
runs: a message that is on its way when it is deleted may still arrive, and is not tried again.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from ..errors import ConfigError
from ..outbound.queue import Queue, Topic
from .base import DeletionCause, Kept, StreamInfo
from .folders import Whose

_decode_whose = msgspec.json.Decoder(Whose).decode


def label(stream: StreamInfo) -> str:
    """What `OutboxStore` must know of a message."""
    whose = Whose(stream.stream_id, stream.app, stream.account_id, stream.started_ms)
    return msgspec.json.encode(whose).decode()


class OutboxStore:
    """See `rtms_engine.sinks.base.Store`; what it counts as files are messages."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def kept(self) -> Iterator[Kept]:
        """One for each stream of which something waits; it ended when its last message was put."""
        for topic in self._topics():
            with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
                whose = _decode_whose(topic.label)
                yield Kept(
                    str(self._path),
                    whose.stream_id,
                    whose.app,
                    whose.account_id,
                    whose.started_ms,
                    int(topic.newest_s * 1000),
                )

    def delete(self, kept: Kept, cause: DeletionCause, now_ms: int) -> tuple[int, int]:
        """Delete the messages of the stream."""
        with _opened(self._path) as queue:
            sizes = {topic.name: topic.bytes for topic in queue.topics()}
            return queue.forget(kept.stream_id), sizes.get(kept.stream_id, 0)

    def settle(self) -> int:
        """A message is there or not."""
        return 0

    def proof(self, stream: StreamInfo) -> Mapping[str, str]:
        """Nothing: what waits goes by itself."""
        return {}

    def _topics(self) -> list[Topic]:
        if not self._path.exists():
            return []
        with _opened(self._path) as queue:
            return queue.topics()


@contextmanager
def _opened(path: Path) -> Iterator[Queue]:
    """The queue, in the terms of a store. Raises OSError."""
    try:
        queue = Queue(path, 0)
        try:
            yield queue
        finally:
            queue.close()
    except (sqlite3.Error, ConfigError) as error:
        raise OSError(0, str(error)) from error
