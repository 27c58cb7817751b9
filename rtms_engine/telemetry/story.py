"""What happened to a stream, in words: one story for the log, the API, the dashboard and ``why``.

Whatever is logged about a stream is an entry of its story. So nothing is told twice, and nothing is in a
story but the fields that its sentence names: no names, no content, no secrets. Pure: `hearing` makes a
processor for `structlog`, to be set behind ``merge_contextvars``.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

BEGINNING, LATEST = 100, 400
"""How many entries of a stream are kept: how it began, and what it came to."""
MOST_STREAMS = 4_000
"""How many stories are kept; the one that was silent for longest goes first."""

SENTENCES: Mapping[str, str] = {
    "StreamStarted": "A webhook announced the stream; the engine joins it.",
    "StreamResumed": "The engine takes the stream up again, after a restart.",
    "StreamRefused": "The stream is not joined: {reason}.",
    "StreamSignalled": "A webhook said: {meaning}.",
    "WebhookIgnored": "A webhook changed nothing: {reason}.",
    "ConnectionAttempted": "Connecting {leg}, attempt {attempt}.",
    "ConnectionAccepted": "The {leg} connection is up.",
    "ConnectionFailed": "The {leg} connection could not be opened: {reason}.",
    "ConnectionLost": "The {leg} connection was lost: {reason}. {meaning}",
    "ConnectionRestored": "The {leg} connection is back.",
    "HandshakeRefused": "Zoom refused the {leg} handshake with status {status}. {meaning}",
    "MediaRefused": "There is no {leg}: {reason}",
    "MediaDiffered": "Zoom grants other parameters for {leg} than asked: {granted}.",
    "MessagesNotUsed": "{count} messages on {leg} could not be used ({kind}: {last}).",
    "StatusHeard": "Zoom said status {status}. {meaning}",
    "StreamStateChanged": "The stream's state is {state} now. {meaning}",
    "GapNoted": "{gap_ms} ms of {leg} are missing: {reason}.",
    "ConsentDecided": "Whether media may be received was decided: {allowed}. {reason}",
    "ParticipantExcluded": "Participant {user_id} is excluded: nothing of theirs reaches a sink from here on.",
    "ParticipantIncluded": "Participant {user_id} is included again, unless a rule excludes them.",
    "SinkLeftOut": "The sink {sink} does not get this stream: {reason}.",
    "SinkDetached": "The sink {sink} gets nothing more: {reason}.",
    "SinkFailed": "The sink {sink} failed: {reason}.",
    "SinkRestarted": "The sink {sink} failed and is made anew: {reason}.",
    "SinkWriteFailed": "The sink {sink} could not write, and tries again: {reason}.",
    "SinkSpillFailed": "What waits for the sink {sink} has no place on the disk: {reason}.",
    "SinkBlockedLoop": "The sink {sink} kept the event loop for {blocked_ms} ms.",
    "SinkAbandoned": "The sink {sink} was abandoned: {reason}.",
    "SinkFellBehind": "The sink {sink} is too slow: {dropped} items dropped.",
    "StreamPlaced": "The stream runs in process {process}.",
    "StreamMoved": "The stream goes on in another process: {reason}.",
    "StreamGivenUp": "The stream is given up: {reason}.",
    "StreamFailed": "The stream ended by a defect of the engine; the log has the traceback.",
    "StreamEnded": "The stream ended: {stop_reason}. {meaning} {detail}",
    "RestartRequested": "The stream ended with {reason}; Zoom is asked to start it again.",
    "RestartFailed": "The stream could not be started again: {why}.",
}
"""How events are told; those that have no sentence are told by their name alone."""

_LEVELS = {"exception": "error", "critical": "error", "warn": "warning"}


class Entry(msgspec.Struct, frozen=True):
    """One thing that happened."""

    at_ms: int
    """Unix milliseconds of the engine's clock."""
    level: str
    """``info``: nothing to do. ``warning``: nothing is lost. ``error``: something is, or somebody must act."""
    event: str
    """``ConnectionLost``, as in the log."""
    text: str
    """In words."""
    leg: str = ""
    """Of which connection or kind of media; empty: of the stream."""


Note = Callable[[str, Entry], None]
"""Takes a stream's id and a new entry of its story."""
Processor = Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]
"""As `structlog` calls it: with the logger, the name of its method, and the event."""


def hearing(note: Note, unix_ms: Callable[[], int]) -> Processor:
    """A processor that takes notice of what is logged about a stream, and hands it on as it is."""

    def hear(_logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        level = _LEVELS.get(method, method)
        if level != "debug" and isinstance(stream_id := event.get("stream_id"), str):
            note(stream_id, told(event, level, unix_ms()))
        return event

    return hear


class StoryBook:
    """The stories of the streams that live, and of the last that ended."""

    def __init__(self) -> None:
        self._stories: OrderedDict[str, _Story] = OrderedDict()
        self._listeners: dict[str, list[Callable[[Entry], None]]] = {}

    def note(self, stream_id: str, entry: Entry) -> None:
        """Add to a story."""
        self._stories.setdefault(stream_id, _Story()).add(entry)
        self._stories.move_to_end(stream_id)
        if len(self._stories) > MOST_STREAMS:
            self._stories.popitem(last=False)
        for listener in self._listeners.get(stream_id, ()):
            listener(entry)

    def of(self, stream_id: str) -> Sequence[Entry]:
        """A stream's story, in order; empty if there is none."""
        story = self._stories.get(stream_id)
        return story.entries() if story else ()

    def streams(self) -> Sequence[str]:
        """Whose stories there are, the one in which something happened last first."""
        return tuple(reversed(self._stories))

    def recall(self, stream_id: str, entries: Iterable[Entry]) -> None:
        """Begin a story with what an earlier engine has told of it, unless it has begun already."""
        if stream_id not in self._stories:
            for entry in entries:
                self.note(stream_id, entry)

    @contextmanager
    def listen(self, stream_id: str, listener: Callable[[Entry], None]) -> Iterator[None]:
        """Call ``listener`` with every new entry of a stream's story, while the ``with`` block runs."""
        listeners = self._listeners.setdefault(stream_id, [])
        listeners.append(listener)
        try:
            yield
        finally:
            listeners.remove(listener)
            if not listeners:
                self._listeners.pop(stream_id, None)

    def forget(self, stream_id: str) -> None:
        """A stream is to leave no trace."""
        self._stories.pop(stream_id, None)


class _Story:
    __slots__ = ("_beginning", "_latest", "_omitted")

    def __init__(self) -> None:
        self._beginning: list[Entry] = []
        self._latest: deque[Entry] = deque(maxlen=LATEST)
        self._omitted = 0

    def add(self, entry: Entry) -> None:
        if len(self._beginning) < BEGINNING:
            self._beginning.append(entry)
            return
        self._omitted += len(self._latest) == LATEST
        self._latest.append(entry)

    def entries(self) -> Sequence[Entry]:
        if not self._omitted:
            return (*self._beginning, *self._latest)
        between = Entry(
            self._latest[0].at_ms, "info", "Omitted", f"{self._omitted} entries are left out here."
        )
        return (*self._beginning, between, *self._latest)


def told(event: Mapping[str, Any], level: str, at_ms: int) -> Entry:
    """A log line as an entry."""
    name = str(event.get("event", ""))
    text = SENTENCES.get(name, name).format_map(_Told(event))
    return Entry(at_ms, level, name, _tidy(text), str(event.get("leg", "")))


class _Told(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def _tidy(text: str) -> str:
    """One full stop where a reason brought its own, and one space where a part is empty."""
    return " ".join(text.replace("..", ".").split())
