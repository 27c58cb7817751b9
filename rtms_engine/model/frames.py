"""What a stream delivers: the five kinds of frames.

Times: ``timestamp_ms`` is Zoom's own clock, Unix milliseconds, and the only media clock
(V1.md §6.8); ``received_at`` is our monotonic clock in seconds, for logs and latency alone, since
up to 60 s of audio may arrive in one burst (V1.md §6.9).
"""

import enum
from typing import Any, Literal

import msgspec

from .ids import StreamId
from .media import AudioParams, MediaKind, PictureCodec

SpeakerSource = Literal["packet", "active_speaker", "unknown"]


class Speaker(msgspec.Struct, frozen=True, gc=False):
    """Whose frame it is, and how we know."""

    user_id: int = 0
    """Zoom's per-session connection number, 0 for mixed audio. Not a person: who rejoins gets a
    new one, and the same numbers recur in every meeting (V1.md §6.2)."""
    name: str = ""
    """As shown in the meeting; empty if nobody has told us yet."""
    source: SpeakerSource = "packet"
    """``packet``: the frame says so. ``active_speaker``: the frame is mixed, and this was the active
    speaker at the time. ``unknown``: mixed, before anyone was known to speak."""
    channel_id: str = ""
    """Contact Center only: the channel, one per caller and agent."""


class AudioFrame(msgspec.Struct, frozen=True, gc=False):
    """A few milliseconds of sound of one participant, or of the mix."""

    stream_id: StreamId
    speaker: Speaker
    timestamp_ms: int
    received_at: float
    params: AudioParams
    payload: bytes
    """As negotiated: PCM s16le, A-law bytes, G.722 bytes or one Opus packet."""
    mixed: bool = False
    """The sound of everybody (``user_id`` 0 on the wire); ``speaker`` is then a guess."""


class VideoFrame(msgspec.Struct, frozen=True, gc=False):
    """One camera picture."""

    stream_id: StreamId
    speaker: Speaker
    timestamp_ms: int
    received_at: float
    codec: PictureCodec
    payload: bytes
    """A whole JPEG or PNG file, or H.264 in Annex B (usually one access unit, V1.md §6.4)."""


class ShareFrame(msgspec.Struct, frozen=True, gc=False):
    """One picture of a shared screen; ``speaker`` is the one who shares."""

    stream_id: StreamId
    speaker: Speaker
    timestamp_ms: int
    received_at: float
    codec: PictureCodec
    payload: bytes


class TranscriptOperation(enum.StrEnum):
    """What a transcript message does (V1.md §9.9)."""

    NEW = "new"
    UPDATE = "update"
    DELETE = "delete"


class TranscriptSegment(msgspec.Struct, frozen=True, gc=False):
    """One utterance as text."""

    stream_id: StreamId
    speaker: Speaker
    timestamp_ms: int
    received_at: float
    text: str
    start_ms: int | None = None
    """Start of the utterance, Unix milliseconds; None if Zoom did not say."""
    end_ms: int | None = None
    language: str = ""
    """BCP 47 tag; empty if unknown."""
    sentence_id: str = ""
    operation: TranscriptOperation = TranscriptOperation.NEW
    """``update`` replaces and ``delete`` removes the sentence of the same ``sentence_id``."""
    is_timed: bool = True
    """False: Zoom gave no time at all, and ``timestamp_ms`` is our own clock when it came."""


class ChatOperation(enum.StrEnum):
    """What a chat message does (V1.md §9.11); ``unknown`` for a number that Zoom adds later."""

    NEW = "new"
    DELETE = "delete"
    UPDATE = "update"
    ADD_REACTION = "add_reaction"
    REMOVE_REACTION = "remove_reaction"
    UNKNOWN = "unknown"


class ChatMessage(msgspec.Struct, frozen=True):
    """One chat message, or a change to an earlier one (``message_id``)."""

    stream_id: StreamId
    speaker: Speaker
    """The sender."""
    timestamp_ms: int
    received_at: float
    text: str
    """The message; for a reaction, the emoji."""
    operation: ChatOperation = ChatOperation.NEW
    message_id: str = ""
    parent_message_id: str = ""
    """The message that this one answers in a thread."""
    session_type: str = ""
    """``everyone``, ``individual``, ``chat_group`` … (V1.md §9.12)."""
    session_id: str = ""
    receiver: Speaker | None = None
    """Of a private message."""
    files: tuple[dict[str, Any], ...] = ()
    """As Zoom sends them: ``file_id``, ``file_name``, ``file_size``."""
    deleted_file_ids: tuple[str, ...] = ()


Frame = AudioFrame | VideoFrame | ShareFrame | TranscriptSegment | ChatMessage

KIND_OF_FRAME: dict[type, MediaKind] = {
    AudioFrame: MediaKind.AUDIO,
    VideoFrame: MediaKind.VIDEO,
    ShareFrame: MediaKind.SHARE,
    TranscriptSegment: MediaKind.TRANSCRIPT,
    ChatMessage: MediaKind.CHAT,
}
"""The kind of a frame, by its type."""
