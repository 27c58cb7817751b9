"""The two kinds of connections of a stream, seen from Zoom's side.

A leg owns one accepted socket after its handshake: it reads it, keeps it alive and speaks on it.
What the stream does as a whole is behind `Stage`.
"""

import asyncio
import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Protocol

from ..model.media import MediaKind
from ..model.products import Product
from ..model.reasons import EventType, StatusCode, StopReason
from .connection import Connection, Fields
from .cues import AUTOMATIC, Event, known_events
from .faults import Faults
from .ledger import Ledger
from .media import SINGLE_PARTICIPANT, Frame
from .timing import Timeline, Timing


class KeepAlive:
    """Asks every interval; ends when so many in a row were not answered (V1.md §5.1, §7)."""

    def __init__(self, leg: str, connection: Connection, stage: "Stage") -> None:
        self._leg = leg
        self._connection = connection
        self._timing = stage.timing
        self._timeline = stage.timeline
        self._ledger = stage.ledger
        self._loop = asyncio.get_running_loop()
        self._open: dict[tuple[Any, Any], float] = {}
        """When each unanswered request was sent."""
        self._muted_until = 0.0

    def mute(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self._muted_until = self._loop.time() + seconds

    async def run(self) -> None:
        """Return when the client does not answer any more."""
        sequence = 0
        while True:
            await asyncio.sleep(self._timing.keep_alive_interval_s)
            if self._loop.time() < self._muted_until:
                continue
            if len(self._open) >= self._timing.unanswered_keep_alives:
                return
            sequence += 1
            asked = (self._timeline.unix_ms, sequence)
            self._open[asked] = self._loop.time()
            self._ledger.keep_alives_sent[self._leg] += self._connection.is_open
            self._connection.send({"msg_type": 12, "timestamp": asked[0], "sequence": sequence})

    def answered(self, message: Fields) -> None:
        """Message 13 came; it must repeat a request's ``timestamp`` and ``sequence``."""
        sent_at = self._open.get((message.get("timestamp"), message.get("sequence")))
        if sent_at is None:
            self._ledger.client_error(self._leg, "a keep-alive answer that repeats no open request")
            return
        self._ledger.answer_times_s.append(self._loop.time() - sent_at)
        self._open.clear()


class Stage(Protocol):
    """What a leg may ask of its stream."""

    faults: Faults
    timing: Timing
    timeline: Timeline
    ledger: Ledger
    video_user: int | None
    """Whose camera was chosen with message 28."""
    delivered_ms: dict[MediaKind, float]
    """Up to where each kind of media was sent."""

    @property
    def stream_id(self) -> str:
        """``rtms_stream_id``."""

    @property
    def session_id(self) -> str:
        """``rtms_session_id``."""

    @property
    def product(self) -> Product:
        """The product that the stream belongs to."""

    def was_paused(self, at_ms: float) -> bool:
        """Whether nothing was to be sent at that place of the script."""

    def lost(self, leg: "Leg", reason: StopReason) -> None:
        """The leg's socket is gone, for this reason."""

    def ready(self) -> bool:
        """The client is ready: start all media that is not flowing; False if there is none."""

    def situation(self) -> dict[int, Event]:
        """What a client that attaches now is told, by event type."""

    def states(self) -> tuple[int, int]:
        """SESSION_STATE and STREAM_STATE."""

    def stop_soon(self, reason: StopReason) -> None:
        """End the stream."""

    def cameras(self) -> frozenset[int]:
        """Who has a camera, on or off."""


class Leg(ABC):
    """One socket of a stream, from its handshake to its end.

    Args:
        name: "signaling", or the kinds joined by "+".
        connection: its socket.
        stage: its stream.
        closed: the stop reason if the client closes and does not come back.
    """

    def __init__(self, name: str, connection: Connection, stage: Stage, closed: StopReason) -> None:
        self.name = name
        self.connection = connection
        self.stage = stage
        self._closed = closed
        self.keep_alive = KeepAlive(name, connection, stage)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve the socket until it is closed. Cancelling ends it at once."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            if self.stage.faults.mute_keep_alives.isdisjoint(self.name.split("+")):
                self.spawn(self._keep_alive_until_silence(), "keep-alive")
            async for message in self.connection.messages():
                self._receive(message)
            for task in self._tasks:
                task.cancel()
        self.stage.lost(self, self._closed)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something for as long as the socket is open."""
        self._tasks.add(self._group.create_task(work, name=f"zoom:{self.stage.stream_id}/{self.name}/{name}"))

    def refuse(self, message: Fields, status: StatusCode, what: str) -> None:
        """Answer a message with a status, and note it (how Zoom does it is not published: V1.md Q20)."""
        self.stage.ledger.client_error(self.name, what)
        answer = {"status_code": int(status), "reason": status.name, "rtms_stream_id": self.stage.stream_id}
        self.connection.send({"msg_type": message.get("msg_type", 0), **answer})

    async def _keep_alive_until_silence(self) -> None:
        await self.keep_alive.run()
        self.stage.lost(self, StopReason.KEEP_ALIVE_TIMEOUT)
        self.connection.cut()

    def _receive(self, message: Fields | None) -> None:
        if message is None:
            self.stage.ledger.client_error(self.name, "a message that is no JSON object")
        elif message.get("msg_type") == 13:
            self.keep_alive.answered(message)
        else:
            self.handle(message)

    @abstractmethod
    def handle(self, message: Fields) -> None:
        """A message other than 13 came."""


class SignalingLeg(Leg):
    """The signaling socket (V1.md §3.6, §5)."""

    def __init__(self, connection: Connection, stage: Stage) -> None:
        super().__init__("signaling", connection, stage, StopReason.SIGNAL_CONNECTION_INTERRUPTED)
        self._subscribed: set[int] = set()
        self._told: set[int] = set()
        """Event types whose situation the client knows."""
        self.has_started = False
        self._handlers: dict[int, Callable[[Fields], None]] = {
            5: self._subscribe,
            7: self._acknowledge,
            10: self._session_state,
            19: self._stream_state,
            21: self._close_request,
            28: self._choose_video,
        }

    def handle(self, message: Fields) -> None:
        """Dispatch by type."""
        msg_type = message.get("msg_type", 0)
        if handler := self._handlers.get(msg_type):
            handler(message)
        else:
            self.refuse(message, StatusCode.INVALID_MESSAGE_TYPE, f"message {msg_type} on signaling")

    def start(self, first_packet_ms: int) -> None:
        """The first media flows: tell states, the session's clock and the situation."""
        if self.has_started:
            return
        self.has_started = True
        session_state, stream_state = self.stage.states()
        self.session_update(session_state)
        self.stream_update(stream_state)
        self.event({"event_type": int(EventType.FIRST_PACKET_TIMESTAMP)}, first_packet_ms)
        self._tell_situation()

    def session_update(self, state: int, reason: StopReason = StopReason.UNDEFINED) -> None:
        """Send message 9."""
        stop = {"stop_reason": int(reason)} if reason else {}
        ids = {"rtms_session_id": self.stage.session_id}
        self.connection.send({"msg_type": 9, "state": state, **stop, "timestamp": self._unix_ms, **ids})

    def stream_update(self, state: int, reason: StopReason = StopReason.UNDEFINED) -> None:
        """Send message 8."""
        self.connection.send(
            {"msg_type": 8, "state": state, "reason": int(reason), "timestamp": self._unix_ms}
        )

    def event(self, event: Event, unix_ms: int | None = None) -> None:
        """Send message 6, if it was subscribed or needs not be."""
        event_type = event["event_type"]
        is_call = self.stage.product.contact_center_events
        if event_type not in self._subscribed and event_type not in AUTOMATIC and not is_call:
            return
        self.stage.ledger.events[event_type] += 1
        when = {"event_ts" if is_call else "timestamp": self._unix_ms if unix_ms is None else unix_ms}
        self.connection.send({"msg_type": 6, "event": {"event_type": event_type, **when, **event}})

    @property
    def _unix_ms(self) -> int:
        return self.stage.timeline.unix_ms

    def _tell_situation(self) -> None:
        for event_type, event in self.stage.situation().items():
            if event_type in self._subscribed - self._told:
                self.event(event)
        self._told |= self._subscribed

    def _subscribe(self, message: Fields) -> None:
        choices = message.get("events")
        if not isinstance(choices, list) or not all(map(_is_choice, choices)):
            self.refuse(message, StatusCode.INVALID_EVENTS, "a malformed event subscription")
            return
        known = known_events(self.stage.product)
        for choice in choices:
            event_type = choice["event_type"]
            if event_type not in known:
                self.refuse(message, StatusCode.INVALID_EVENT_TYPE, f"subscribed to event {event_type}")
                return
            if event_type in AUTOMATIC:
                self.stage.ledger.client_error(self.name, f"subscribed to event {event_type}")
            (self._subscribed.add if choice["subscribe"] else self._subscribed.discard)(event_type)
        if self.has_started:
            self._tell_situation()

    def _acknowledge(self, message: Fields) -> None:
        if message.get("rtms_stream_id") != self.stage.stream_id:
            self.refuse(message, StatusCode.INVALID_CLIENT_READY_ACK, "an ACK for another stream")
        elif not self.stage.ready():
            self.refuse(message, StatusCode.INVALID_CLIENT_READY_ACK, "an ACK before any media handshake")

    def _session_state(self, message: Fields) -> None:
        if message.get("rtms_session_id") != self.stage.session_id:
            self.refuse(message, StatusCode.INVALID_RTMS_SESSION_ID, "asked for an unknown session")
            return
        ids = {"rtms_session_id": self.stage.session_id}
        self.connection.send(
            {"msg_type": 11, **ids, "state": self.stage.states()[0], "timestamp": self._unix_ms}
        )

    def _stream_state(self, message: Fields) -> None:
        if message.get("rtms_stream_id") != self.stage.stream_id:
            self.refuse(message, StatusCode.INVALID_RTMS_STREAM_ID, "asked for an unknown stream")
            return
        # In seconds, as in the published example (V1.md §5.7).
        answer = {"state": self.stage.states()[1], "timestamp": self._unix_ms // 1000}
        self.connection.send({"msg_type": 20, "rtms_stream_id": self.stage.stream_id, **answer})

    def _close_request(self, message: Fields) -> None:
        is_ours = message.get("rtms_stream_id") == self.stage.stream_id
        status = StatusCode.OK if is_ours else StatusCode.INVALID_RTMS_STREAM_ID
        answer = {"status_code": int(status), "reason": status.name, "timestamp": self._unix_ms}
        self.connection.send({"msg_type": 22, "rtms_stream_id": self.stage.stream_id, **answer})
        if is_ours:
            self.stage.stop_soon(StopReason.RECEIVER_REQUEST_CLOSE)

    def _choose_video(self, message: Fields) -> None:
        user_id, subscribe = message.get("user_id"), message.get("subscribe")
        status = StatusCode.OK
        if not isinstance(user_id, int) or not isinstance(subscribe, bool):
            status = StatusCode.INVALID_PAYLOAD
        elif subscribe and user_id == self.stage.video_user:
            status = StatusCode.DUPLICATE_VIDEO_SUBSCRIPTION
        else:
            if user_id not in self.stage.cameras():
                self.stage.ledger.client_error(self.name, f"chose the video of {user_id}, who has no camera")
            self.stage.video_user = user_id if subscribe else None
        answer = {"status_code": int(status), "reason": status.name, "timestamp": self._unix_ms}
        self.connection.send({"msg_type": 29, "user_id": user_id, **answer})


def _is_choice(choice: Any) -> bool:
    match choice:
        case {"event_type": int(), "subscribe": bool()}:
            return True
    return False


class MediaLeg(Leg):
    """A media socket: sends frames when they are due, once it was started by the ACK.

    Args:
        connection: its socket.
        stage: its stream.
        params: the effective parameters of every kind that it carries.
        is_all: whether it was asked for all media (V1.md §4.1, unified).
    """

    def __init__(
        self,
        connection: Connection,
        stage: Stage,
        params: Mapping[MediaKind, Mapping[str, Any]],
        is_all: bool,
    ) -> None:
        name = "+".join(kind.value for kind in params)
        super().__init__(name, connection, stage, StopReason.DATA_CONNECTION_CLOSED_ABNORMALLY)
        self.params = params
        self.is_all = is_all
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        self._decodable: set[tuple[MediaKind, int]] = set()
        """Whose pictures the client can decode: it got a key frame, and all since."""
        self.is_flowing = False

    def start(self, frames: Iterable[Iterable[Frame]]) -> None:
        """Send these frames, each list in its order, all of them in the order in which they are due."""
        self.is_flowing = True
        self._frames = heapq.merge(*frames, key=attrgetter("due_ms"))
        self._advance()
        self.spawn(self._play(), "media")

    def send_due(self) -> None:
        """Send everything that is due now."""
        position_ms = self.stage.timeline.position_ms
        while self.connection.is_open and (frame := self._next) and frame.due_ms <= position_ms:
            self._advance()
            if self._lets_pass(frame):
                self._send(frame)

    def handle(self, message: Fields) -> None:
        """Nothing but 13 belongs here (V1.md §3.6)."""
        is_ack = message.get("msg_type") == 7
        status = StatusCode.INVALID_CLIENT_READY_ACK if is_ack else StatusCode.INVALID_MESSAGE_TYPE
        self.refuse(message, status, f"message {message.get('msg_type')} on a media socket")

    async def _play(self) -> None:
        while self.connection.is_open and self._next is not None:
            await self.stage.timeline.reach(self._next.due_ms)
            self.send_due()
            await self.connection.drained()

    def _advance(self) -> None:
        self._next = next(self._frames, None)

    def _lets_pass(self, frame: Frame) -> bool:
        """Nothing of a pause passes; pictures of somebody begin with a key frame."""
        is_sent = not self.stage.was_paused(frame.due_ms) and (
            frame.kind is not MediaKind.VIDEO
            or self.params[frame.kind]["data_opt"] != SINGLE_PARTICIPANT
            or frame.user_id == self.stage.video_user
        )
        is_decodable = frame.is_key or (frame.kind, frame.user_id) in self._decodable
        if is_sent and is_decodable:
            self._decodable.add((frame.kind, frame.user_id))
        else:
            self._decodable.discard((frame.kind, frame.user_id))
        return is_sent and is_decodable

    def _send(self, frame: Frame) -> None:
        epoch_ms = self.stage.timeline.epoch_ms
        self.stage.delivered_ms[frame.kind] = frame.due_ms
        self.stage.ledger.frame_sent(frame, epoch_ms)
        self.connection.send_bytes(self.stage.faults.reshaped(frame.encode(epoch_ms)))
