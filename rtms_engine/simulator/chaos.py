"""What goes wrong in a stream, and when: plans of timed actions, written down or drawn from a seed.

Pure; `rtms_engine.simulator.live.LiveMeeting` carries the plan out. Whatever happens, Zoom's own rules
stay in force: its windows of 60 and 65 s, its buffer of 60 s of sound, its ids and signatures.

As JSON (key ``chaos`` of a meeting's script)::

    {"redelivered_ms": 500, "actions": [
        {"do": "kill", "at_ms": 5000, "leg": "audio", "how": "reset"},
        {"do": "failover", "at_ms": 9000}]}
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Literal

import msgspec

from ..model.media import MediaKind
from ..model.reasons import StatusCode, StopReason
from .faults import LegName

Target = Literal["signaling", "audio", "video", "share", "transcript", "chat", "all"]
How = Literal["cut", "reset", "close", "silence"]
Webhook = Literal["rtms_started", "rtms_interrupted", "rtms_stopped"]


class _Action(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    at_ms: int
    """When, in the script's time."""


class Kill(_Action, frozen=True):
    """End connections: ``cut`` without a close frame, ``reset`` by TCP, ``close`` in an orderly way
    (1000), or ``silence``: half-open, nothing goes through any more in either direction.
    """

    leg: Target
    how: How = "cut"
    told: bool = True
    """Whether Zoom sends event 7 for media, ``*_interrupted`` for signaling."""


class Refuse(_Action, frozen=True):
    """Answer the next handshakes of a leg with these statuses, one each."""

    leg: LegName
    statuses: tuple[int, ...]


class Mute(_Action, frozen=True):
    """Send no keep-alives on a leg for a while."""

    leg: LegName
    for_ms: int


class Failover(_Action, frozen=True):
    """Move the stream to another server; what becomes of the connections to the old one is ``how``."""

    how: How = "cut"


class Garbage(_Action, frozen=True):
    """Send a message that is none."""

    leg: LegName
    payload: bytes


class Huge(_Action, frozen=True):
    """Send a message of so many bytes, and nothing after it on that connection."""

    leg: LegName
    size: int = 16 * 1024 * 1024 + 1


class Drip(_Action, frozen=True):
    """Let a connection's bytes through in small pieces for a while."""

    leg: LegName
    for_ms: int
    piece_bytes: int = 700
    pause_ms: int = 5


class Repeat(_Action, frozen=True):
    """Deliver the last webhook of this name once more, as it was."""

    webhook: Webhook


class Delay(_Action, frozen=True):
    """Deliver the next webhook of this name so much later; None: never."""

    webhook: Webhook
    by_ms: int | None


class Pause(_Action, frozen=True):
    """Pause the stream for a while."""

    for_ms: int


class Stop(_Action, frozen=True):
    """End the stream now; ``webhook_first_ms``: media goes on for so long after ``*_stopped``."""

    reason: int = StopReason.MEETING_ENDED
    webhook_first_ms: int = 0


