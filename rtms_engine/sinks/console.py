"""The sink for somebody who watches a terminal: what comes, once a second.

Without ``content = true`` it shows counts and no word of the meeting.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from ..errors import SinkError
from ..model.frames import ChatMessage, TranscriptSegment
from ..model.ids import StreamId
from ..telemetry.throttle import Throttle
from .base import Ending, Item, SinkSpec, StreamInfo
from .null import kinds_of


class ConsoleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "console"``."""

    content: bool = False
    """Also show transcript and chat, with the names of who speaks."""


class ConsoleSink:
    """Writes a line a second with what came since the last one, while something comes.

    Args:
        config: the keys of the configuration.
        write_text: called in a thread with the lines to show.
    """

    def __init__(self, config: ConsoleConfig, write_text: Callable[[str], object] | None = None) -> None:
        self._config = config
        self._write_text = write_text or _to_stdout
        self._stream_id = StreamId("")
        self._counts: Counter[str] = Counter()
        self._throttle = Throttle()

    async def open(self, stream: StreamInfo) -> None:
        """Say that the stream begins."""
        self._stream_id = stream.stream_id
        await self._show([self._line(f"{stream.product.name} begins")])

    async def write(self, batch: Sequence[Item]) -> None:
        """Show the texts of the batch, if wanted, and the counts, if a second has passed."""
        lines = _texts(batch) if self._config.content else []
        self._counts.update(kinds_of(batch))
        if self._throttle.note(len(batch), asyncio.get_running_loop().time()) is not None:
            lines.append(self._counted())
        await self._show(lines)

    async def close(self, ending: Ending) -> None:
        """Show the rest, and why the stream ended."""
        lines = [self._counted()] if self._throttle.flush() else []
        await self._show([*lines, self._line(f"ended: {ending.stop_reason.name}")])

    def _counted(self) -> str:
        counts, self._counts = self._counts, Counter()
        return self._line("  ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))

    def _line(self, text: str) -> str:
        return f"{printable(self._stream_id)}  {text}"

    async def _show(self, lines: Sequence[str]) -> None:
        if lines:
            await asyncio.to_thread(self._write_text, "".join(f"{line}\n" for line in lines))


def _texts(batch: Iterable[Item]) -> list[str]:
    return [
        f"{printable(item.speaker.name) or item.speaker.user_id}: {printable(item.text)}"
        for item in batch
        if isinstance(item, TranscriptSegment | ChatMessage)
    ]


def printable(text: str) -> str:
    """The text without what would steer a terminal: participants choose their names and words."""
    return "".join(character if character.isprintable() else " " for character in text)


def _to_stdout(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise SinkError(f"cannot write to the standard output: {error.strerror}") from error


SPEC = SinkSpec("console", ConsoleSink, ConsoleConfig)
