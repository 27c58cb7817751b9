"""One meeting that is being streamed: its connections, states, windows and end.

The stream decides synchronously and says what it decided at once; only webhooks and the closing of
sockets are awaited, in tasks of their own.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from ..model.media import ALL_KINDS, MediaKind
from ..model.products import Product
from ..model.reasons import EventType, SessionState, StatusCode, StopReason, StreamState
from . import cues
from .chaos import (
    Action,
    Delay,
    Drip,
    Failover,
    Garbage,
    How,
    Huge,
    Kill,
    Mute,
    Pause,
    Plan,
    Refuse,
    Repeat,
    Stop,
    Target,
)
from .connection import Connection
from .cues import Event
from .faults import Faults, LegName
from .ledger import Ledger, Why
from .legs import Leg, MediaLeg, SignalingLeg
from .media import Frame, Media
from .negotiation import ALL_MEDIA, BIT_OF, KEY_OF, Refused, effective_params, requested_kinds
from .timing import Timeline, Timing, Windows
from .webhooks import Courier, Delivery, StreamFacts, WebhookSender
from .withheld import Account

Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]
"""Run something in the background, by name."""


_REASON_OF_LOSS = {
    True: StopReason.SIGNAL_CONNECTION_INTERRUPTED,
    False: StopReason.DATA_CONNECTION_INTERRUPTED,
}
"""By whether it is signaling that was lost."""

_NOW_MS = 1
"""What is not buffered and was due so recently is still sent to a client that comes now."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream differs from others."""

    speed: float = 1.0
    """Script seconds per second; the times on the wire are always the script's."""
    granted: frozenset[MediaKind] = ALL_KINDS
    """The kinds that the app has scopes for."""
    faults: Faults = Faults()
    chaos: Plan | None = None
    """What goes wrong in time; None: what the script says."""
    nested_webhooks: bool = False
    from_ms: float = 0.0
    """Where in its script the stream begins, if it is started later than the meeting."""
    keeps_frames: bool = True
    """Whether the ledger remembers every frame, or only sums."""


