"""One signaling connection (V1.md §3, §5)."""

from collections.abc import Callable, Iterable, Sequence

from ..model.media import MediaKind
from ..model.reasons import EventType, StatusCode
from ..wire.event_registry import SUBSCRIBED
from ..wire.messages import (
    AudioData,
    ChatData,
    ClientReadyAck,
    EventChoice,
    EventSubscription,
    Message,
    SessionStateRequest,
    ShareData,
    SignalingHandshakeRequest,
    SignalingHandshakeResponse,
    StreamCloseRequest,
    StreamStateRequest,
    TranscriptData,
    VideoData,
    VideoSubscriptionRequest,
)
from .connection import PROTOCOL_VERSION, Connection, Output, State
from .events import (
    ConnectionEvent,
    HandshakeAccepted,
    HandshakeRefused,
    MediaElsewhere,
    StatusHeard,
    StreamStateHeard,
)
from .identity import StreamIdentity

_SUBSCRIPTION_ERRORS = frozenset(
    {StatusCode.INVALID_EVENTS, StatusCode.INVALID_EVENT_TYPE, StatusCode.INVALID_EVENT_SUBSCRIBE}
)

_KIND_OF = {
    AudioData: MediaKind.AUDIO,
    VideoData: MediaKind.VIDEO,
    ShareData: MediaKind.SHARE,
    TranscriptData: MediaKind.TRANSCRIPT,
    ChatData: MediaKind.CHAT,
}

STATE_WAIT_S = 10.0
"""How long after the CLIENT_READY_ACK the stream's state may stay unsaid; Zoom publishes nothing."""


def events_for(kinds: Iterable[MediaKind], *, single_participant_video: bool) -> tuple[EventType, ...]:
    """What to subscribe to if these kinds of media are wanted (V1.md §5.2)."""
    wanted = set(kinds)
    if not single_participant_video:
        wanted.discard(MediaKind.VIDEO)
    return SUBSCRIBED[None] + tuple(
        event for kind in MediaKind if kind in wanted for event in SUBSCRIBED.get(kind, ())
    )


class SignalingProtocol(Connection):
    """Shakes hands, subscribes to events, answers keep-alives, tells what Zoom says."""

    def __init__(
        self,
        identity: StreamIdentity,
        *,
        events: Sequence[EventType],
        unix_ms: Callable[[], int],
        id_fields: int = 0,
        buffer_data: bool = True,
    ) -> None:
        """
        Args:
            identity: whose stream it is, signed.
            events: what to subscribe to; empty for none (Contact Center needs none, V1.md §5.2).
            unix_ms: our clock, for what Zoom sends without a time.
            id_fields: see `StreamIdentity.entity_fields`.
            buffer_data: whether Zoom is to deliver the audio since the start webhook (V1.md §3.3).
        """
        super().__init__(identity.product, unix_ms)
        self._identity = identity
        self._events = tuple(events)
        self._id_fields = id_fields
        self._buffer_data = buffer_data
        self._state_heard = False
        self._query_at: float | None = None

    # --- what the stream wants said; ignored unless the handshake is done ---

    def acknowledge_ready(self, now: float) -> None:
        """CLIENT_READY_ACK: media may flow (V1.md §4.4). If Zoom then says nothing of the stream's
        state, it is asked.
        """
        self._say(ClientReadyAck(rtms_stream_id=self._identity.stream_id))
        if not self._state_heard:
            self._query_at = now + STATE_WAIT_S

    def request_close(self) -> None:
        """STREAM_CLOSE_REQ: end the stream (V1.md §5.8)."""
        self._say(StreamCloseRequest(rtms_stream_id=self._identity.stream_id))

    def subscribe_video(self, user_id: int) -> None:
        """VIDEO_SUBSCRIPTION_REQ: show this participant; replaces the one shown (V1.md §5.9)."""
        self._say(VideoSubscriptionRequest(user_id=user_id, subscribe=True, timestamp=self._unix_ms()))

    def query_stream(self) -> None:
        """STREAM_STATE_REQ; the answer is a `StreamStateHeard` (V1.md §5.7)."""
        self._say(StreamStateRequest(rtms_stream_id=self._identity.stream_id))

    def query_session(self, session_id: str) -> None:
        """SESSION_STATE_REQ; the answer is a `SessionStateHeard` (V1.md §5.7)."""
        self._say(SessionStateRequest(rtms_session_id=session_id))

    # --- Connection ---

    def deadline(self) -> float | None:
        """Also when the stream's state is to be asked for."""
        silence = super().deadline()
        if silence is None or self._query_at is None:
            return silence
        return min(silence, self._query_at)

    def on_deadline(self, now: float) -> Sequence[ConnectionEvent]:
        """Ask for the stream's state, or report silence."""
        if self._query_at is not None and now >= self._query_at:
            self._query_at = None
            self.query_stream()
        return super().on_deadline(now)

    def _handshake(self) -> Message:
        return SignalingHandshakeRequest(
            protocol_version=PROTOCOL_VERSION,
            sequence=1,
            rtms_stream_id=self._identity.stream_id,
            signature=self._identity.signature,
            buffer_data=None if self._buffer_data else False,
            **self._identity.entity_fields(self._id_fields),
        )

    def _receive(self, message: Message, now: float) -> Sequence[Output]:
        match message:
            case SignalingHandshakeResponse():
                return self._handshake_answered(message)
            case AudioData() | VideoData() | ShareData() | TranscriptData() | ChatData():
                return (MediaElsewhere(_KIND_OF[type(message)], message),)
            case _:
                outputs = self._shared(message)
                for output in outputs:
                    self._note(output)
                return outputs

    def _handshake_answered(self, answer: SignalingHandshakeResponse) -> Sequence[Output]:
        if self.state is not State.SHAKING_HANDS:
            return ()
        status = StatusCode.said(answer.status_code, answer.reason)
        if status is not StatusCode.OK:
            self.state = State.FAILED
            return (HandshakeRefused(status, answer.reason),)
        self._accepted()
        self._subscribe()
        return (HandshakeAccepted(answer.media_server.server_urls if answer.media_server else None),)

    def _subscribe(self) -> None:
        if self._events:
            self._say(EventSubscription(events=[EventChoice(int(event), True) for event in self._events]))

    def _note(self, output: ConnectionEvent) -> None:
        match output:
            case StreamStateHeard():
                self._state_heard = True
                self._query_at = None
            case StatusHeard(status=status) if status in _SUBSCRIPTION_ERRORS:
                self._subscribe_to_less()
            case _:
                pass

    def _subscribe_to_less(self) -> None:
        """One refused event may cost all of them: ask once more for those that every app may have."""
        if len(self._events) > len(SUBSCRIBED[None]):
            self._events = SUBSCRIBED[None]
            self._subscribe()

    def _say(self, message: Message) -> None:
        if self.state is State.READY:
            self._send(message)
