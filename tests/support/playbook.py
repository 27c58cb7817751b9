"""A vocabulary in which tests of `StreamLifecycle` read as scripts.

::

    stream = streaming("audio", "transcript")
    assert stream.loses("audio", "gone") == ["lost audio: gone", "disconnect audio"]
    assert stream.waits() == ["connect audio wss://m/audio"]
    assert stream.now == 3.0

Commands come back as short sentences. That generations fit together (a new one for every connect, a
disconnect for the last one) is checked with every command.
"""

from collections.abc import Iterable

from rtms_engine.model.media import MediaKind
from rtms_engine.model.reasons import SessionState, StatusCode, StopReason, StreamState
from rtms_engine.protocol import commands as c
from rtms_engine.protocol import events as e
from rtms_engine.protocol.lifecycle import Phase, StreamLifecycle

SIGNALING_URL = "wss://s/1"
URLS = {kind: f"wss://m/{kind}" for kind in ("audio", "video", "deskshare", "transcript", "chat", "all")}


def leg_id(name: str, *kinds: str) -> e.LegId:
    """``signaling``, a kind of media, or ``all`` with its kinds."""
    if name == "signaling":
        return e.SIGNALING
    return e.LegId(frozenset(MediaKind(kind) for kind in (kinds or [name])))


class Playbook:
    """One stream's machine, and a clock that only moves when told to."""

    def __init__(
        self,
        *kinds: str,
        unified: bool = False,
        id_variants: int = 1,
        random: float = 0.0,
        is_late: bool = False,
        resumed: bool = False,
    ) -> None:
        self.machine = StreamLifecycle(
            (MediaKind(kind) for kind in kinds),
            unified=unified,
            id_variants=id_variants,
            random=lambda: random,
            is_late=is_late,
            resumed=resumed,
        )
        self.now = 0.0
        self._kinds = kinds
        self.generations: dict[e.LegId, int] = {}

    @property
    def phase(self) -> Phase:
        return self.machine.phase

    # --- what happens ---

    def hears(self, event: e.LifecycleEvent) -> list[str]:
        """An event, now."""
        return self._told(self.machine.handle(event, self.now))

    def waits(self) -> list[str]:
        """Time jumps to the machine's next deadline."""
        deadline = self.machine.deadline()
        assert deadline is not None, f"{self.machine} waits for nothing"
        assert deadline >= self.now
        self.now = deadline
        return self._told(self.machine.on_deadline(self.now))

    def passes(self, seconds: float) -> list[str]:
        """Time passes, and whatever is due happens."""
        until, told = self.now + seconds, []
        while (deadline := self.machine.deadline()) is not None and deadline <= until:
            told += self.waits()
        self.now = until
        return told

    # --- short for what is heard often ---

    def starts(self, *urls: str) -> list[str]:
        return self.hears(e.Started(urls or (SIGNALING_URL,)))

    def interrupts(self, *urls: str) -> list[str]:
        return self.hears(e.Interrupted(urls))

    def stops(self, reason: int) -> list[str]:
        return self.hears(e.Stopped(StopReason(reason)))

    def accepts(self, name: str, urls: object = URLS, *, generation: int | None = None) -> list[str]:
        leg = self._leg(name)
        return self.hears(e.LegAccepted(leg, self._generation(leg, generation), urls))

    def refuses(self, name: str, status: int, reason: str = "") -> list[str]:
        leg = self._leg(name)
        return self.hears(e.LegRefused(leg, self._generation(leg), StatusCode(status), reason))

    def loses(self, name: str, why: str = "gone", *, generation: int | None = None) -> list[str]:
        leg = self._leg(name)
        return self.hears(e.LegLost(leg, self._generation(leg, generation), why))

    def forbids(self, name: str, why: str = "off the list") -> list[str]:
        leg = self._leg(name)
        return self.hears(e.LegImpossible(leg, self._generation(leg), why))

    def event_7(self, *kinds: str) -> list[str]:
        return self.hears(e.MediaInterrupted(frozenset(MediaKind(kind) for kind in kinds)))

    def state(self, state: int, reason: int = 0) -> list[str]:
        return self.hears(e.StreamStateHeard(StreamState(state), StopReason(reason)))

    def session(self, name: str, state: int, reason: int = 0) -> list[str]:
        return self.hears(e.SessionStateHeard(name, SessionState(state), StopReason(reason)))

    # --- inside ---

    def _leg(self, name: str) -> e.LegId:
        return leg_id(name, *self._kinds) if name == "all" else leg_id(name)

    def _generation(self, leg: e.LegId, given: int | None = None) -> int:
        return self.generations.get(leg, 0) if given is None else given

    def _told(self, commands: Iterable[c.Command]) -> list[str]:
        return [self._sentence(command) for command in commands]

    def _sentence(self, command: c.Command) -> str:
        match command:
            case c.Connect(leg, generation, url, id_fields, defaults):
                assert generation > self.generations.get(leg, 0), "a generation came twice"
                self.generations[leg] = generation
                how = f" id_fields={id_fields}" * bool(id_fields)
                how += f" with defaults of {', '.join(sorted(defaults))}" * bool(defaults)
                return f"connect {leg.name} {url}{how}"
            case c.Disconnect(leg, generation):
                assert generation == self.generations.get(leg), "a connection that does not exist"
                return f"disconnect {leg.name}"
            case c.AcknowledgeReady():
                return "acknowledge"
            case c.RequestClose():
                return "request close"
            case c.NoteLost(leg, why):
                return f"lost {leg.name}: {why}"
            case c.NoteRestored(leg):
                return f"restored {leg.name}"
            case c.NoteRefused(leg, why):
                return f"refused {leg.name}: {why}"
            case c.Finish(reason, detail):
                return f"finish {int(reason)}{f': {detail}' if detail else ''}"


def streaming(*kinds: str, unified: bool = False, id_variants: int = 1, random: float = 0.0) -> Playbook:
    """A stream with all of its connections up, at 0 s."""
    stream = Playbook(*kinds, unified=unified, id_variants=id_variants, random=random)
    stream.starts()
    stream.accepts("signaling")
    for name in ["all"] if unified and len(kinds) > 1 else kinds:
        assert stream.accepts(name) == ["acknowledge"]
    return stream
