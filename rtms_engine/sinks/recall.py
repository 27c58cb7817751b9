"""Items under the names and in the shapes of Recall.ai's real-time events. Pure.

Who reads Recall's events reads these: ``{"event": "transcript.data", "data": {"data": {…}, "recording":
{"id": …}, …}}`` with a ``participant`` and timestamps that are ``relative`` (seconds since the stream's
start) and ``absolute`` (ISO 8601). What Recall has no name for has one of ours: ``stream.started`` first,
``stream.ended`` last, ``stream.{type}`` for the events of `rtms_engine.model.events`,
``transcript.update`` and ``.delete``, ``chat.update`` and the other changes of chat, and
``video_separate_jpg.data``. A word is a whole utterance, since that is all that Zoom tells: ``granularity``
says so.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from ..model.events import (
    ActiveSpeakerChanged,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    SharingStarted,
    SharingStopped,
    StreamEvent,
    VideoStarted,
    VideoStopped,
)
from ..model.frames import (
    AudioFrame,
    ChatMessage,
    ChatOperation,
    ShareFrame,
    Speaker,
    TranscriptOperation,
    TranscriptSegment,
    VideoFrame,
)
from .base import Ending, Item, StreamInfo

PARTICIPANT_EVENTS: dict[type, str] = {
    ParticipantJoined: "join",
    ParticipantLeft: "leave",
    VideoStarted: "webcam_on",
    VideoStopped: "webcam_off",
    SharingStarted: "screenshare_on",
}
"""What `rtms_engine.model.events` are called after ``participant_events.``."""
_TRANSCRIPT = {
    TranscriptOperation.NEW: "transcript.data",
    TranscriptOperation.UPDATE: "transcript.update",
    TranscriptOperation.DELETE: "transcript.delete",
}
_OF_PARTICIPANT = (ParticipantJoined, ParticipantLeft, VideoStarted, VideoStopped, SharingStarted)
_RESOURCES = ("participant_events", "transcript", "audio_mixed", "audio_separate", "video_separate")


class RecallEvent(NamedTuple):
    """One message."""

    name: str
    document: dict[str, Any]
    """To be encoded by msgspec: bytes become Base64."""

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode(self.document)


class RecallEvents:
    """The events of one stream. It remembers who speaks and who shares, which Zoom says only once.

    Args:
        stream: which.
        endpoint: ``realtime_endpoint.id`` in every message.
    """

    def __init__(self, stream: StreamInfo, endpoint: str) -> None:
        self._stream = stream
        self._endpoint = endpoint
        self._speaks: Participant | None = None
        self._shares: Participant | None = None
        self._present: dict[int, ParticipantJoined] = {}

    def started(self) -> RecallEvent:
        """The first event."""
        stream = self._stream
        data = {
            "product": stream.product.name,
            "kinds": sorted(stream.kinds),
            "resumed": stream.resumed,
            "timestamp": self._time(stream.started_ms),
        }
        return self._event("stream.started", data)

    def ended(self, ending: Ending) -> RecallEvent:
        """The last event."""
        reason = ending.stop_reason
        data = {
            "stop_reason": reason.name,
            "outcome": reason.outcome.name.lower(),
            "detail": ending.detail,
            "is_released": ending.is_released,
            "timestamp": self._time(ending.timestamp_ms),
        }
        return self._event("stream.ended", data)

    def present(self) -> list[RecallEvent]:
        """The start, and a join for everybody who is there: for somebody who came later."""
        return [self.started(), *(self._participant(joined, joined.participant) for joined in self._here())]

    def of(self, item: Item) -> list[RecallEvent]:
        """What this item is called: usually one event; two where one speaker follows another."""
        match item:
            case AudioFrame():
                return [self.audio(item, item.payload, item.params)]
            case VideoFrame() | ShareFrame():
                return [self._picture(item)]
            case TranscriptSegment():
                return [self._transcript(item)]
            case ChatMessage():
                return [self._chat(item)]
            case _:
                return self._of_event(item)

    def audio(self, frame: AudioFrame, sound: bytes, encoding: Any) -> RecallEvent:
        """Sound, which may have been decoded meanwhile.

        Args:
            frame: whose sound it is.
            sound: the bytes.
            encoding: what they are: goes into the message as ``format``, which Recall's have not.
        """
        data = {"buffer": sound, "timestamp": self._time(frame.timestamp_ms), "format": encoding}
        if frame.mixed:
            return self._event("audio_mixed_raw.data", data)
        return self._event("audio_separate_raw.data", {**data, "participant": _speaker(frame.speaker)})

    def _of_event(self, event: StreamEvent) -> list[RecallEvent]:
        match event:
            case ActiveSpeakerChanged(participant=participant):
                before, self._speaks = self._speaks, participant
                off = [self._participant(event, before, "speech_off")] if before else []
                return [*off, self._participant(event, participant, "speech_on")]
            case SharingStopped():
                before, self._shares = self._shares, None
                return [self._participant(event, before or Participant(0), "screenshare_off")]
            case SharingStarted(participant=participant):
                self._shares = participant
            case ParticipantJoined(participant=participant):
                self._present[participant.user_id] = event
            case ParticipantLeft(participant=participant):
                self._present.pop(participant.user_id, None)
        if isinstance(event, _OF_PARTICIPANT):
            return [self._participant(event, event.participant)]
        data = msgspec.to_builtins(event)
        data["timestamp"] = self._time(data.pop("timestamp_ms"))
        return [self._event(f"stream.{data.pop('type')}", data)]

    def _here(self) -> Iterable[ParticipantJoined]:
        return self._present.values()

    def _participant(self, event: StreamEvent, who: Participant, action: str = "") -> RecallEvent:
        action = action or PARTICIPANT_EVENTS[type(event)]
        data = {
            "participant": participant(who.user_id, who.name),
            "timestamp": self._time(event.timestamp_ms),
            "data": None,
        }
        return self._event(f"participant_events.{action}", data)

    def _chat(self, chat: ChatMessage) -> RecallEvent:
        said: dict[str, Any] = {
            "text": chat.text,
            "to": "everyone" if chat.receiver is None else chat.receiver.name,
            "message_id": chat.message_id,
            "parent_message_id": chat.parent_message_id,
        }
        data = {
            "participant": _speaker(chat.speaker),
            "timestamp": self._time(chat.timestamp_ms),
            "data": said,
        }
        if chat.operation is ChatOperation.NEW:
            return self._event("participant_events.chat_message", data)
        return self._event(f"chat.{chat.operation.value}", data)

    def _transcript(self, segment: TranscriptSegment) -> RecallEvent:
        start_ms = segment.timestamp_ms if segment.start_ms is None else segment.start_ms
        word = {
            "text": segment.text,
            "start_timestamp": self._time(start_ms),
            "end_timestamp": None if segment.end_ms is None else self._time(segment.end_ms),
        }
        data = {
            "words": [word],
            "participant": _speaker(segment.speaker),
            "language_code": segment.language or None,
            "granularity": "utterance",
            "sentence_id": segment.sentence_id,
        }
        return self._event(_TRANSCRIPT[segment.operation], data)

    def _picture(self, frame: VideoFrame | ShareFrame) -> RecallEvent:
        data = {
            "buffer": frame.payload,
            "timestamp": self._time(frame.timestamp_ms),
            "type": "screenshare" if isinstance(frame, ShareFrame) else "webcam",
            "participant": _speaker(frame.speaker),
        }
        return self._event(f"video_separate_{frame.codec}.data", data)

    def _event(self, name: str, data: dict[str, Any]) -> RecallEvent:
        stream = self._stream
        about = {"app": stream.app, "product": stream.product.name, "meeting": stream.entity_id}
        document: dict[str, Any] = {
            "data": data,
            "realtime_endpoint": {"id": self._endpoint, "metadata": {}},
            "recording": {"id": stream.stream_id, "metadata": about},
        }
        for resource in _RESOURCES:
            if name.startswith(resource):
                document[resource] = {"id": stream.stream_id, "metadata": {}}
        return RecallEvent(name, {"event": name, "data": document})

    def _time(self, unix_ms: int) -> dict[str, Any]:
        return {"relative": (unix_ms - self._stream.started_ms) / 1000, "absolute": _absolute(unix_ms)}


def _absolute(unix_ms: int) -> str | None:
    """ISO 8601 in UTC; None for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None


def _speaker(speaker: Speaker) -> dict[str, Any]:
    extra: dict[str, str] = {"source": speaker.source}
    if speaker.channel_id:
        extra["channel_id"] = speaker.channel_id
    return {**participant(speaker.user_id, speaker.name), "extra_data": {"zoom": extra}}


def participant(user_id: int, name: str) -> dict[str, Any]:
    """Zoom's RTMS says neither who is host nor anybody's address."""
    return {
        "id": user_id,
        "name": name or None,
        "is_host": None,
        "platform": "zoom",
        "extra_data": {},
        "email": None,
    }


def wanted(name: str, patterns: Iterable[str]) -> bool:
    """Whether an event is among ``patterns``: whole names, or ``beginning.*``."""
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in patterns
    )
