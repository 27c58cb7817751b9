"""When a stream connects, reconnects and ends (V1.md §7, §8, Appendix A).

Theory
------
A stream has one signaling *leg* and one leg per kind of media (or one for all). Media hangs on
signaling: its addresses come from signaling's answer, its CLIENT_READY_ACK goes out on signaling,
and Zoom drops it when signaling is lost. So there are just these stories:

=======================  ============================================  ==============================
what is heard            what it means                                 what is done
=======================  ============================================  ==============================
Started, again           Zoom moved the stream to other servers (§8.2) drop all legs, connect at once,
                                                                       also what had been given up
Interrupted, or          signaling is lost, and media with it (§8.3)   drop all legs; signaling again
signaling lost                                                         after 3, 6, 12, 24 s; 60 s
event 7, state 2/14, or  that connection is lost (§8.4)                only this leg again after 3, 6,
a media leg lost                                                       12, 24 s; 65 s; then ACK
a handshake refused      by the status's row (§9.4)                    once more, later, or without
one that was accepted    the server is not ready for it (`Leg`)        again for as long as Zoom waits
before is refused
state 3, all sessions    the end is near; media may still come (§8.9)  no reconnects any more
stopped
state 4                  the end; the webhook may tell the reason      close all, wait 3 s for it
Stopped                  the end, with the authoritative reason        close all, finish
=======================  ============================================  ==============================

One incident is often heard twice: a socket closes *and* a webhook arrives *and* a state changes. What
is heard about a leg that is not up changes nothing, so only the first one counts. A first wait of
3 s gives a failover or a stop that is on its way the time to arrive (§8.6). Legs carry a
generation, so that what a replaced connection still says finds no one.

Phases: NEW → LIVE ⇄ DRAINING → ENDING → FINISHED.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from ..model.media import MediaKind
from ..model.reasons import Reaction, SessionState, StatusCode, StopReason, StreamState, explain
from ..wire.server_urls import media_url, unified_url
from .commands import (
    AcknowledgeReady,
    Command,
    Disconnect,
    Finish,
    NoteLost,
    NoteRefused,
    NoteRestored,
    RequestClose,
)
from .events import (
    SIGNALING,
    CloseAnswered,
    EndRequested,
    Interrupted,
    LegAccepted,
    LegId,
    LegImpossible,
    LegLost,
    LegRefused,
    LifecycleEvent,
    MediaInterrupted,
    Released,
    SessionStateHeard,
    Started,
    StatusHeard,
    Stopped,
    StreamStateHeard,
)
from .leg import Leg, LegState

SIGNALING_WINDOW_S = 60.0
MEDIA_WINDOW_S = 65.0
"""How long Zoom waits for a lost connection (V1.md §7)."""
SAME_INCIDENT_S = 10.0
"""An interrupted webhook so soon after a comeback speaks of the loss that is already mended."""
TERMINATING_S = 30.0
"""How long state 3 may last before we stop waiting for state 4."""
REASON_WAIT_S = 3.0
"""How long to wait for the webhook after state 4 (V1.md §8.9)."""
CLOSE_ANSWER_S = 5.0
"""How long to wait for the answer to STREAM_CLOSE_REQ (V1.md §5.8)."""
MOST_ACKS_AGAIN = 3


class Phase(enum.Enum):
    """Of the whole stream."""

    NEW = "new"
    LIVE = "live"
    DRAINING = "draining"
    ENDING = "ending"
    FINISHED = "finished"


class StreamLifecycle:
    """The decisions for one stream, from its first webhook to its end."""

    def __init__(
        self,
        kinds: Iterable[MediaKind],
        *,
        unified: bool,
        id_variants: int,
        random: Callable[[], float],
        is_late: bool = False,
        resumed: bool = False,
        audio_before_all: bool = False,
    ) -> None:
        """
        Args:
            kinds: the media that is wanted.
            is_late: the start was heard so late that Zoom has probably given up: try once.
            unified: ask for all of it over one connection.
            id_variants: see `StreamIdentity.variants`.
            resumed: an earlier engine had the stream; Zoom may still think that it has.
            audio_before_all: see `Product.audio_before_all`.
            random: numbers in [0, 1), for the jitter of waits.
        """
        self.phase = Phase.NEW
        self._random = random
        self._id_variants = id_variants
        self._is_late = is_late
        self._resumed = resumed
        window_s = 0.0 if is_late else SIGNALING_WINDOW_S
        self._signaling = Leg(SIGNALING, window_s, id_variants, was_up_elsewhere=resumed)
        wanted = frozenset(kinds)
        self._media = self._media_legs([wanted] if unified and wanted else [{kind} for kind in wanted])
        self._sessions: dict[str, SessionState] = {}
        self._reason = StopReason.UNDEFINED
        self._phase_until: float | None = None
        self._signaling_back_at: float | None = None
        self._acks_again = 0
        self._server_urls: Any = None
        self._audio_before_all = audio_before_all

    def __repr__(self) -> str:
        legs = ", ".join(f"{leg.id.name} {leg.state.value}" for leg in self._legs)
        return f"<StreamLifecycle {self.phase.value}: {legs}>"

    @property
    def legs(self) -> Sequence[Leg]:
        """The connections, signaling first; to be looked at, not touched."""
        return self._legs

    # --- the three verbs of a machine ---

    def handle(self, event: LifecycleEvent, now: float) -> list[Command]:
        """What to do about ``event``."""
        if self.phase is Phase.FINISHED:
            return []
        return self._HANDLERS[type(event)](self, event, now)

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called."""
        if self.phase is Phase.FINISHED:
            return None
        times = [leg.retry_at for leg in self._legs] + [self._phase_until]
        return min((time for time in times if time is not None), default=None)

    def on_deadline(self, now: float) -> list[Command]:
        """What to do because time has passed. Harmless if called too early."""
        if self.phase is Phase.FINISHED:
            return []
        if self._phase_until is not None and now >= self._phase_until:
            return self._phase_is_over(now)
        due = [leg for leg in self._legs if leg.retry_at is not None and now >= leg.retry_at]
        return [leg.connect(now) for leg in due]

    # --- webhooks ---

    def _started(self, event: Started, now: float) -> list[Command]:
        if self.phase is Phase.ENDING and self._reason is not StopReason.AWAIT_RECONNECTION_TIMEOUT:
            return []
        self._reason = StopReason.UNDEFINED  # if it was us who gave up, that was too soon
        commands = self._losses(self._legs, "Zoom moved the stream to other servers")
        commands += self._drop(self._legs)
        for leg in self._legs:
            leg.change_servers()
        self._sessions.clear()
        self._enter(Phase.LIVE)
        first, *others = event.server_urls
        self._signaling.alternates = tuple(others)
        return [*commands, self._signaling.connect(now, first)]

    def _interrupted(self, event: Interrupted, now: float) -> list[Command]:
        if event.server_urls:
            self._signaling.url, *others = event.server_urls
            self._signaling.alternates = tuple(others)
        back_at = self._signaling_back_at
        if back_at is not None and now - back_at < SAME_INCIDENT_S:
            return []
        if self.phase is not Phase.LIVE or self._signaling.state is not LegState.UP:
            return []
        return self._signaling_lost("Zoom interrupted the stream", now)

    def _stopped(self, event: Stopped, now: float) -> list[Command]:
        return self._finish(event.reason or self._reason, "")

    # --- the connections ---

    def _leg_accepted(self, event: LegAccepted, now: float) -> list[Command]:
        leg = self._current(event)
        if leg is None:
            return []
        commands: list[Command] = [NoteRestored(leg.id)] if leg.accepted() else []
        if leg.id != SIGNALING:
            return [*commands, AcknowledgeReady()]
        if commands:
            self._signaling_back_at = now
        self._is_late = False
        leg.window_s = SIGNALING_WINDOW_S
        self._server_urls = event.server_urls
        for media in self._media.values():
            media.begin_anew()
        return commands + self._connect_media(self._media.values(), now)

    def _leg_refused(self, event: LegRefused, now: float) -> list[Command]:
        leg = self._current(event)
        if leg is None:
            return []
        commands: list[Command] = [Disconnect(leg.id, leg.generation)]
        if self.phase is not Phase.LIVE:
            leg.rest()
            return commands + (self._end(now) if leg.id == SIGNALING else [])
        if leg.refused(event.status, now, self._random):
            return commands + self.on_deadline(now)
        why = _why_refused(event.status, event.reason)
        if leg.id == SIGNALING and leg.was_lost:
            return commands + self._await_the_stop(now)
        if leg.id == SIGNALING:
            return commands + self._finish(StopReason.UNDEFINED, f"Zoom refused the handshake: {why}")
        if leg.state is LegState.EXPIRED:
            return [*commands, NoteRefused(leg.id, why)]
        return [*commands, *self._give_up(leg, why, now)]

    def _leg_lost(self, event: LegLost, now: float) -> list[Command]:
        leg = self._current(event)
        if leg is None:
            return []
        if leg.id == SIGNALING:
            return self._signaling_lost(event.why, now)
        return self._media_lost([leg], event.why, now)

    def _leg_impossible(self, event: LegImpossible, now: float) -> list[Command]:
        leg = self._current(event)
        if leg is None:
            return []
        if leg.alternates:
            other, leg.alternates = leg.alternates[0], leg.alternates[1:]
            return [leg.connect(now, other)]
        if leg.id == SIGNALING:
            return self._finish(StopReason.UNDEFINED, event.why)
        return self._give_up(leg, event.why, now)

    def _media_interrupted(self, event: MediaInterrupted, now: float) -> list[Command]:
        legs = [leg for leg in self._media.values() if not event.kinds or leg.id.kinds & event.kinds]
        up = [leg for leg in legs if leg.state is LegState.UP]
        if not event.kinds and len(up) < sum(not leg.is_out for leg in legs):
            return []  # Zoom did not say which, and one is known to be lost: that one (V1.md §5.3)
        return self._media_lost(up, "Zoom interrupted it", now)

    # --- states ---

    def _stream_state(self, event: StreamStateHeard, now: float) -> list[Command]:
        match event.state:
            case StreamState.INTERRUPTED if event.reason == StopReason.DATA_CONNECTION_INTERRUPTED:
                return self._media_interrupted(MediaInterrupted(), now)
            case StreamState.TERMINATING:
                self._reason = event.reason or self._reason
                return self._drain(now + TERMINATING_S)
            case StreamState.TERMINATED:
                self._reason = event.reason or self._reason
                return self._end(now)
            case _:
                return []

    def _session_state(self, event: SessionStateHeard, now: float) -> list[Command]:
        self._sessions[event.session_id] = event.state
        if all(state == SessionState.STOPPED for state in self._sessions.values()):
            self._reason = event.reason or self._reason
            # Message 8 or the webhook says whether that was all; without signaling, only the webhook.
            is_up = self._signaling.state is LegState.UP
            return self._drain(self._phase_until) if is_up else self._end(now)
        if self.phase is Phase.DRAINING and self._phase_until is None:
            self._reason = StopReason.UNDEFINED
            self._enter(Phase.LIVE)
            idle = [leg for leg in self._media.values() if leg.state is LegState.IDLE]
            return self._connect_media(idle, now)
        return []

    def _status(self, event: StatusHeard, now: float) -> list[Command]:
        is_up = any(
            leg.state is LegState.UP for leg in self._media.values()
        )  # else the ACK follows it anyway
        if event.status.reaction is Reaction.RESEND_ACK and is_up and self._acks_again < MOST_ACKS_AGAIN:
            self._acks_again += 1
            return [AcknowledgeReady()]
        return []

    # --- our own wishes ---

    def _end_requested(self, event: EndRequested, now: float) -> list[Command]:
        if self.phase is Phase.ENDING:
            return []
        self._reason = StopReason.RECEIVER_REQUEST_CLOSE
        if self._signaling.state is not LegState.UP:
            return self._finish(self._reason, "")
        return [*self._drain(now + CLOSE_ANSWER_S), RequestClose()]

    def _close_answered(self, event: CloseAnswered, now: float) -> list[Command]:
        return self._end(now) if self.phase is Phase.DRAINING else []

    def _released(self, event: Released, now: float) -> list[Command]:
        if self.phase is Phase.ENDING:
            return self._finish(self._reason, "")
        return self._finish(StopReason.UNDEFINED, "the engine let go of the stream", is_released=True)

    # --- what the stories share ---

    def _signaling_lost(self, why: str, now: float) -> list[Command]:
        commands = self._losses(self._legs, why)
        self._sessions.clear()
        commands += self._drop(self._media.values())
        commands.append(Disconnect(SIGNALING, self._signaling.generation))
        if self.phase is not Phase.LIVE:
            self._signaling.rest()
            return commands + self._end(now)
        if not self._signaling.lost(now, self._random):
            if self._is_late:
                return commands + self._finish(
                    StopReason.UNDEFINED, f"expired: it was announced late, and {why}"
                )
            return commands + self._await_the_stop(now)
        return commands

    def _media_lost(self, legs: Iterable[Leg], why: str, now: float) -> list[Command]:
        legs = list(legs)
        commands = self._losses(legs, why)
        for leg in legs:
            commands.append(Disconnect(leg.id, leg.generation))
            if self.phase is not Phase.LIVE:
                leg.rest()
            elif not leg.lost(now, self._random):
                commands.append(NoteRefused(leg.id, f"{why}; it did not come back in time"))
        return commands

    def _losses(self, legs: Iterable[Leg], why: str) -> list[Command]:
        return [NoteLost(leg.id, why) for leg in legs if leg.state is LegState.UP]

    def _give_up(self, leg: Leg, why: str, now: float) -> list[Command]:
        leg.give_up()
        refused: list[Command] = [NoteRefused(leg.id, why)]
        if len(leg.id.kinds) == 1:
            return refused
        # One refused kind cost all of them: the others may go on, each over its own connection.
        self._media = self._media_legs({kind} for kind in leg.id.kinds)
        for successor in self._media.values():
            successor.was_lost = leg.was_lost
        return refused + self._connect_media(self._media.values(), now)

    def _connect_media(self, legs: Iterable[Leg], now: float) -> list[Command]:
        commands: list[Command] = []
        for leg in [leg for leg in legs if leg.state is not LegState.GIVEN_UP]:
            kinds = sorted(leg.id.kinds)
            url = (
                media_url(self._server_urls, kinds[0], audio_before_all=self._audio_before_all)
                if len(kinds) == 1
                else unified_url(self._server_urls)
            )
            if url is None:
                leg.give_up()
                commands.append(NoteRefused(leg.id, "Zoom named no media server for it"))
            else:
                commands.append(leg.connect(now, url))
        return commands

    def _drain(self, until: float | None) -> list[Command]:
        """No reconnects any more; what is connected goes on."""
        if self.phase is Phase.LIVE:
            for leg in self._legs:
                if leg.state is LegState.WAITING:
                    leg.rest()
        if self.phase is not Phase.ENDING:
            self._enter(Phase.DRAINING, until)
        return []

    def _end(self, now: float) -> list[Command]:
        """Close everything; the webhook may still bring the authoritative reason."""
        if self.phase is Phase.ENDING:
            return []
        self._enter(Phase.ENDING, now + REASON_WAIT_S)
        return self._drop(self._legs)

    def _await_the_stop(self, now: float) -> list[Command]:
        """No further attempt fits into Zoom's window; until it has passed, Zoom may still speak (V1.md §7.2)."""
        self._reason = StopReason.AWAIT_RECONNECTION_TIMEOUT
        commands = self._end(now)
        window_ends = self._signaling.give_up_at
        if self.phase is Phase.ENDING and window_ends is not None:
            self._phase_until = max(now, window_ends) + REASON_WAIT_S
        return commands

    def _phase_is_over(self, now: float) -> list[Command]:
        if self.phase is Phase.DRAINING:
            return self._end(now)
        return self._finish(self._reason, "")

    def _finish(self, reason: StopReason, detail: str, *, is_released: bool = False) -> list[Command]:
        commands = self._drop(self._legs)
        self._enter(Phase.FINISHED)
        return [*commands, Finish(reason, detail, is_released)]

    def _enter(self, phase: Phase, until: float | None = None) -> None:
        self.phase = phase
        self._phase_until = until

    def _drop(self, legs: Iterable[Leg]) -> list[Command]:
        commands: list[Command] = []
        for leg in legs:
            if leg.state in (LegState.CONNECTING, LegState.UP):
                commands.append(Disconnect(leg.id, leg.generation))
            leg.rest()
        return commands

    def _current(self, event: LegAccepted | LegRefused | LegLost | LegImpossible) -> Leg | None:
        """The leg that is meant, unless the event comes of a connection that was replaced."""
        leg = self._signaling if event.leg == SIGNALING else self._media.get(event.leg)
        if leg is None or leg.generation != event.generation:
            return None
        return leg if leg.state in (LegState.CONNECTING, LegState.UP) else None

    @property
    def _legs(self) -> list[Leg]:
        return [self._signaling, *self._media.values()]

    def _media_legs(self, groups: Iterable[Iterable[MediaKind]]) -> dict[LegId, Leg]:
        ids = [LegId(frozenset(kinds)) for kinds in groups]
        return {
            leg: Leg(leg, MEDIA_WINDOW_S, self._id_variants, was_up_elsewhere=self._resumed)
            for leg in sorted(ids, key=_order)
        }

    _HANDLERS: ClassVar[dict[type, Callable[..., list[Command]]]] = {
        Started: _started,
        Interrupted: _interrupted,
        Stopped: _stopped,
        LegAccepted: _leg_accepted,
        LegRefused: _leg_refused,
        LegLost: _leg_lost,
        LegImpossible: _leg_impossible,
        MediaInterrupted: _media_interrupted,
        StreamStateHeard: _stream_state,
        SessionStateHeard: _session_state,
        StatusHeard: _status,
        EndRequested: _end_requested,
        CloseAnswered: _close_answered,
        Released: _released,
    }


def _order(leg: LegId) -> list[MediaKind]:
    return sorted(leg.kinds)


def _why_refused(status: StatusCode, reason: str) -> str:
    explanation = explain("status", int(status))
    said = f' ("{reason}")' if reason else ""
    return f"status {int(status)} {explanation.name}{said}. {explanation.cause} {explanation.remedy}"
