"""The streams that run, and the last that ended."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..model.causes import Cause
from ..model.events import GapNoted
from ..model.media import MediaKind
from ..model.reasons import explain
from ..stream.overview import LegState, ParticipantState
from ..stream.sink_runner import SinkStatistics
from ..stream.worker import StreamStatistics
from ..telemetry.story import Entry
from .face import EngineFace
from .operation import Call, Operation
from .problem import Refused, not_found
from .tokens import Scope

_LARGEST_PAGE = 500


class StreamSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in a list."""

    id: str
    """``rtms_stream_id``."""
    app: str
    product: str
    meeting: str
    """Meeting UUID, session id, engagement id …"""
    meeting_id: str
    """The number people dial; empty if Zoom did not say."""
    started_ms: int
    """Unix milliseconds."""
    state: str
    """The engine's: ``new``, ``live``, ``draining``, ``ending``, ``finished``."""
    zoom_state: str
    """Zoom's: ``ACTIVE``, ``PAUSED`` …; empty before Zoom told."""
    participants: int
    """How many are there now."""
    received: dict[MediaKind, int]
    """Frames by kind."""
    gaps: int
    losses: int
    """How often a connection was lost."""
    connections: dict[str, str] = {}
    """The state of each: ``signaling``, and kinds of media or ``all``."""
    refused: dict[MediaKind, str]
    """Why a kind does not come."""
    ended_ms: int | None = None
    stop_reason: str = ""
    """By name; empty while it runs."""


class Stream(StreamSummary, frozen=True, kw_only=True):
    """A stream with everything that is known of it."""

    legs: tuple[LegState, ...]
    people: tuple[ParticipantState, ...]
    active_speaker: int | None
    requested: tuple[MediaKind, ...]
    granted: dict[MediaKind, dict[str, Any]]
    losses_by_cause: dict[Cause, int]
    missing: tuple[GapNoted, ...]
    """The gaps, latest last."""
    sinks: tuple[SinkStatistics, ...]
    unusable: dict[str, int]
    """Messages that could not be used, by kind."""
    repeated: int
    """Frames that Zoom delivered again and that were dropped."""
    keep_alives: int
    """Answered."""
    stop_cause: str = ""
    """The stop reason in words."""
    stop_remedy: str = ""
    detail: str = ""


class StreamPage(msgspec.Struct, frozen=True):
    """A part of the list, newest first."""

    streams: list[StreamSummary]
    next: str = ""
    """To be given as ``after`` for the next part; empty: there is none."""


class Timeline(msgspec.Struct, frozen=True):
    """What happened to a stream, in order."""

    id: str
    entries: Sequence[Entry]


class StreamQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which streams."""

    state: Literal["live", "ended", "all"] = "all"
    app: str = ""
    product: str = ""
    meeting: str = ""
    """Its UUID or number."""
    after: str = ""
    """The ``next`` of the part before."""
    limit: Annotated[int, Meta(ge=1, le=_LARGEST_PAGE)] = 100


class Streams:
    """The operations on streams."""

    def __init__(self, engine: EngineFace) -> None:
        self._engine = engine

    def operations(self) -> list[Operation]:
        """The rows."""
        one = "/api/v1/streams/{stream_id}"
        return [
            Operation(
                "GET",
                "/api/v1/streams",
                "listStreams",
                "The streams that run and the last thousand that ended, newest first.",
                self._list,
                query=StreamQuery,
                answer=StreamPage,
            ),
            Operation("GET", one, "getStream", "A stream.", self._get, answer=Stream, problems=(404,)),
            Operation(
                "GET",
                f"{one}/timeline",
                "getTimeline",
                "What happened to a stream, in words and in order.",
                self._timeline,
                answer=Timeline,
                problems=(404,),
            ),
            Operation(
                "POST",
                f"{one}/stop",
                "stopStream",
                "Ask Zoom to end a stream (STREAM_CLOSE_REQ).",
                self._stop,
                scope=Scope.CONTROL,
                status=202,
                problems=(404, 409),
            ),
        ]

    async def _list(self, call: Call) -> StreamPage:
        query: StreamQuery = call.query
        found = [stream for stream in known(self._engine) if _matches(stream, query)]
        found.sort(key=_key)
        if query.after:
            found = [stream for stream in found if _key(stream) > query.after]
        page, rest = found[: query.limit], found[query.limit :]
        return StreamPage([_summary(stream) for stream in page], _key(page[-1]) if rest else "")

    async def _get(self, call: Call) -> Stream:
        return whole(self._find(call))

    async def _timeline(self, call: Call) -> Timeline:
        stream_id = call.path["stream_id"]
        if not (entries := self._engine.story(stream_id)):
            self._find(call)
        return Timeline(stream_id, entries)

    async def _stop(self, call: Call) -> None:
        stream = self._find(call)
        try:
            self._engine.end_stream(stream.info.stream_id)
        except KeyError:
            raise Refused.of(409, "The stream has ended already.", "Stop one whose state is live.") from None

    def _find(self, call: Call) -> StreamStatistics:
        if (stream := stream_of(self._engine, call.path["stream_id"])) is None:
            raise not_found("stream of this id")
        return stream


def known(engine: EngineFace) -> Iterator[StreamStatistics]:
    """The streams that run, and the last that ended."""
    live = engine.live_streams()
    yield from live.values()
    for stream in reversed(engine.recent_streams()):
        if stream.info.stream_id not in live:
            yield stream


def stream_of(engine: EngineFace, stream_id: str) -> StreamStatistics | None:
    """One of them; None if it is not known."""
    return next((stream for stream in known(engine) if stream.info.stream_id == stream_id), None)


def _matches(stream: StreamStatistics, query: StreamQuery) -> bool:
    info = stream.info
    state = "live" if stream.ending is None else "ended"
    return (
        query.state in ("all", state)
        and query.app in ("", info.app)
        and query.product in ("", info.product.name)
        and query.meeting in ("", info.entity_id, info.meeting_id)
    )


def _key(stream: StreamStatistics) -> str:
    """Sorts newest first, as a text that a client can hand back."""
    return f"{10**15 - stream.info.started_ms:016}-{stream.info.stream_id}"


def _summary(stream: StreamStatistics) -> StreamSummary:
    return StreamSummary(**_facts(stream))


def whole(stream: StreamStatistics) -> Stream:
    """Everything that is known of a stream, as the API tells it."""
    overview, ending = stream.overview, stream.ending
    explained = explain("stop", int(ending.stop_reason)) if ending else None
    return Stream(
        **_facts(stream),
        legs=stream.legs,
        people=overview.participants,
        active_speaker=overview.active_speaker,
        requested=tuple(sorted(stream.info.kinds)),
        granted=overview.granted,
        losses_by_cause=overview.losses,
        missing=overview.gaps,
        sinks=stream.sinks,
        unusable=stream.noise,
        repeated=stream.repeated,
        keep_alives=stream.keep_alives,
        stop_cause=explained.cause if explained else "",
        stop_remedy=explained.remedy if explained else "",
        detail=ending.detail if ending else "",
    )


def _facts(stream: StreamStatistics) -> dict[str, Any]:
    info, overview, ending = stream.info, stream.overview, stream.ending
    return {
        "id": info.stream_id,
        "app": info.app,
        "product": info.product.name,
        "meeting": info.entity_id,
        "meeting_id": info.meeting_id,
        "started_ms": info.started_ms,
        "state": stream.phase,
        "zoom_state": overview.state,
        "participants": sum(one.left_ms is None for one in overview.participants),
        "received": stream.received,
        "gaps": len(overview.gaps),
        "losses": sum(overview.losses.values()),
        "connections": {leg.name: leg.state for leg in stream.legs},
        "refused": overview.refused,
        "ended_ms": ending.timestamp_ms if ending else None,
        "stop_reason": ending.stop_reason.name if ending else "",
    }
