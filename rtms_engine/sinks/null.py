"""The sink that keeps nothing: for measurements, and to see whether a stream comes at all."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ..model.frames import KIND_OF_FRAME
from .base import Ending, Item, NoConfig, SinkSpec, StreamInfo


class NullSink:
    """Counts what it gets."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Items so far, by kind; ``event`` for all that is not media."""

    async def open(self, stream: StreamInfo) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Sequence[Item]) -> None:
        """Count the batch."""
        self.counts.update(kinds_of(batch))

    async def close(self, ending: Ending) -> None:
        """Nothing to let go of."""


def kinds_of(batch: Iterable[Item]) -> list[str]:
    """The kind of each item, or ``event``."""
    return [KIND_OF_FRAME.get(type(item), "event") for item in batch]


SPEC = SinkSpec("null", lambda _config: NullSink(), NoConfig)
