"""A stream made up for tests: items of every kind, and what a nasty participant would send."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ..model.events import (
    ActiveSpeakerChanged,
    ChatGroupChanged,
    ConnectionLost,
    GapNoted,
    MediaGranted,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    StreamStateChanged,
    UnknownEvent,
)
from ..model.frames import (
    AudioFrame,
    ChatMessage,
    ChatOperation,
    ShareFrame,
    Speaker,
    TranscriptSegment,
    VideoFrame,
)
from ..model.ids import StreamId
from ..model.media import AudioParams, MediaKind
from ..model.products import MEETING
from ..model.reasons import StopReason
from ..sinks.base import Ending, Item, StreamInfo

T0_MS = 1_790_000_000_000
MARKER = "Wolpertinger"
"""In every name, text and payload, so that what was stored can be found."""
FINISHED = Ending(StopReason.MEETING_ENDED, T0_MS + 60_000)
RELEASED = Ending(StopReason.UNDEFINED, T0_MS + 60_000, "let go", is_released=True)
REVOKED = Ending(StopReason.STREAM_REVOKED, T0_MS + 60_000)
NASTY = (
    "../../../../tmp/escaped",
    "/etc/passwd",
    "..",
    "a\x00b\x1b[2Jc\r\n",
    "\u202eexe.gnp",
    "x" * 4096,
    "CON",
    "",
    "🦄" * 200,
    "<script>alert(1)</script>",
    "'; DROP TABLE streams; --",
)
"""What names, texts and ids may be."""

_PARAMS = AudioParams()


def stream(stream_id: str = "609340fb2a7946909659956c8aa9250c", **changes: Any) -> StreamInfo:
    """A stream that starts."""
    return replace(
        StreamInfo(StreamId(stream_id), "app", MEETING, f"{stream_id[:8]}AiAiAii==", T0_MS), **changes
    )


def items(
    stream_id: str, at_ms: int = 0, name: str = MARKER, text: str = MARKER, word: str = MARKER
) -> list[Item]:
    """One item of every kind, some of whose fields are ``name`` and ``text``, with ``word`` in its payloads."""
    when = T0_MS + at_ms
    of = StreamId(stream_id)
    data = word.encode()
    who, participant = Speaker(16778240, name), Participant(16778240, name)
    return [
        StreamStateChanged(when, "ACTIVE"),
        MediaGranted(when, MediaKind.AUDIO, {"codec": "l16"}),
        ParticipantJoined(when, participant),
        ActiveSpeakerChanged(when, participant),
        AudioFrame(of, who, when, 1.0, _PARAMS, data * 256),
        AudioFrame(of, Speaker(), when, 1.0, _PARAMS, bytes(3200), mixed=True),
        VideoFrame(of, who, when, 1.0, "jpg", b"\xff\xd8" + data + b"\xff\xd9"),
        ShareFrame(of, who, when, 1.0, "png", b"\x89PNG\r\n\x1a\n" + data),
        TranscriptSegment(of, who, when, 1.0, text, when, when + 900, "en", f"s{at_ms}"),
        ChatMessage(of, who, when, 1.0, text, message_id=f"m{at_ms}"),
        ChatMessage(of, who, when + 1, 1.0, "👍", ChatOperation.ADD_REACTION, f"m{at_ms}"),
        ChatGroupChanged(when, "chat_group_created", {"name": text}),
        GapNoted(when, MediaKind.VIDEO, when, when + 500, "connection lost"),
        ConnectionLost(when, "audio", "reset"),
        UnknownEvent(when, 99, {"name": text}),
        ParticipantLeft(when, participant),
    ]


def nasty_items(stream_id: str) -> Iterator[list[Item]]:
    """Batches with every nasty name and text."""
    for n, nasty in enumerate(NASTY):
        yield items(stream_id, 1000 * n, name=nasty, text=nasty)


def big_batch(stream_id: str) -> list[Item]:
    """As much as comes at once after an outage: a minute of three speakers, and a picture of a megabyte."""
    of = StreamId(stream_id)
    people = [Speaker(16778240 + 1024 * n, f"{MARKER} {n}") for n in range(3)]
    picture = VideoFrame(of, people[0], T0_MS, 1.0, "jpg", b"\xff\xd8" + bytes(1_000_000) + b"\xff\xd9")
    sounds: list[Item] = [
        AudioFrame(of, who, T0_MS + 100 * n, 1.0, _PARAMS, bytes(3200)) for n in range(600) for who in people
    ]
    return [picture, *sounds]
