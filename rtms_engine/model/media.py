"""Kinds of media, and how a stream of each is asked for and delivered.

The readable values here (``"l16"``, 16000, ``"per_participant"``) are the ones of the
configuration, of frames and of manifests. Zoom's numbers for them live in
`rtms_engine.wire.media_params` alone.
"""

import enum
from typing import Literal

import msgspec


class MediaKind(enum.StrEnum):
    """The five kinds of media that Zoom streams (V1.md §9.8, MEDIA_DATA_TYPE)."""

    AUDIO = "audio"
    VIDEO = "video"
    SHARE = "share"
    TRANSCRIPT = "transcript"
    CHAT = "chat"

    __hash__ = str.__hash__  # the one of enums is written in Python, and every frame looks kinds up


ALL_KINDS = frozenset(MediaKind)

AudioCodec = Literal["l16", "g711", "g722", "opus"]
"""``l16`` is signed 16-bit PCM, little-endian; ``g711`` is A-law (V1.md §6.3)."""
PictureCodec = Literal["jpg", "png", "h264"]
Resolution = Literal["sd", "hd", "fhd", "qhd"]
"""An upper bound: 640x360 or 854x480, 1280x720, 1920x1080, 2560x1440 (V1.md §9.8)."""
AudioMode = Literal["mixed", "per_participant"]
VideoMode = Literal["active_speaker", "single_participant"]


class AudioParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How audio is asked for, or was granted (V1.md §4.2.1)."""

    codec: AudioCodec = "l16"
    sample_rate: Literal[8000, 16000, 32000, 48000] = 16000
    """Hertz. Opus needs 48000."""
    channels: Literal[1, 2] = 1
    """Two only with Opus."""
    send_rate_ms: int = 100
    """Milliseconds of audio in one message: a multiple of 20, from 20 to 1000. Opus needs 20."""
    mode: AudioMode = "per_participant"
    """``per_participant``: one series per speaking participant, at most three at a time."""


class VideoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How camera video is asked for, or was granted (V1.md §4.2.2)."""

    codec: PictureCodec = "h264"
    resolution: Resolution = "hd"
    fps: int = 25
    """Pictures per second, 1 to 30. ``jpg`` and ``png`` need 5 or fewer, ``h264`` more than 5."""
    mode: VideoMode = "active_speaker"


class ShareParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How screen share is asked for, or was granted (V1.md §4.2.3)."""

    codec: PictureCodec = "jpg"
    resolution: Resolution = "fhd"
    fps: int = 1
    """Pictures per second. ``jpg`` and ``png`` need 1; ``h264`` 6 to 30."""


class TranscriptParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the transcript is asked for, or was granted (V1.md §4.2.4)."""

    language: str = "en"
    """A language of V1.md §9.14 as a BCP 47 tag (``en``, ``fr-CA``, ``zh-Hans``), or ``none``."""
    detect_language: bool = True
    """``language`` holds for the first 30 s, then Zoom detects it. Off: stay on ``language``."""


class ChatParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chat has nothing to choose (V1.md §4.2.5)."""


Params = AudioParams | VideoParams | ShareParams | TranscriptParams | ChatParams


class MediaParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of every kind, whether it is asked for or not."""

    audio: AudioParams = AudioParams()
    video: VideoParams = VideoParams()
    share: ShareParams = ShareParams()
    transcript: TranscriptParams = TranscriptParams()
    chat: ChatParams = ChatParams()

    def of(self, kind: MediaKind) -> Params:
        """The parameters of one kind."""
        params: Params = getattr(self, kind.value)
        return params
