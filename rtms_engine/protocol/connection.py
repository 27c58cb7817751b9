"""What signaling and media connections have in common.

A `Connection` is used once. It says its handshake when the socket is open, answers every
keep-alive at once (V1.md §5.1), and watches the silence: 10 s for the answer to the handshake, then
65 s for any frame at all (V1.md §7.1). Every message may arrive on either kind of socket (V1.md
§3.6), so all of signaling's and media's messages are read by both.

The owner calls `connected`, `receive` and `on_deadline` with the time, sends what `data_to_send`
returns before it does anything else, and acts on the events.
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..model.events import MediaConnectionInterrupted, Participant, VideoSubscribed
from ..model.frames import Frame
from ..model.products import Product
from ..model.reasons import SessionState, StatusCode, StopReason, StreamState
from ..wire.event_registry import decode_event
from ..wire.json_codec import code, decode, encode
from ..wire.messages import (
    EventUpdate,
    KeepAliveRequest,
    KeepAliveResponse,
    Malformed,
    Message,
    MetaData,
    SessionStateResponse,
    SessionStateUpdate,
    StreamCloseResponse,
    StreamStateResponse,
    StreamStateUpdate,
    Unknown,
    VideoSubscriptionResponse,
)
from .events import (
    CloseAnswered,
    ConnectionEvent,
    Heard,
    MediaInterrupted,
    Noise,
    NoiseKind,
    SessionStateHeard,
    Silent,
    StatusHeard,
    StreamStateHeard,
)

HANDSHAKE_TIMEOUT_S = 10.0
"""Zoom publishes none; this is ours (V1.md §7)."""
SILENCE_S = 65.0
"""Without any frame for so long, a connection is dead (V1.md §7.1)."""

PROTOCOL_VERSION = 1

Output = Frame | ConnectionEvent


class State(enum.Enum):
    """Of one connection."""

    UNCONNECTED = "unconnected"
    SHAKING_HANDS = "shaking hands"
    READY = "ready"
    FAILED = "failed"


class Connection(ABC):
    """One connection of a stream, without its socket."""

    def __init__(self, product: Product, unix_ms: Callable[[], int]) -> None:
        self.state = State.UNCONNECTED
        self._product = product
        self._unix_ms = unix_ms
        self.outgoing: list[bytes] = []
        """What is to be sent; `data_to_send` takes it. Empty after nearly every message."""
        self.last_heard = 0.0
        """When anything was last received."""
        self._silence_s = HANDSHAKE_TIMEOUT_S
        self.keep_alives = 0
        """Requests answered on this connection."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state.value}>"

    # --- driven by the owner ---

    def connected(self, now: float) -> None:
        """The socket is open: say the handshake."""
        self.state = State.SHAKING_HANDS
        self.last_heard = now
        self._send(self._handshake())

    def receive(self, data: bytes, now: float) -> Sequence[Output]:
        """Take one message. Never raises; what cannot be used becomes a `Noise`."""
        return self._hear(decode(data), now)

    def _hear(self, message: Message, now: float) -> Sequence[Output]:
        if type(message) is KeepAliveRequest:
            self.keep_alives += 1
            self._send(self._answer(message))
            outputs: Sequence[Output] = ()
        else:
            outputs = self._receive(message, now)
        if self.state is not State.SHAKING_HANDS:  # the answer to the handshake has a deadline of its own
            self.last_heard = now
        return outputs

    def take(self, message: Message, now: float) -> Sequence[Output]:
        """Take a message that came over another connection and means this one."""
        return self._receive(message, now)

    def data_to_send(self) -> list[bytes]:
        """The messages to send now, in order; each is returned once."""
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called, unless something is received before."""
        if self.state in (State.UNCONNECTED, State.FAILED):
            return None
        return self.last_heard + self._silence_s

    def on_deadline(self, now: float) -> Sequence[ConnectionEvent]:
        """Time has passed. Harmless if called too early."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return ()
        waited_for = "answer to the handshake" if self.state is State.SHAKING_HANDS else "frame"
        silence_s = self._silence_s
        self.state = State.FAILED
        return (Silent(f"no {waited_for} for {silence_s:g} s"),)

    # --- for the two kinds ---

    @abstractmethod
    def _handshake(self) -> Message:
        """The first message to say."""

    @abstractmethod
    def _receive(self, message: Message, now: float) -> Sequence[Output]:
        """Take any message but a keep-alive."""

    def _send(self, message: Message) -> None:
        self.outgoing.append(encode(message))

    def _accepted(self) -> None:
        self.state = State.READY
        self._silence_s = SILENCE_S

    def _answer(self, request: KeepAliveRequest) -> KeepAliveResponse:
        """Every key of the request, and our time only where Zoom sent none (V1.md §5.1)."""
        if request.fields.get("timestamp") is None:
            return KeepAliveResponse({**request.fields, "timestamp": self._unix_ms()})
        return KeepAliveResponse(request.fields)

    def _shared(self, message: Message) -> Sequence[ConnectionEvent]:
        """The messages that mean the same on every connection."""
        match message:
            case EventUpdate(event=event):
                heard = decode_event(self._product, event, self._unix_ms())
                return tuple(
                    MediaInterrupted(frozenset(one.kinds))
                    if isinstance(one, MediaConnectionInterrupted)
                    else Heard(one)
                    for one in heard
                )
            case StreamStateUpdate(state=state, reason=reason, timestamp=when):
                return (StreamStateHeard(StreamState(state), StopReason(reason), when),)
            case StreamStateResponse(state=state):
                return (StreamStateHeard(StreamState(state), StopReason.UNDEFINED),)
            case SessionStateUpdate(rtms_session_id=session, state=state, stop_reason=reason, timestamp=when):
                return (SessionStateHeard(session, SessionState(state), StopReason(reason), when),)
            case SessionStateResponse(rtms_session_id=session, state=state):
                return (SessionStateHeard(session, SessionState(state), StopReason.UNDEFINED),)
            case StreamCloseResponse(status_code=status, reason=reason):
                return (CloseAnswered(StatusCode.said(status, reason), reason),)
            case VideoSubscriptionResponse(user_id=user_id, status_code=0):
                return (Heard(VideoSubscribed(self._unix_ms(), Participant(user_id))),)
            case MetaData():
                return ()
            case _:
                return (_status_or_noise(message),)


def _status_or_noise(message: Message) -> ConnectionEvent:
    match message:
        case VideoSubscriptionResponse(status_code=status, reason=reason):
            return StatusHeard(StatusCode.said(status, reason), reason)
        case Unknown(msg_type, fields):
            return _unknown(msg_type, fields)
        case Malformed(why):
            return Noise(NoiseKind.MALFORMED, why)
        case _:
            return Noise(NoiseKind.UNEXPECTED, type(message).__name__)


def _unknown(msg_type: int, fields: Mapping[str, Any]) -> ConnectionEvent:
    if status := code(fields.get("status_code"), StatusCode):
        reason = fields.get("reason")
        said = reason if isinstance(reason, str) else ""
        return StatusHeard(StatusCode.said(status, said), said)
    return Noise(NoiseKind.UNKNOWN, f"message type {msg_type}")
