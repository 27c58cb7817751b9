"""The reconnect book of one connection of a stream."""

import enum
from collections.abc import Callable

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
    GIVEN_UP = "given up"
    """It does not come back by itself."""


class Leg:
    """One connection: its address, its attempts, and until when to try.

    A *leg* outlives its sockets. ``generation`` grows with every attempt and stands on everything
    that comes of it, so that what an old socket still says finds no one.
    """

    def __init__(self, leg: LegId, window_s: float, variants: int) -> None:
        """
        Args:
            leg: which connection.
            window_s: how long Zoom waits for it after a loss (V1.md §7).
            variants: how many ways there are to name the entity in its handshake.
        """
        self.id = leg
        self.state = LegState.IDLE
        self.generation = 0
        self.url = ""
        self.retry_at: float | None = None
        self.was_lost = False
        """It has been up, and is not yet back."""
        self.window_s = window_s
        self._give_up_at: float | None = None
        self._attempt = 0
        self._refusals = 0
        self._id_fields = 0
        self._variants = variants
        self._use_defaults = False

    def __repr__(self) -> str:
        return f"<Leg {self.id.name} {self.state.value} generation={self.generation}>"

    def connect(self, now: float, url: str = "") -> Connect:
        """Start an attempt; at ``url`` if Zoom has named a new one."""
        self.url = url or self.url
        self.state = LegState.CONNECTING
        self.generation += 1
        self.retry_at = None
        if self._give_up_at is None:
            self._give_up_at = now + self.window_s
        return Connect(self.id, self.generation, self.url, self._id_fields, self._use_defaults)

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
            self._give_up_at = now + self.window_s
        delay_s = backoff_s(self._attempt, random)
        self._attempt += 1
        return self._wait(now, delay_s)

    def refused(self, status: StatusCode, now: float, random: Callable[[], float]) -> bool:
        """Its handshake was refused. Returns whether there is something left to try (V1.md §9.4)."""
        match status.reaction:
            case Reaction.TRANSIENT if self._refusals < len(TRANSIENT_DELAYS_S):
                self._refusals += 1
                return self._wait(now, TRANSIENT_DELAYS_S[self._refusals - 1])
            case Reaction.TRANSIENT if self.was_lost:
                # Zoom takes some 30 s to notice that our old socket is dead (V1.md §7).
                return self.lost(now, random)
            case Reaction.ALTERNATE_ID if self._id_fields + 1 < self._variants:
                self._id_fields += 1
                return self._wait(now, 0.0)
            case Reaction.USE_DEFAULTS if not self._use_defaults:
                self._use_defaults = True
                return self._wait(now, 0.0)
            case Reaction.BACK_OFF | Reaction.CONTINUE | Reaction.RESEND_ACK:
                return self.lost(now, random)
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
        """Forget the attempts: it is up, or there are new servers."""
        self._attempt = self._refusals = 0
        self._give_up_at = None

    def give_up(self) -> None:
        """Never try again."""
        self.state = LegState.GIVEN_UP
        self.retry_at = None

    def _wait(self, now: float, delay_s: float) -> bool:
        if self._give_up_at is not None and now + delay_s > self._give_up_at:
            self.give_up()
            return False
        self.state = LegState.WAITING
        self.retry_at = now + delay_s
        return True