Action = Kill | Refuse | Mute | Failover | Garbage | Huge | Drip | Repeat | Delay | Pause | Stop


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that goes wrong in one stream."""

    actions: tuple[Action, ...] = ()
    redelivered_ms: int = 0
    """How much of the sound that was delivered already comes again after a reconnect (V1.md Q18)."""
    skew_ms: int = 0
    """How far the times on the wire are ahead of the real ones."""


def chaos_plan(
    seed: int, duration_ms: int, kinds: Iterable[MediaKind] = (MediaKind.AUDIO, MediaKind.TRANSCRIPT)
) -> Plan:
    """A plan that depends on nothing but its arguments.

    Args:
        seed: another seed, another plan.
        duration_ms: of the meeting.
        kinds: the media that it has.
    """
    dice = _Dice(seed, duration_ms, [kind.value for kind in sorted(kinds)])
    actions = [action for _ in range(dice.random.randint(1, 5)) for action in dice.mischief()]
    return Plan(
        actions=tuple(sorted(actions, key=lambda action: action.at_ms)),
        redelivered_ms=dice.random.choice((0, 0, 100, 1_000, 5_000, 30_000)),
        skew_ms=dice.random.choice((0, 0, -240_000, -61_000, 90_000, 240_000)),
    )


GARBAGE = (
    b"",
    b"\xff\xfe\x00garbage",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"msg_type": 999, "x": {}}',
    b'{"msg_type": {"a": 1}}',
    b'{"msg_type": 14}',
    b'{"msg_type": 14, "content": {"data": 5, "user_id": [], "timestamp": {}}}',
    b'{"msg_type": 15, "content": "!!!"}',
    b'{"msg_type": 17, "content": {}}',
    b'{"msg_type": 6, "event": {"event_type": [1]}}',
    b'{"msg_type": 6, "event": {"event_type": 3, "participants": "all"}}',
    b'{"msg_type": 8, "state": null}',
    b'{"msg_type": 9, "state": "5"}',
    b'{"msg_type": 2, "status_code": 3}',
    b'{"msg_type": 4, "status_code": 3}',
    b'{"msg_type": 22}',
    b'{"status_code": 41}',
    b"[" * 5_000,
)
"""Messages that a client must survive, and that mean nothing."""

_HOWS: Sequence[How] = ("cut", "reset", "close", "silence")
_WEBHOOKS: Sequence[Webhook] = ("rtms_started", "rtms_interrupted", "rtms_stopped")
_STATUSES = [int(status) for status in StatusCode if status]


class _Dice:
    """Draws mischief."""

    def __init__(self, seed: int, duration_ms: int, media: list[Any]) -> None:
        self.random = Random(seed)  # noqa: S311 - it must repeat itself
        self._duration_ms = duration_ms
        self._media = media
        self._kinds_of_mischief: list[Callable[[int], Iterable[Action]]] = [
            self._kill,
            self._kill,
            self._kill_media,
            self._refuse,
            self._mute,
            self._failover,
            self._old_start,
            self._late_interruption,
            self._misdelivered,
            self._repeated,
            self._garbage,
            self._huge,
            self._drip,
            self._stop,
            self._stop_while_away,
            self._pause,
            self._pause_while_away,
        ]

    def mischief(self) -> list[Action]:
        """Something, at some time."""
        at_ms = self.random.randrange(0, self._duration_ms)
        return list(self.random.choice(self._kinds_of_mischief)(at_ms))

    def _kill(self, at_ms: int) -> Iterable[Action]:
        target = self.random.choice(("signaling", "all", *self._media))
        yield Kill(at_ms=at_ms, leg=target, how=self.random.choice(_HOWS), told=self.random.random() < 0.8)

    def _kill_media(self, at_ms: int) -> Iterable[Action]:
        how = self.random.choice(_HOWS)
        for leg in self._media:
            yield Kill(at_ms=at_ms + self.random.randrange(2_000), leg=leg, how=how)

    def _refuse(self, at_ms: int) -> Iterable[Action]:
        leg = self.random.choice(("signaling", *self._media))
        statuses = self.random.choices(_STATUSES, k=self.random.choice((1, 1, 2, 5)))
        if self.random.random() < 0.3:
            statuses = [self.random.choice((8, 15, 16, 45))] * self.random.randint(1, 6)
        yield Refuse(at_ms=at_ms, leg=leg, statuses=tuple(statuses))
        yield Kill(at_ms=at_ms, leg=leg, how=self.random.choice(_HOWS[:3]))

    def _mute(self, at_ms: int) -> Iterable[Action]:
        for_ms = self.random.choice((15_000, 40_000, 100_000))
        yield Mute(at_ms=at_ms, leg=self.random.choice(("signaling", *self._media)), for_ms=for_ms)

    def _failover(self, at_ms: int) -> Iterable[Action]:
        if self.random.random() < 0.3:
            by_ms = self.random.choice((1_000, 5_000, 20_000))
            yield Delay(at_ms=at_ms, webhook="rtms_started", by_ms=by_ms)
        yield Failover(at_ms=at_ms, how=self.random.choice(_HOWS))

    def _old_start(self, at_ms: int) -> Iterable[Action]:
        """The start of one server comes after that of the next."""
        yield Delay(at_ms=at_ms, webhook="rtms_started", by_ms=self.random.randint(4_000, 20_000))
        yield Failover(at_ms=at_ms)
        yield Failover(at_ms=at_ms + self.random.randint(100, 3_500), how=self.random.choice(_HOWS))

    def _late_interruption(self, at_ms: int) -> Iterable[Action]:
        yield Delay(at_ms=at_ms, webhook="rtms_interrupted", by_ms=self.random.randint(1_000, 40_000))
        yield Kill(at_ms=at_ms, leg="signaling", how=self.random.choice(_HOWS))

    def _misdelivered(self, at_ms: int) -> Iterable[Action]:
        """Lost, or delivered by Zoom's first retry (V1.md §1.5)."""
        by_ms = self.random.choice((None, 300_000))
        webhook = self.random.choice(_WEBHOOKS)
        is_first = self.random.random() < 0.3
        yield Delay(at_ms=0 if is_first else at_ms, webhook=webhook, by_ms=by_ms)
        if webhook == "rtms_interrupted":
            yield Kill(at_ms=at_ms, leg="signaling", how=self.random.choice(_HOWS))
        if webhook == "rtms_started" and not is_first:
            yield Failover(at_ms=at_ms, how=self.random.choice(_HOWS))

    def _repeated(self, at_ms: int) -> Iterable[Action]:
        for after_ms in self.random.sample(range(30_000), 3):
            yield Repeat(at_ms=at_ms + after_ms, webhook=self.random.choice(_WEBHOOKS))

    def _garbage(self, at_ms: int) -> Iterable[Action]:
        leg = self.random.choice(("signaling", *self._media))
        for n in range(self.random.randint(1, 20)):
            is_known = self.random.random() < 0.8
            payload = self.random.choice(GARBAGE) if is_known else self.random.randbytes(30)
            yield Garbage(at_ms=at_ms + 7 * n, leg=leg, payload=payload)

    def _huge(self, at_ms: int) -> Iterable[Action]:
        yield Huge(at_ms=at_ms, leg=self.random.choice(("signaling", *self._media)))

    def _drip(self, at_ms: int) -> Iterable[Action]:
        leg = self.random.choice(("signaling", *self._media))
        yield Drip(at_ms=at_ms, leg=leg, for_ms=self.random.randint(500, 4_000))

    def _stop(self, at_ms: int) -> Iterable[Action]:
        yield Stop(
            at_ms=at_ms,
            reason=self.random.randint(1, 26),
            webhook_first_ms=self.random.choice((0, 300, 2_000, 7_000)),
        )

    def _stop_while_away(self, at_ms: int) -> Iterable[Action]:
        yield from self._kill(at_ms)
        yield Stop(at_ms=at_ms + self.random.randint(0, 4_000))

    def _pause(self, at_ms: int) -> Iterable[Action]:
        yield Pause(at_ms=at_ms, for_ms=self.random.randint(200, 20_000))

    def _pause_while_away(self, at_ms: int) -> Iterable[Action]:
        yield from self._kill(at_ms)
        yield Pause(at_ms=at_ms + self.random.randint(0, 2_500), for_ms=self.random.randint(200, 10_000))
