"""The reconnect book of one connection of a stream."""

import enum
from collections.abc import Callable

from ..model.media import MediaKind
from ..model.reasons import Reaction, StatusCode
from .backoff import TRANSIENT_DELAYS_S, backoff_s
from .commands import Connect
from .events import LegId


class LegState(enum.Enum):
    """Where a leg stands."""

    IDLE = "idle"
    """Not wanted yet, or not at the moment: its turn comes with signaling's acceptance."""
    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"
    """For `retry_at`."""
    EXPIRED = "expired"
    """Zoom's window for it has passed; signaling's next acceptance gives it another."""
    GIVEN_UP = "given up"
    """It was refused for good; only new servers may think otherwise."""


_OF_ONE_KIND = frozenset({Reaction.DROP_MEDIA, Reaction.USE_DEFAULTS})
"""What a status of this class says concerns a kind of media, not the stream."""


_KIND_OF_STATUS: dict[int, MediaKind] = {
    **dict.fromkeys(range(18, 25), MediaKind.AUDIO),
    **dict.fromkeys(range(25, 31), MediaKind.VIDEO),
    **dict.fromkeys(range(31, 36), MediaKind.SHARE),
    **dict.fromkeys((36, 37, 43), MediaKind.TRANSCRIPT),
    **dict.fromkeys((38, 39), MediaKind.CHAT),
}
"""Whose parameters a status speaks of (V1.md §9.4)."""


class Leg:
    """One connection: its address, its attempts, and until when to try.

    A *leg* outlives its sockets. ``generation`` grows with every attempt and stands on everything
    that comes of it, so that what an old socket still says finds no one.

    A refusal is final only where the handshake has never been accepted (V1.md §9.4). Once it was, the
    same handshake is right, and a refusal on the way back speaks of the server: it does not know the
    stream yet, or still holds the old socket. If it is meant, the end of the stream follows by
    webhook. So after a loss every refusal is tried again for as long as Zoom waits.
    """

    def __init__(self, leg: LegId, window_s: float, variants: int, *, was_up_elsewhere: bool = False) -> None:
        """
        Args:
            leg: which connection.
            window_s: how long Zoom waits for it after a loss (V1.md §7).
            variants: how many ways there are to name the entity in its handshake.
            was_up_elsewhere: an earlier engine had it, whose socket Zoom may still think alive.
        """
        self.id = leg
        self.state = LegState.IDLE
        self.generation = 0
        self.url = ""
        self.alternates: tuple[str, ...] = ()
        """Other addresses that Zoom named for it (V1.md §3.2)."""
        self.retry_at: float | None = None
        self.was_lost = False
        """It has been up, and is not yet back."""
        self.window_s = window_s
        self._was_up_elsewhere = was_up_elsewhere
        self.give_up_at: float | None = None
        """When Zoom's window for it has passed, while one runs."""
        self._attempt = 0
        self._refusals = 0
        self._id_fields = 0
        self._variants = variants
        self._defaults: frozenset[MediaKind] = frozenset()

    def __repr__(self) -> str:
        return f"<Leg {self.id.name} {self.state.value} generation={self.generation}>"

    def connect(self, now: float, url: str = "") -> Connect:
        """Start an attempt; at ``url`` if Zoom has named a new one."""
        self.url = url or self.url
        self.state = LegState.CONNECTING
        self.generation += 1
        self.retry_at = None
        if self.give_up_at is None:
            self.give_up_at = now + self.window_s
        return Connect(self.id, self.generation, self.url, self._id_fields, self._defaults)

    def accepted(self) -> bool:
        """It is up. Returns whether that is a comeback after a loss."""
        came_back, self.was_lost = self.was_lost, False
        self.state = LegState.UP
        self.begin_anew()
        return came_back

    def lost(self, now: float, random: Callable[[], float]) -> bool:
        """It is gone. Returns whether another attempt fits into Zoom's window."""
        if self.state is LegState.UP:
            self.was_lost = True
            self.give_up_at = now + self.window_s
        elif self.alternates:
            self.url, self.alternates = self.alternates[0], (*self.alternates[1:], self.url)
        delay_s = backoff_s(self._attempt, random)
        self._attempt += 1
        return self._wait(now, delay_s)

    def refused(self, status: StatusCode, now: float, random: Callable[[], float]) -> bool:
        """Its handshake was refused. Returns whether there is something left to try (V1.md §9.4)."""
        reaction = status.reaction
        match reaction:
            case Reaction.TRANSIENT if self._refusals < len(TRANSIENT_DELAYS_S):
                self._refusals += 1
                return self._wait(now, TRANSIENT_DELAYS_S[self._refusals - 1])
            case Reaction.TRANSIENT if self._was_up_elsewhere:
                return self.lost(now, random)
            case Reaction.USE_DEFAULTS if not (refused := self._meant_by(status)) <= self._defaults:
                self._defaults |= refused
                return self._wait(now, 0.0)
            case Reaction.BACK_OFF | Reaction.CONTINUE | Reaction.RESEND_ACK:
                return self.lost(now, random)
            case _ if self.was_lost and not (reaction in _OF_ONE_KIND and len(self.id.kinds) > 1):
                return self.lost(now, random)
            case Reaction.ALTERNATE_ID if self._id_fields + 1 < self._variants:
                self._id_fields += 1
                return self._wait(now, 0.0)
            case _:
                self.give_up()
                return False

    def rest(self) -> None:
        """It is not wanted at the moment; its turn comes again with signaling."""
        if self.state is LegState.UP:
            self.was_lost = True
        if self.state is not LegState.GIVEN_UP:
            self.state = LegState.IDLE
        self.retry_at = None

    def begin_anew(self) -> None:
        """Forget the attempts: it is up, or what it hangs on is."""
        self._attempt = self._refusals = 0
        self.give_up_at = None

    def change_servers(self) -> None:
        """Zoom has other servers for it: whatever those before refused may be had there (V1.md §8.2)."""
        self.begin_anew()
        if self.is_out:
            self.state = LegState.IDLE

    @property
    def is_out(self) -> bool:
        """Whether nothing is tried any more."""
        return self.state in (LegState.GIVEN_UP, LegState.EXPIRED)

    def give_up(self) -> None:
        """Do not try again."""
        self.state = LegState.GIVEN_UP
        self.retry_at = None

    def _meant_by(self, status: StatusCode) -> frozenset[MediaKind]:
        """The kinds whose parameters a status refuses: one of ours if it names one, else all of ours."""
        return self.id.kinds & {_KIND_OF_STATUS.get(int(status))} or self.id.kinds

    def _wait(self, now: float, delay_s: float) -> bool:
        if self.give_up_at is not None and now + delay_s > self.give_up_at:
            self.state = LegState.EXPIRED
            self.retry_at = None
            return False
        self.state = LegState.WAITING
        self.retry_at = now + delay_s
        return True
