"""What the tests of a stream's parts share: items, and sinks that are easy to watch."""

import asyncio

from rtms_engine.model.events import Participant, ParticipantJoined
from rtms_engine.model.frames import AudioFrame, Speaker, TranscriptSegment, VideoFrame
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams, MediaKind
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.sinks.base import Ending, StreamInfo

INFO = StreamInfo(StreamId("S"), "app", MEETING, "U==", 1_790_000_000_000)
ENDING = Ending(StopReason.MEETING_ENDED, 1_790_000_100_000)
ALL = frozenset(MediaKind)
JOHN = Speaker(16778240, "John")


def sound(n, size=10):
    return AudioFrame(StreamId("S"), JOHN, n, 0.0, AudioParams(), b"x" * size)


def picture(n, size=10):
    return VideoFrame(StreamId("S"), JOHN, n, 0.0, "h264", b"x" * size)


def text(n):
    return TranscriptSegment(StreamId("S"), JOHN, n, 0.0, f"sentence {n}")


def joined(n):
    return ParticipantJoined(n, Participant(n, f"P{n}"))


class KeepingSink:
    """Keeps everything; waits and fails where it is told to."""

    def __init__(self, *, write_takes=0.0, fails_in=(), error=None):
        self.items = []
        self.batches = []
        self.calls = []
        self.ending = None
        self.go_on = asyncio.Event()
        self.hangs_in = ""
        self._write_takes = write_takes
        self._fails_in = fails_in
        self._error = error

    async def open(self, stream):
        await self._called("open")
        self.stream = stream

    async def write(self, batch):
        await self._called("write")
        await asyncio.sleep(self._write_takes)
        self.batches.append(list(batch))
        self.items += batch

    async def close(self, ending):
        await self._called("close")
        self.ending = ending

    async def _called(self, verb):
        self.calls.append(verb)
        if verb in self._fails_in:
            raise self._error
        if verb == self.hangs_in:
            await self.go_on.wait()


def times(items):
    return [item.timestamp_ms for item in items]
