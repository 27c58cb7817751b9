"""One value per message type (V1.md §9.1), with Zoom's field names.

Messages that open a stream of keys nobody has published keep them all in ``fields``. What cannot be
read, or is not known, is a value too: `Malformed`, `Unknown`. Numbers stay numbers here; their
names are in `rtms_engine.model.reasons`.
"""

from typing import Annotated, Any

import msgspec

_SANE = 2**53
Count = Annotated[int, msgspec.Meta(ge=0, le=_SANE)]
"""A non-negative integer of a size that JSON and arithmetic can hold."""


class _Message(msgspec.Struct, frozen=True, tag_field="msg_type", omit_defaults=True, kw_only=True):
    pass


class _Entity(_Message, frozen=True, kw_only=True):
    """The keys that name a stream; exactly the ones that are set are sent (V1.md §0.4)."""

    meeting_uuid: str | None = None
    webinar_uuid: str | None = None
    session_id: str | None = None
    engagement_id: str | None = None
    call_id: str | None = None
    rtms_stream_id: str

    @property
    def entity_ids(self) -> dict[str, str]:
        """The id fields that are set."""
        return {name: value for name in _ID_FIELDS if (value := getattr(self, name)) is not None}


_ID_FIELDS = ("meeting_uuid", "webinar_uuid", "session_id", "engagement_id", "call_id")


class SignalingHandshakeRequest(_Entity, frozen=True, tag=1, kw_only=True):
    """V1.md §3.3."""

    protocol_version: int
    sequence: int
    signature: str
    buffer_data: bool | None = None


class MediaServer(msgspec.Struct, frozen=True):
    """``media_server`` of message 2; its ``server_urls`` come in many shapes (V1.md §3.2)."""

    server_urls: Any = None


class SignalingHandshakeResponse(_Message, frozen=True, tag=2, kw_only=True):
    """V1.md §3.4."""

    status_code: int
    reason: str = ""
    protocol_version: int = 0
    sequence: int = 0
    media_server: MediaServer | None = None


class DataHandshakeRequest(_Entity, frozen=True, tag=3, kw_only=True):
    """V1.md §4.2."""

    protocol_version: int
    sequence: int
    signature: str
    media_type: int
    payload_encryption: bool | None = None
    media_params: dict[str, Any] | None = None


class DataHandshakeResponse(_Message, frozen=True, tag=4, kw_only=True):
    """V1.md §4.3; ``media_params`` are the effective ones."""

    status_code: int
    reason: str = ""
    protocol_version: int = 0
    sequence: int = 0
    payload_encrypted: bool = False
    media_params: dict[str, Any] | None = None


class EventChoice(msgspec.Struct, frozen=True):
    """One row of an event subscription."""

    event_type: int
    subscribe: bool


class EventSubscription(_Message, frozen=True, tag=5, kw_only=True):
    """V1.md §5.2."""

    events: list[EventChoice]


class EventUpdate(_Message, frozen=True, tag=6, kw_only=True):
    """V1.md §5.3, §5.4; read further by `rtms_engine.wire.event_registry`."""

    event: dict[str, Any]


class ClientReadyAck(_Message, frozen=True, tag=7, kw_only=True):
    """V1.md §4.4."""

    rtms_stream_id: str


class StreamStateUpdate(_Message, frozen=True, tag=8, kw_only=True):
    """V1.md §5.5."""

    state: int
    reason: int = 0
    timestamp: int = 0


class SessionStateUpdate(_Message, frozen=True, tag=9, kw_only=True):
    """V1.md §5.6."""

    rtms_session_id: str = ""
    state: int
    stop_reason: int = 0
    timestamp: int = 0


class SessionStateRequest(_Message, frozen=True, tag=10, kw_only=True):
    """V1.md §5.7."""

    rtms_session_id: str


class SessionStateResponse(_Message, frozen=True, tag=11, kw_only=True):
    """V1.md §5.7."""

    rtms_session_id: str = ""
    state: int
    timestamp: int = 0


class StreamStateRequest(_Message, frozen=True, tag=19, kw_only=True):
    """V1.md §5.7."""

    rtms_stream_id: str


class StreamStateResponse(_Message, frozen=True, tag=20, kw_only=True):
    """V1.md §5.7."""

    rtms_stream_id: str = ""
    state: int
    timestamp: int = 0


