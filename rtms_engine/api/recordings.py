"""What was recorded, and what is being recorded: search, and the manifests."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from ..errors import VaultError
from ..recording import manifest
from ..recording.library import Card, Library, Recorded, RecordingState
from ..recording.manifest import Manifest, Tombstone
from .operation import Call, Operation
from .problem import Refused, not_found

_LARGEST_PAGE = 500

Roots = Callable[[], Sequence[Path]]
"""Where recordings lie."""


class Participant(msgspec.Struct, frozen=True):
    """Somebody who was there."""

    user_id: int
    name: str


class RecordingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in a list."""

    id: str
    """``rtms_stream_id``."""
    part: int
    """Of several recordings of one stream: 1 is the oldest."""
    state: RecordingState
    app: str
    product: str
    meeting: str
    """Meeting UUID, session id, engagement id …; empty if it was deleted."""
    meeting_id: str
    started_ms: int
    """Unix milliseconds."""
    ended_ms: int | None
    stop_reason: str
    failure: str
    participants: tuple[Participant, ...]
    files: int
    bytes: int
    """Of the files that are finished."""
    kinds: tuple[str, ...]
    """Of the files."""
    artifacts_url: str
    """Where they are listed."""


class RecordingPage(msgspec.Struct, frozen=True):
    """A part of the list, newest first."""

    recordings: list[RecordingSummary]
    next: str = ""
    """To be given as ``after`` for the next part; empty: there is none."""


class RecordingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """Which recordings."""

    meeting: str = ""
    """Its UUID or number."""
    participant: str = ""
    """A ``user_id``, or a part of a name."""
    since: date | None = None
    """The first day on which they may have begun, in UTC: ``2026-07-31``."""
    to: date | None = None
    """The last one."""
    app: str = ""
    state: RecordingState | None = None
    after: str = ""
    """The ``next`` of the part before."""
    limit: Annotated[int, Meta(ge=1, le=_LARGEST_PAGE)] = 100


class PartQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which one of several recordings of a stream."""

    part: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """1 is the oldest; without it, the newest."""


class LinkQuery(PartQuery, frozen=True, forbid_unknown_fields=True):
    """The same, perhaps by a link, which has both of these."""

    expires: str = ""
    """Unix seconds."""
    signature: str = ""


class Recordings:
    """The operations on recordings.

    Args:
        library: the index.
        roots: where they lie.
    """

    def __init__(self, library: Library, roots: Roots) -> None:
        self._library = library
        self._roots = roots

    def operations(self) -> list[Operation]:
        """The rows."""
        return [
            Operation(
                "GET",
                "/api/v1/recordings",
                "listRecordings",
                "The recordings, finished and running, newest first.",
                self._list,
                query=RecordingQuery,
                answer=RecordingPage,
            ),
            Operation(
                "GET",
                "/api/v1/recordings/{stream_id}",
                "getRecording",
                "The manifest of a recording, or what is left of one that was deleted.",
                self._get,
                query=PartQuery,
                answer=(Manifest, Tombstone),
                problems=(404,),
            ),
        ]

    async def _list(self, call: Call) -> RecordingPage:
        query: RecordingQuery = call.query
        return await asyncio.to_thread(self._search, query)

    async def _get(self, call: Call) -> Manifest | Tombstone:
        return await asyncio.to_thread(self._read, call)

    def _search(self, query: RecordingQuery) -> RecordingPage:
        parts: dict[str, int] = {}
        found: list[tuple[str, RecordingSummary]] = []
        for one in sorted(self._library.recordings(self._roots()), key=_oldest_first):
            stream_id = one.card.rtms_stream_id
            parts[stream_id] = part = parts.get(stream_id, 0) + 1
            if _matches(one.card, query):
                key = _key(one.card, part)
                if key > query.after:
                    found.append((key, _summary(one.card, part)))
        found.sort()
        page, rest = found[: query.limit], found[query.limit :]
        return RecordingPage([summary for _, summary in page], page[-1][0] if rest else "")

    def _read(self, call: Call) -> Manifest | Tombstone:
        _, one = chosen(self._library.of_stream(self._roots(), call.path["stream_id"]), call.query.part)
        try:
            found = manifest.load(one.folder) or manifest.load_tombstone(one.folder)
        except OSError as error:
            raise unreadable(error) from error
        if found is None:
            raise Refused.of(500, "The manifest cannot be read.", "See rtms-engine recover.")
        return found


def chosen(parts: Sequence[Recorded], part: int | None) -> tuple[int, Recorded]:
    """The recording that is meant, and its number. Raises Refused."""
    if not parts:
        raise not_found("recording of this stream")
    number = len(parts) if part is None else part
    if number > len(parts):
        raise not_found("such part of the recording")
    return number, parts[number - 1]


def artifacts_url(stream_id: str, part: int, path: str = "") -> str:
    """Where the files of a recording are listed, or one of them is."""
    below = f"/{quote(path)}" if path else ""
    return f"/api/v1/streams/{quote(stream_id, safe='')}/artifacts{below}?part={part}"


def locked(error: OSError) -> Refused:
    """It is encrypted, and there is no key for it; or the disk does not let us."""
    if not isinstance(error, VaultError):
        return unreadable(error)
    if error.is_gone:
        return Refused.of(410, "The key of the recording was deleted, and the recording with it.", error.why)
    return Refused.of(500, "The recording is encrypted, and cannot be read.", f"The reason: {error.why}.")


def unreadable(error: OSError) -> Refused:
    """The disk does not let us."""
    why = error.strerror or "the disk failed"
    return Refused.of(500, f"The recording cannot be read: {why}.", "See the disk, and who may read it.")


def _oldest_first(one: Recorded) -> tuple[int, int, Path]:
    return one.card.started_ms, len(one.folder.name), one.folder


def _matches(card: Card, query: RecordingQuery) -> bool:
    return (
        query.app in ("", card.app)
        and query.state in (None, card.state)
        and query.meeting in ("", card.entity_id, card.meeting_id)
        and _is_between(card.started_ms, query.since, query.to)
        and (not query.participant or _has(card, query.participant))
    )


def _is_between(started_ms: int, since: date | None, to: date | None) -> bool:
    if since is not None and started_ms < _midnight_ms(since):
        return False
    return to is None or started_ms < _midnight_ms(to) + _DAY_MS


def _has(card: Card, participant: str) -> bool:
    wanted = participant.casefold()
    return any(
        participant in (str(one.user_id), one.channel_id) or wanted in one.name.casefold()
        for one in card.participants
    )


_DAY_MS = 24 * 3600 * 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _midnight_ms(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def _key(card: Card, part: int) -> str:
    """Sorts newest first, as a text that a client can hand back."""
    return f"{10**15 - card.started_ms:016}-{card.rtms_stream_id}-{10**6 - part:07}"


def _summary(card: Card, part: int) -> RecordingSummary:
    return RecordingSummary(
        id=card.rtms_stream_id,
        part=part,
        state=card.state,
        app=card.app,
        product=card.product,
        meeting=card.entity_id,
        meeting_id=card.meeting_id,
        started_ms=card.started_ms,
        ended_ms=card.ended_ms,
        stop_reason=card.stop_reason.name if card.stop_reason else "",
        failure=card.failure,
        participants=tuple(Participant(one.user_id, one.name) for one in card.participants),
        files=len(card.artefacts),
        bytes=sum(one.bytes or 0 for one in card.artefacts),
        kinds=tuple(sorted({one.kind for one in card.artefacts})),
        artifacts_url=artifacts_url(card.rtms_stream_id, part),
    )