class LiveMeeting:
    """A stream of one meeting. Made by `rtms_engine.simulator.zoom.FakeZoom.start`.

    Args:
        facts: its ids.
        media: its script, loaded.
        options: how it differs.
        timing: Zoom's timers.
        epoch_ms: Unix milliseconds now, where its script begins.
        base_url: of Zoom's servers, without a path.
        sender: of its webhooks; None: it has none.
        spawn: runs its tasks.
    """

    def __init__(
        self,
        facts: StreamFacts,
        media: Media,
        *,
        options: Options,
        timing: Timing,
        epoch_ms: int,
        base_url: str,
        sender: WebhookSender | None,
        spawn: Spawn,
    ) -> None:
        self.facts = facts
        self.media = media
        self.faults = options.faults
        self.chaos = media.script.chaos if options.chaos is None else options.chaos
        self.timing = timing
        self.timeline = Timeline(epoch_ms + self.chaos.skew_ms, options.speed, options.from_ms)
        self.ledger = Ledger(options.keeps_frames)
        self.webhooks = Courier(facts, sender, spawn)
        self.signaling: SignalingLeg | None = None
        self.media_legs: list[MediaLeg] = []
        self.video_user: int | None = None
        self.delivered_ms: dict[MediaKind, float] = {}
        self.stop_reason: StopReason | None = None
        """Set when the stream is over."""
        self.node = 0
        """Which of Zoom's servers has the stream; a failover moves it."""
        self._options = options
        self._base_url = base_url
        self._spawn = spawn
        self._windows = Windows()
        self._first_packet_ms: float | None = None
        """Where the session's clock starts; None until a client came."""
        self._refusals: dict[str, list[int]] = {
            "signaling": list(self.faults.signaling_statuses),
            **{kind: list(statuses) for kind, statuses in self.faults.media_statuses.items()},
        }
        self._account = Account(self.timeline, self.ledger, timing.audio_buffer_ms)
        self._ended: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()

    # --- its face ---

    @property
    def stream_id(self) -> str:
        """``rtms_stream_id``."""
        return self.facts.stream_id

    @property
    def session_id(self) -> str:
        """``rtms_session_id``: this stream has one session."""
        return f"session-{self.facts.stream_id}"

    @property
    def product(self) -> Product:
        """The product it belongs to."""
        return self.facts.product

    @property
    def deliveries(self) -> list[Delivery]:
        """What became of its webhooks."""
        return self.webhooks.deliveries

    @property
    def is_paused(self) -> bool:
        """Whether no media flows on purpose."""
        return self._account.is_paused

    @property
    def server_url(self) -> str:
        """The signaling URL; nothing in it tells the stream."""
        return f"{self._base_url}/signaling/{self.node}"

    def __repr__(self) -> str:
        legs = [leg.name for leg in (self.signaling, *self.media_legs) if leg]
        at_ms = int(self.timeline.position_ms)
        return f"<LiveMeeting {self.stream_id} at {at_ms} ms, {legs or 'no legs'}, {self.ledger!r}>"

    # --- what its owner may do ---

    async def begin(self) -> None:
        """Announce the stream and play its script."""
        self._expect_connection()
        self._spawn(self._perform(), f"zoom:{self.stream_id}/script")
        await asyncio.sleep(0)  # so that what happens at millisecond 0 happens before the webhook
        await self._announce()

    async def ended(self) -> StopReason:
        """Wait for the end, webhook included; the reason."""
        return await asyncio.shield(self._ended)

    async def stop(
        self, reason: StopReason | int = StopReason.MEETING_ENDED, *, webhook_first_s: float = 0.0
    ) -> None:
        """End the stream: everybody leaves, states, webhook, sockets closed with 1000 (V1.md §8.9).

        Args:
            reason: of the end.
            webhook_first_s: the webhook is told so much earlier, and media still flows.
        """
        if self.stop_reason is not None:
            await self.ended()
            return
        self.stop_reason = reason = StopReason(reason)
        self._windows.close_all()
        if webhook_first_s:
            await self._notify("rtms_stopped", self.facts.stopped(reason))
            await asyncio.sleep(webhook_first_s)
        for leg in self.media_legs:
            leg.send_due()
        if signaling := self.signaling:
            if roster := cues.present(self.media.script, self.timeline.position_ms):
                signaling.event(cues.left(roster))
            signaling.session_update(SessionState.STOPPED, reason)
            signaling.stream_update(StreamState.TERMINATING, reason)
            signaling.stream_update(StreamState.TERMINATED, reason)
        if not webhook_first_s:
            await self._notify("rtms_stopped", self.facts.stopped(reason))
        self._account.close(self._options.granted)
        await asyncio.gather(*(leg.connection.close() for leg in self._drop_all()))
        self._ended.set_result(reason)

    def stop_soon(self, reason: StopReason) -> None:
        """End the stream, without waiting for it."""
        self._spawn(self.stop(reason), f"zoom:{self.stream_id}/stop")

    def pause(self) -> None:
        """No media until `resume`; the sockets stay (V1.md §7.4)."""
        if self.is_paused or self.stop_reason is not None:
            return
        for leg in self.media_legs:
            leg.send_due()
        self._account.pause()
        self._tell_states(SessionState.PAUSED, StreamState.PAUSED)

    def resume(self) -> None:
        """Media again, from now on."""
        if not self.is_paused or self.stop_reason is not None:
            return
        for leg in self.media_legs:
            leg.send_due()
        self._account.resume(self._options.granted)
        self._tell_states(SessionState.RESUMED, StreamState.RESUMED)

    async def failover(self, how: How = "cut") -> None:
        """Move the stream to another server: a newer ``*_started`` with a new URL (§8.2).

        Args:
            how: what becomes of the connections to the old one.
        """
        if self.stop_reason is not None:
            return
        self.node += 1
        legs = self._drop_all()
        for leg in legs:
            self._end(leg, how)
        self._interrupt(legs, told=False)
        self._expect_connection()
        await self._announce()

    def kill(self, target: Target, how: How = "cut", *, told: bool = True, code: int = 1000) -> None:
        """Lose connections in one of several ways; see `rtms_engine.simulator.chaos.Kill`."""
        for leg in self._aimed_at(target):
            if how == "silence":  # Zoom notices by its keep-alives
                leg.connection.fall_silent()
                self._interrupt([leg], told=False)
            else:
                is_signaling = leg is self.signaling
                self.lost(leg, _REASON_OF_LOSS[is_signaling], told=told)
                self._end(leg, how, code)

    def drop_signaling(self, code: int | None = None) -> None:
        """Lose the signaling connection, as Zoom does: all sockets go, ``*_interrupted``, 60 s (§8.3).

        Args:
            code: close with it; None: cut without a word.
        """
        self.kill("signaling", "cut" if code is None else "close", code=code or 1000)

    def drop_media(self, kind: MediaKind, code: int | None = None) -> None:
        """Lose the media connection that carries ``kind``: event 7, 65 s (§8.4)."""
        self.kill(kind.value, "cut" if code is None else "close", code=code or 1000)

    def refuse(self, leg: LegName, statuses: Iterable[int]) -> None:
        """Answer the next handshakes of a leg with these statuses, one each."""
        self._refusals.setdefault(leg, []).extend(statuses)

    @property
    def was_joined(self) -> bool:
        """Whether a client has ever had its signaling accepted."""
        return self._first_packet_ms is not None

    # --- handshakes; they raise Refused ---

    def admit_signaling(self, connection: Connection, request: Mapping[str, Any]) -> SignalingLeg:
        """Message 1 was found to be genuine (V1.md §3.3)."""
        self._refuse_as_told("signaling")
        if self.signaling:
            raise Refused(StatusCode.DUPLICATE_SIGNAL_REQUEST)
        if self._first_packet_ms is None:
            is_buffered = request.get("buffer_data") is not False
            self._first_packet_ms = self._options.from_ms if is_buffered else self.timeline.position_ms
            self.delivered_ms[MediaKind.AUDIO] = self._first_packet_ms
        self._windows.close("signaling")
        connection.faults = self.faults
        self.signaling = SignalingLeg(connection, self)
        connection.send(
            {
                "msg_type": 2,
                "protocol_version": 1,
                "sequence": 0,
                "status_code": 0,
                "reason": "",
                "media_server": {"server_urls": self._media_urls()},
            }
        )
        return self.signaling

    def admit_media(self, connection: Connection, request: Mapping[str, Any], url_key: str) -> MediaLeg:
        """Message 3 was found to be genuine (V1.md §4.2)."""
        kinds = requested_kinds(request.get("media_type"), self._options.granted)
        for kind in kinds:
            self._refuse_as_told(kind)
        if url_key not in ("all", *(KEY_OF[kind] for kind in kinds)):
            self.ledger.client_error(url_key, f"media_type {request['media_type']} on the URL of {url_key}")
        is_all = request["media_type"] == ALL_MEDIA
        self._refuse_duplicates(kinds, is_all)
        params = effective_params(sorted(kinds, key=BIT_OF.__getitem__), request.get("media_params"))
        connection.faults = self.faults
        leg = MediaLeg(connection, self, params, is_all)
        self.media_legs.append(leg)
        for kind in kinds:
            self._windows.close(kind)
        self._account.connected(kinds)
        connection.send(
            {
                "msg_type": 4,
                "protocol_version": 1,
                "status_code": 0,
                "reason": "",
                "sequence": 0,
                "payload_encrypted": False,
                "media_params": {KEY_OF[kind]: values for kind, values in params.items()},
            }
        )
        return leg

    def _refuse_as_told(self, leg: str) -> None:
        if statuses := self._refusals.get(leg):
            raise Refused(StatusCode(statuses.pop(0)))

    def _refuse_duplicates(self, kinds: frozenset[MediaKind], is_all: bool) -> None:
        taken = {kind for leg in self.media_legs for kind in leg.params}
        if any(leg.is_all for leg in self.media_legs):
            raise Refused(StatusCode.MEDIA_DATA_ALL_CONNECTION_EXIST)
        if taken and (is_all or taken & kinds):
            raise Refused(StatusCode.DUPLICATE_MEDIA_DATA_CONNECTION)

    def _media_urls(self) -> dict[str, str]:
        keys = [key for kind, key in KEY_OF.items() if kind in self._options.granted]
        return {key: f"{self._base_url}/media/{self.node}/{key}" for key in (*keys, "all")}

    # --- what its legs ask for (`rtms_engine.simulator.legs.Stage`) ---

    def ready(self) -> bool:
        """Start all media that is not flowing; False if no media socket is there."""
        if not self.media_legs or self.signaling is None:
            return False
        for leg in self.media_legs:
            if not leg.is_flowing:
                self._account.flows(leg.params)
                leg.start([self._still_to_send(kind, params) for kind, params in leg.params.items()])
        self.signaling.start(self.timeline.epoch_ms + int(self._first_packet_ms or 0))
        return True

    def situation(self) -> dict[int, Event]:
        """What holds now, by event type."""
        return cues.situation(self.media, self.product, self.timeline.position_ms)

    def states(self) -> tuple[int, int]:
        """SESSION_STATE and STREAM_STATE."""
        if self.stop_reason is not None:
            return SessionState.STOPPED, StreamState.TERMINATING
        if self.is_paused:
            return SessionState.PAUSED, StreamState.PAUSED
        return SessionState.STARTED, StreamState.ACTIVE

    def was_paused(self, at_ms: float) -> bool:
        """Whether nothing was to be sent at that place of the script."""
        return self._account.was_paused(at_ms)

    def cameras(self) -> frozenset[int]:
        """Who has a camera, on or off."""
        return frozenset(user_id for user_id, _, _ in self.media.cameras())

    def lost(self, leg: Leg, reason: StopReason, *, told: bool = True) -> None:
        """A leg's socket is gone; the client has a window to come back (V1.md §8.3, §8.4).

        Args:
            leg: which.
            reason: of the stream's end, if the client does not come back.
            told: whether the client is.
        """
        if self.stop_reason is not None:
            return
        if leg is self.signaling:
            self._interrupt(self.media_legs, told=told)
            for other in self._drop_all():
                if other is not leg:
                    other.connection.cut()
            self._windows.close_all()
            self._open_window("signaling", self.timing.signaling_window_s, reason)
            if told:
                self._notify_soon("rtms_interrupted", self.facts.interrupted())
        elif isinstance(leg, MediaLeg) and leg in self.media_legs:
            self.media_legs.remove(leg)
            is_heard = self.signaling is not None and not self.signaling.connection.is_silent
            self._interrupt([leg], told=told and is_heard)
            for kind in leg.params:
                self._open_window(kind, self.timing.media_window_s, reason)
            if told:
                self._tell_interrupted(leg)

    # --- inside ---

    def _still_to_send(self, kind: MediaKind, params: Mapping[str, Any]) -> list[Frame]:
        """Sound that was buffered since it was last delivered, anything else from now on (§6.9)."""
        frames = self.media.frames(kind, params, channels=self.product.contact_center_events)
        buffered_ms = self.timing.audio_buffer_ms if kind is MediaKind.AUDIO else _NOW_MS
        delivered_ms = self.delivered_ms.get(kind, -1)
        if kind is MediaKind.AUDIO:  # what was not sent before the first client came is not sent again
            delivered_ms = max(delivered_ms - self.chaos.redelivered_ms, self._first_packet_ms or 0)
        since_ms = max(delivered_ms, self.timeline.position_ms - buffered_ms)
        return frames[bisect_right(frames, since_ms, key=attrgetter("due_ms")) :]

    def _tell_interrupted(self, leg: MediaLeg) -> None:
        if MediaKind.VIDEO in leg.params:
            self.video_user = None
        if self.signaling:
            bits = sum(BIT_OF[kind] for kind in leg.params)
            # The name of this field is not published (V1.md §5.3, Q2).
            event_type = int(EventType.MEDIA_CONNECTION_INTERRUPTED)
            self.signaling.event({"event_type": event_type, "media_type": ALL_MEDIA if leg.is_all else bits})

    def _open_window(self, name: str, seconds: float, reason: StopReason) -> None:
        self._windows.open(name, seconds, partial(self.stop_soon, reason))

    def _expect_connection(self) -> None:
        self._windows.close_all()
        self._open_window("signaling", self.timing.connect_window_s, StopReason.CONNECTION_TIMEOUT)

    def _end(self, leg: Leg, how: How, code: int = 1000) -> None:
        match how:
            case "cut":
                leg.connection.cut()
            case "reset":
                leg.connection.reset()
            case "silence":
                leg.connection.fall_silent()
            case "close":
                self._spawn(leg.connection.close(code), f"zoom:{self.stream_id}/{leg.name}/close")

    def _aimed_at(self, target: Target) -> list[Leg]:
        """Media before signaling, which takes media with it."""
        legs = [leg for leg in (*self.media_legs, self.signaling) if leg]
        return [leg for leg in legs if target == "all" or target in leg.name.split("+")]

    def _drop_all(self) -> list[Leg]:
        legs: list[Leg] = [leg for leg in (self.signaling, *self.media_legs) if leg]
        self.signaling, self.media_legs, self.video_user = None, [], None
        return legs

    def _tell_states(self, session_state: SessionState, stream_state: StreamState) -> None:
        if self.signaling:
            self.signaling.session_update(session_state)
            self.signaling.stream_update(stream_state)

    def _interrupt(self, legs: Iterable[Leg], *, told: bool) -> None:
        for leg in legs:
            if isinstance(leg, MediaLeg):
                is_known = told or not leg.connection.is_silent
                self._account.lost(leg.params, Why.INTERRUPTED if is_known else Why.UNTOLD)

    # --- the script ---

    async def _perform(self) -> None:
        script = self.media.script
        acts: list[tuple[int, Callable[[], None]]] = [
            (cue.at_ms, partial(self._happen, cue.event)) for cue in cues.events(self.media, self.product)
        ]
        acts += [
            (row.at_ms, partial(_SCRIPTED[row.type], self)) for row in script.events if row.type in _SCRIPTED
        ]
        acts += [
            (injection.at_ms, partial(self._inject, injection.leg, injection.payload))
            for injection in self.faults.injections
        ]
        acts += [(action.at_ms, partial(self._misbehave, action)) for action in self.chaos.actions]
        to_come = [row for row in acts if row[0] >= self._options.from_ms]
        for at_ms, act in sorted(to_come, key=lambda row: row[0]):
            if at_ms > script.duration_ms:
                break
            await self.timeline.reach(at_ms)
            if self.stop_reason is not None:
                return
            act()
        await self.timeline.reach(script.duration_ms)
        await self.stop(script.stop_reason)

    def _happen(self, event: Event) -> None:
        if event["event_type"] == EventType.PARTICIPANT_VIDEO_OFF and not self.product.contact_center_events:
            self._camera_off({who["user_id"] for who in event["participants"]})
        if self.signaling and self.signaling.has_started:
            self.signaling.event(event)

    def _camera_off(self, users: set[int]) -> None:
        """The choice of a participant ends with their camera (V1.md §5.9)."""
        if self.video_user in users:
            self.video_user = None

    def _inject(self, target: Target, payload: bytes) -> None:
        for leg in self._aimed_at(target):
            leg.connection.send_bytes(payload)

    def _misbehave(self, action: Action) -> None:
        match action:
            case Kill(leg=target, how=how, told=told):
                self.kill(target, how, told=told)
            case Refuse(leg=name, statuses=statuses):
                self.refuse(name, statuses)
            case Failover(how=how):
                self._spawn(self.failover(how), f"zoom:{self.stream_id}/failover")
            case Repeat(webhook=webhook):
                self.webhooks.repeat(webhook)
            case Delay(webhook=webhook, by_ms=by_ms):
                self.webhooks.delay_next(webhook, None if by_ms is None else by_ms / 1000)
            case Pause(for_ms=for_ms):
                self.pause()
                self._later(for_ms, self.resume)
            case Stop(reason=reason, webhook_first_ms=webhook_first_ms):
                stop = self.stop(reason, webhook_first_s=webhook_first_ms / 1000)
                self._spawn(stop, f"zoom:{self.stream_id}/stop")
            case Mute() | Garbage() | Huge() | Drip():
                for leg in self._aimed_at(action.leg):
                    self._disturb(leg, action)

    def _disturb(self, leg: Leg, action: Mute | Garbage | Huge | Drip) -> None:
        match action:
            case Mute(for_ms=for_ms):
                leg.keep_alive.mute(for_ms / 1000)
            case Garbage(payload=payload):
                leg.connection.send_bytes(payload)
            case Huge(size=size):
                leg.connection.choke(size)
            case Drip(for_ms=for_ms, piece_bytes=piece_bytes, pause_ms=pause_ms):
                leg.connection.drip(piece_bytes, pause_ms / 1000)
                self._later(for_ms, leg.connection.stop_dripping)

    def _later(self, after_ms: int, act: Callable[[], None]) -> None:
        async def wait_and_act() -> None:
            await asyncio.sleep(after_ms / 1000)
            act()

        self._spawn(wait_and_act(), f"zoom:{self.stream_id}/later")

    # --- webhooks ---

    async def _announce(self) -> None:
        payload = self.facts.started(self.server_url, nested=self._options.nested_webhooks)
        await self._notify("rtms_started", payload)

    def _notify_soon(self, event: str, payload: Mapping[str, Any]) -> None:
        self._spawn(self._notify(event, payload), f"zoom:{self.stream_id}/{event}")

    async def _notify(self, event: str, payload: Mapping[str, Any]) -> None:
        await self.webhooks.tell(event, payload, self.timeline.unix_ms)


_SCRIPTED: dict[str, Callable[[LiveMeeting], None]] = {
    "pause": LiveMeeting.pause,
    "resume": LiveMeeting.resume,
}
