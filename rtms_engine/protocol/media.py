"""One media connection (V1.md §4, §6): the hot path."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from ..model.frames import (
    AudioFrame,
    ChatMessage,
    ChatOperation,
    Frame,
    ShareFrame,
    Speaker,
    TranscriptOperation,
    TranscriptSegment,
    VideoFrame,
)
from ..model.media import MediaKind, MediaParams, Params
from ..model.reasons import StatusCode
from ..wire.json_codec import SECONDS_BELOW, decode, milliseconds
from ..wire.media_params import (
    MEDIA_TYPE,
    MEDIA_TYPE_ALL,
    PARAMS_KEY,
    PROTOCOL_DEFAULTS,
    granted,
    language_tag,
    requested,
)
from ..wire.messages import (
    AudioData,
    ChatData,
    DataHandshakeRequest,
    DataHandshakeResponse,
    MediaContent,
    Message,
    ShareData,
    TranscriptContent,
    TranscriptData,
    VideoData,
)
from .connection import PROTOCOL_VERSION, Connection, Output, State
from .events import HandshakeAccepted, HandshakeRefused, LegId, Noise, NoiseKind
from .identity import StreamIdentity


class Attribution(Protocol):
    """Says whose frame it is; the roster of the stream knows."""

    def speaker(self, user_id: int, name: str, channel_id: str) -> Speaker:
        """The one a packet names; ``name`` and ``channel_id`` may be empty."""

    def mixed_speaker(self) -> Speaker:
        """The one who is probably heard in mixed audio."""


_READY = State.READY
"""By this name it is found at once: every frame asks for it."""

_TRANSCRIPT_OPERATION = {2: TranscriptOperation.UPDATE, 3: TranscriptOperation.DELETE}
"""V1.md §9.9; none and new, and what Zoom adds later, are new text."""

_CHAT_OPERATION = {
    1: ChatOperation.NEW,
    2: ChatOperation.DELETE,
    3: ChatOperation.UPDATE,
    4: ChatOperation.ADD_REACTION,
    5: ChatOperation.REMOVE_REACTION,
}
"""V1.md §9.11."""

_CHAT_SESSION = {
    1: "everyone",
    2: "individual",
    3: "chat_group",
    4: "hosts_and_panelists",
    5: "individual_cc_hosts_and_panelists",
}
"""V1.md §9.12."""


class MediaProtocol(Connection):
    """Shakes hands for some kinds of media, answers keep-alives, turns messages into frames."""

    def __init__(
        self,
        identity: StreamIdentity,
        leg: LegId,
        params: MediaParams,
        attribution: Attribution,
        *,
        unix_ms: Callable[[], int],
        id_fields: int = 0,
        defaults: Collection[MediaKind] = (),
    ) -> None:
        """
        Args:
            identity: whose stream it is, signed.
            leg: the kinds to ask for: one (its own ``media_type``) or several (32, all).
            params: what to ask for, kind by kind.
            attribution: says whose frame it is.
            unix_ms: our clock, for what Zoom sends without a time.
            id_fields: see `StreamIdentity.entity_fields`.
            defaults: the kinds of whose parameters nothing is said, so that Zoom's defaults hold.
        """
        super().__init__(identity.product, unix_ms)
        self._identity = identity
        self._kinds = leg.kinds
        self._attribution = attribution
        self._speaker = attribution.speaker
        self._id_fields = id_fields
        self._asked = leg.kinds - set(defaults)
        chosen: dict[str, Any] = {
            k.value: (PROTOCOL_DEFAULTS if k in defaults else params).of(k) for k in MediaKind
        }
        self._params = MediaParams(**chosen)
        self._makers: dict[type, Callable[[Any, float], Sequence[Output]]] = {
            AudioData: self._audio,
            VideoData: self._video,
            ShareData: self._share,
            TranscriptData: self._transcript,
            ChatData: self._chat,
        }

    # --- Connection ---

    def deadline(self) -> float | None:
        """Silence means death only where keep-alives had been arriving: nobody may be speaking, and a
        busy media socket may never get any (V1.md §7.1).
        """
        if self.state is State.READY and not self.keep_alives:
            return None
        return super().deadline()

    def _handshake(self) -> Message:
        kinds = sorted(self._kinds)
        params = {PARAMS_KEY[kind]: requested(self._params.of(kind)) for kind in sorted(self._asked)}
        return DataHandshakeRequest(
            protocol_version=PROTOCOL_VERSION,
            sequence=1,
            rtms_stream_id=self._identity.stream_id,
            signature=self._identity.signature,
            media_type=MEDIA_TYPE[kinds[0]] if len(kinds) == 1 else MEDIA_TYPE_ALL,
            payload_encryption=False,
            media_params=params or None,
            **self._identity.entity_fields(self._id_fields),
        )

    def receive(self, data: bytes, now: float) -> Sequence[Output]:
        """See `Connection.receive`: nearly every message is a frame, and nothing else is asked of it."""
        message = decode(data)
        make = self._makers.get(type(message))
        if make is None or self.state is not _READY:
            return self._hear(message, now)
        self.last_heard = now
        return make(message, now)

    def _receive(self, message: Message, now: float) -> Sequence[Output]:
        make = self._makers.get(type(message))
        if make is not None:
            return make(message, now) if self.state is _READY else self._early(make, message, now)
        if isinstance(message, DataHandshakeResponse):
            return self._handshake_answered(message)
        return self._shared(message)

    def _early(
        self, make: Callable[[Any, float], Sequence[Output]], message: Message, now: float
    ) -> Sequence[Output]:
        """Media before message 4 is an accepted handshake; message 4 may still bring the parameters."""
        if self.state is not State.SHAKING_HANDS:
            return (Noise(NoiseKind.UNEXPECTED, "media after a refused handshake"),)
        self._accepted()
        return (self._acceptance(None), *make(message, now))

    def _handshake_answered(self, answer: DataHandshakeResponse) -> Sequence[Output]:
        if self.state is State.FAILED:
            return ()
        status = StatusCode.said(answer.status_code, answer.reason)
        if status is not StatusCode.OK and self.state is State.READY:
            return (Noise(NoiseKind.UNEXPECTED, "a refusal after the acceptance"),)
        if status is not StatusCode.OK:
            self.state = State.FAILED
            return (HandshakeRefused(status, answer.reason),)
        self._accepted()
        return (self._acceptance(answer.media_params),)

    def _acceptance(self, media_params: Mapping[str, Any] | None) -> HandshakeAccepted:
        """Take over the effective parameters; without any, those asked for hold (V1.md §4.3)."""
        effective: dict[str, Params] = {
            kind.value: granted(kind, self._params.of(kind), media_params) for kind in self._kinds
        }
        everything: dict[str, Any] = {k.value: self._params.of(k) for k in MediaKind}
        self._params = MediaParams(**{**everything, **effective})
        listed = {kind for kind in self._kinds if media_params and PARAMS_KEY[kind] in media_params}
        return HandshakeAccepted(granted={k: self._params.of(k) for k in sorted(listed or self._kinds)})

    # --- frames; ``now`` becomes their ``received_at`` ---

    def _audio(self, message: AudioData, now: float) -> Sequence[Output]:
        content = message.content
        user_id, channel_id, timestamp, data = (
            content.user_id,
            content.channel_id,
            content.timestamp,
            content.data,
        )
        mixed = not user_id and not channel_id
        frame = AudioFrame(
            self._identity.stream_id,
            self._attribution.mixed_speaker()
            if mixed
            else self._speaker(user_id, content.user_name, channel_id),
            timestamp if timestamp >= SECONDS_BELOW else self._time_ms(timestamp),
            now,
            self._params.audio,
            data,
            mixed,
        )
        return (frame,) if data and content.length == len(data) else self._with_noise(frame, content)

    def _video(self, message: VideoData, now: float) -> Sequence[Output]:
        content = message.content
        frame = VideoFrame(
            self._identity.stream_id,
            self._speaker_of(content),
            self._time_ms(content.timestamp),
            now,
            self._params.video.codec,
            content.data,
        )
        return self._with_noise(frame, content)

    def _share(self, message: ShareData, now: float) -> Sequence[Output]:
        content = message.content
        frame = ShareFrame(
            self._identity.stream_id,
            self._speaker_of(content),
            self._time_ms(content.timestamp),
            now,
            self._params.share.codec,
            content.data,
        )
        return self._with_noise(frame, content)

    def _transcript(self, message: TranscriptData, now: float) -> Sequence[Output]:
        content = message.content
        if not content.data and content.attribute != 3:  # noqa: PLR2004 - a deletion has no text
            return (Noise(NoiseKind.EMPTY, "transcript"),)
        return (
            TranscriptSegment(
                self._identity.stream_id,
                self._speaker_of(content),
                self._time_ms(content.timestamp or content.start_time or 0),
                now,
                content.data,
                content.start_time and self._time_ms(content.start_time),
                content.end_time and self._time_ms(content.end_time),
                language_tag(content.language),
                content.sentence_id,
                _TRANSCRIPT_OPERATION.get(content.attribute, TranscriptOperation.NEW),
                bool(content.timestamp or content.start_time),
            ),
        )

    def _chat(self, message: ChatData, now: float) -> Sequence[Output]:
        content = message.content
        session = content.chat_session or {}
        operation = _CHAT_OPERATION.get(content.operation_type, ChatOperation.UNKNOWN)
        if not content.data and operation is ChatOperation.NEW and not content.files:
            return (Noise(NoiseKind.EMPTY, "chat"),)
        return (
            ChatMessage(
                self._identity.stream_id,
                self._person(content.sender or {}),
                self._time_ms(content.timestamp),
                now,
                content.data,
                operation,
                content.message_id,
                content.parent_message_id,
                _CHAT_SESSION.get(kind, "") if isinstance(kind := session.get("type"), int) else "",
                str(session.get("id", "")),
                None if content.receiver is None else self._person(content.receiver),
                tuple(content.files or ()),
                tuple(content.delete_file_id_list or ()),
            ),
        )

    def _time_ms(self, timestamp: int) -> int:
        """Milliseconds, also where Zoom said seconds (V1.md Appendix C); our time where it said nothing."""
        return timestamp if timestamp >= SECONDS_BELOW else milliseconds(timestamp) or self._unix_ms()

    def _with_noise(self, frame: Frame, content: MediaContent) -> Sequence[Output]:
        size = len(content.data)
        if not size:
            return (Noise(NoiseKind.EMPTY, "media"),)
        if content.length is not None and content.length != size:
            # Count it and keep the data (V1.md §6.1).
            return (frame, Noise(NoiseKind.LENGTH_MISMATCH, f"{content.length} announced, {size} came"))
        return (frame,)

    def _speaker_of(self, content: MediaContent | TranscriptContent) -> Speaker:
        return self._speaker(content.user_id, content.user_name, content.channel_id)

    def _person(self, fields: Mapping[str, Any]) -> Speaker:
        return self._speaker(fields.get("user_id", 0), fields.get("user_name", ""), "")