class StreamCloseRequest(_Message, frozen=True, tag=21, kw_only=True):
    """V1.md §5.8."""

    rtms_stream_id: str


class StreamCloseResponse(_Message, frozen=True, tag=22, kw_only=True):
    """V1.md §5.8."""

    rtms_stream_id: str = ""
    status_code: int
    reason: str = ""
    timestamp: int = 0


class VideoSubscriptionRequest(_Message, frozen=True, tag=28, kw_only=True):
    """V1.md §5.9."""

    user_id: int
    subscribe: bool
    timestamp: int


class VideoSubscriptionResponse(_Message, frozen=True, tag=29, kw_only=True):
    """V1.md §5.9."""

    user_id: int = 0
    status_code: int
    reason: str = ""
    timestamp: int = 0


class MediaContent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """``content`` of messages 14 to 16 (V1.md §6.1); ``data`` is decoded from Base64.

    In the order in which Zoom sends them: the decoder looks for the next one first.
    """

    user_id: Count
    user_name: str = ""
    data: bytes
    length: int | None = None
    timestamp: Count
    channel_id: str = ""


class TranscriptContent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """``content`` of message 17 (V1.md §6.6)."""

    data: str
    user_id: Count
    timestamp: Count
    user_name: str = ""
    start_time: Count | None = None
    end_time: Count | None = None
    language: int | None = None
    attribute: int = 0
    sentence_id: str = ""
    channel_id: str = ""


class ChatContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """``content`` of message 18 (V1.md §6.7)."""

    data: str
    timestamp: Count
    operation_type: int = 1
    message_id: str = ""
    parent_message_id: str = ""
    chat_session: dict[str, Any] | None = None
    sender: dict[str, Any] | None = None
    receiver: dict[str, Any] | None = None
    files: list[dict[str, Any]] | None = None
    delete_file_id_list: list[str] | None = None


class AudioData(_Message, frozen=True, tag=14, kw_only=True, gc=False):
    """V1.md §6.3."""

    content: MediaContent


class VideoData(_Message, frozen=True, tag=15, kw_only=True, gc=False):
    """V1.md §6.4."""

    content: MediaContent


class ShareData(_Message, frozen=True, tag=16, kw_only=True, gc=False):
    """V1.md §6.5."""

    content: MediaContent


class TranscriptData(_Message, frozen=True, tag=17, kw_only=True, gc=False):
    """V1.md §6.6."""

    content: TranscriptContent


class ChatData(_Message, frozen=True, tag=18, kw_only=True):
    """V1.md §6.7."""

    content: ChatContent


class KeepAliveRequest(msgspec.Struct, frozen=True):
    """Message 12 (V1.md §5.1): every key but ``msg_type``, as sent."""

    fields: dict[str, Any]


class KeepAliveResponse(msgspec.Struct, frozen=True):
    """Message 13 (V1.md §5.1): every key but ``msg_type``."""

    fields: dict[str, Any]


class MetaData(msgspec.Struct, frozen=True):
    """Messages 23 to 27 (V1.md §5.10): their bodies are not published."""

    msg_type: int
    fields: dict[str, Any]


class Unknown(msgspec.Struct, frozen=True):
    """A message of a type that this version does not know, or one whose type cannot be read (-1)."""

    msg_type: int
    fields: dict[str, Any]


class Malformed(msgspec.Struct, frozen=True):
    """Bytes that are no message, and why; ``why`` holds nothing of their content."""

    why: str


TaggedMessage = (
    SignalingHandshakeRequest
    | SignalingHandshakeResponse
    | DataHandshakeRequest
    | DataHandshakeResponse
    | EventSubscription
    | EventUpdate
    | ClientReadyAck
    | StreamStateUpdate
    | SessionStateUpdate
    | SessionStateRequest
    | SessionStateResponse
    | StreamStateRequest
    | StreamStateResponse
    | StreamCloseRequest
    | StreamCloseResponse
    | VideoSubscriptionRequest
    | VideoSubscriptionResponse
    | AudioData
    | VideoData
    | ShareData
    | TranscriptData
    | ChatData
)
MediaData = AudioData | VideoData | ShareData | TranscriptData | ChatData
Message = TaggedMessage | KeepAliveRequest | KeepAliveResponse | MetaData | Unknown | Malformed
