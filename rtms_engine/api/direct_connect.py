"""The shape of Recall.ai's Meeting Direct Connect, for those who come from there.

Theirs is the request (docs.recall.ai, Meeting Direct Connect for Zoom RTMS), ``Authorization: Token …``, and
an answer with ``recordings`` and their ``media_shortcuts``. What is not ours to promise is said in
`DirectConnection`. Unknown fields are taken, as nowhere else.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import Meta

from ..model.ids import StreamId
from ..model.products import MEETING
from ..model.signals import StreamStarted
from ..recording import log, manifest
from ..recording.library import Library, Recorded, file_in
from ..recording.manifest import Manifest
from ..stream.worker import StreamStatistics
from ..wire.server_urls import url_list
from .artifacts import scope_of
from .face import EngineFace
from .intake import app_of, checked_signature, hand_in
from .links import Links
from .operation import Call, Operation
from .problem import Refused, not_found
from .recordings import Roots, artifacts_url
from .tokens import Scope

REMEMBERED = 2_000
"""How many connections are kept in mind, so that a request that comes again starts nothing again."""

_Id = Annotated[str, Meta(min_length=1, max_length=1024)]
_PEOPLE = {"participants": "getConnectedParticipants", "participant_events": "getConnectedEvents"}
"""The operations of `connected_people`, by the end of their address."""
_Code = Literal["processing", "done", "failed", "deleted"]


class ZoomRtms(msgspec.Struct, frozen=True):
    """Where the stream is: from the webhook ``meeting.rtms_started``."""

    meeting_uuid: _Id
    rtms_stream_id: _Id
    server_urls: str | list[str]
    signature: str = ""
    """HMAC-SHA256 of ``client_id,meeting_uuid,rtms_stream_id``; empty: the engine makes it."""


class DirectConnectRequest(msgspec.Struct, frozen=True):
    """What Recall's clients send. ``recording_config`` is not heeded: ``[[sinks]]`` say what is recorded."""

    zoom_rtms: ZoomRtms
    recording_config: dict[str, Any] | None = None


class AppOfConnection(msgspec.Struct, frozen=True):
    """Whose stream it is; unknown names are ignored."""

    app: str = ""
    """The name of an ``[[apps]]``; needed only if there are several."""


class Status(msgspec.Struct, frozen=True):
    """How something stands."""

    code: _Code
    sub_code: str | None
    updated_at: str | None
    """ISO 8601."""


class MediaObject(msgspec.Struct, frozen=True):
    """One kind of result, and where it is to be had: without a token for six hours, as far as the one who asks may."""

    status: Status
    data: dict[str, str | None]
    format: str | None = None


class MediaShortcuts(msgspec.Struct, frozen=True):
    """What there is; null: that has not come."""

    video_mixed: MediaObject | None
    audio_mixed: MediaObject | None
    transcript: MediaObject | None
    participant_events: MediaObject | None
    meeting_metadata: MediaObject | None


class ConnectedRecording(msgspec.Struct, frozen=True):
    """One recording of the stream."""

    id: str
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    status: Status
    media_shortcuts: MediaShortcuts


class RtmsIds(msgspec.Struct, frozen=True):
    """Of the request."""

    meeting_uuid: str
    rtms_stream_id: str


class DirectConnection(msgspec.Struct, frozen=True):
    """A connection. Participants, their events and the transcript are in Recall's shapes, the metadata in this
    engine's; the video is the camera as Zoom sent it, its first segment.
    """

    id: str
    """``rtms_stream_id``."""
    status: Status
    zoom_rtms: RtmsIds
    recordings: list[ConnectedRecording]
    metadata: dict[str, str] = {}


class DirectConnect:
    """The operations of Recall's shape.

    Args:
        engine: it.
        library: the index of recordings.
        roots: where they lie.
        unix_ms: the wall clock.
        links: with which the files are to be had without a token for a while, as with Recall.
    """

    def __init__(
        self, engine: EngineFace, library: Library, roots: Roots, unix_ms: Callable[[], int], links: Links
    ) -> None:
        self._engine = engine
        self._library = library
        self._roots = roots
        self._unix_ms = unix_ms
        self._links = links
        self._asked: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """The servers of each stream, as they were asked for."""

    def operations(self) -> list[Operation]:
        """The rows."""
        path = "/api/v1/meeting_direct_connect"
        return [
            Operation(
                "POST",
                path,
                "createDirectConnection",
                "Join a stream, as one asks Recall.ai to.",
                self._create,
                scope=Scope.CONTROL,
                query=AppOfConnection,
                body=DirectConnectRequest,
                answer=DirectConnection,
                status=201,
                aliases=(path + "/",),
                problems=(409, 413, 503),
            ),
            Operation(
                "GET",
                path + "/{id}",
                "getDirectConnection",
                "How such a stream stands, with links to what was recorded of it.",
                self._get,
                answer=DirectConnection,
                aliases=(path + "/{id}/",),
                problems=(404,),
            ),
        ]

    async def _create(self, call: Call) -> DirectConnection:
        wanted: ZoomRtms = call.body.zoom_rtms
        urls = tuple(url for url in url_list(wanted.server_urls) if url.startswith(("wss://", "ws://")))
        if not urls:
            raise Refused.of(
                400,
                "There is no wss:// URL.",
                "Give server_urls as the webhook had them.",
                field="body.zoom_rtms.server_urls",
            )
        if wanted.signature:
            checked_signature(wanted.signature, "body.zoom_rtms.signature")
        start = StreamStarted(
            app=app_of(self._engine, call.query.app, "query.app"),
            product=MEETING,
            entity_id=wanted.meeting_uuid,
            stream_id=StreamId(wanted.rtms_stream_id),
            server_urls=urls,
            event_ts_ms=self._unix_ms(),
            signature=wanted.signature,
        )
        if self._asked.get(start.stream_id) != urls:
            await hand_in(self._engine, start, "body.zoom_rtms.server_urls")
            self._asked[start.stream_id] = urls
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
        return await self._connection(start.stream_id, call)

    async def _get(self, call: Call) -> DirectConnection:
        return await self._connection(call.path["id"], call)

    async def _connection(self, stream_id: str, call: Call) -> DirectConnection:
        parts = await asyncio.to_thread(self._library.of_stream, self._roots(), stream_id)
        stream = self._stream(stream_id)
        if stream is None and not parts:
            raise not_found("connection of this id")
        base = _base_url(call.request)
        recordings = await asyncio.to_thread(
            _recordings, parts, lambda *of: base + self._link(call, *of), partial(self._people_link, base)
        )
        meeting = stream.info.entity_id if stream else parts[-1].card.entity_id
        status = _status_of(stream) if stream else recordings[-1].status
        return DirectConnection(stream_id, status, RtmsIds(meeting, stream_id), recordings)

    def _link(self, call: Call, stream_id: str, part: int, path: str) -> str:
        """The URL of a file; it needs no token for a while if whoever asks may read the file."""
        url = artifacts_url(stream_id, part, path)
        if scope_of(path) not in call.token.scopes:
            return url
        return f"{url}&{self._links.query('getArtifact', (stream_id, path, str(part)))}"

    def _people_link(self, base: str, stream_id: str, part: int, what: str) -> str:
        query = self._links.query(_PEOPLE[what], (stream_id, str(part)))
        return f"{base}/api/v1/meeting_direct_connect/{quote(stream_id, safe='')}/{what}?part={part}&{query}"

    def _stream(self, stream_id: str) -> StreamStatistics | None:
        if live := self._engine.live_streams().get(StreamId(stream_id)):
            return live
        recent = reversed(self._engine.recent_streams())
        return next((one for one in recent if one.info.stream_id == stream_id), None)


def _status_of(stream: StreamStatistics) -> Status:
    if stream.ending is None:
        return Status("processing", None, _iso(stream.info.started_ms))
    reason = stream.ending.stop_reason
    code: _Code = "failed" if stream.joined_after_s is None else "done"
    return Status(code, reason.name.lower(), _iso(stream.ending.timestamp_ms))


_Url = Callable[[str, int, str], str]
"""Of a file: of which stream, which part, and its path."""


def _recordings(parts: Sequence[Recorded], url: _Url, people_url: _Url) -> list[ConnectedRecording]:
    return [_recording(one, number, url, people_url) for number, one in enumerate(parts, 1)]


_CODES: dict[str, _Code] = {"recording": "processing", "processing": "processing"}


def _recording(one: Recorded, part: int, url: _Url, people_url: _Url) -> ConnectedRecording:
    card = one.card
    code: Any = _CODES.get(card.state, card.state)
    status = Status(code, card.stop_reason.name.lower() if card.stop_reason else None, _iso(card.ended_ms))
    described = manifest.load(one.folder) if card.state != "deleted" else None

    def at(path: str) -> str | None:
        there = described is not None and file_in(one.folder, path) is not None
        return url(card.rtms_stream_id, part, path) if there else None

    def people(what: str) -> str | None:
        return people_url(card.rtms_stream_id, part, what) if described is not None else None

    return ConnectedRecording(
        f"{card.rtms_stream_id}/{part}",
        _iso(card.started_ms),
        _iso(card.started_ms),
        _iso(card.ended_ms),
        status,
        MediaShortcuts(
            video_mixed=_single(status, at(_first_of(described, "video/", ".mp4"))),
            audio_mixed=_single(status, at(_first_of(described, "audio/mixed", ""))),
            transcript=_texts(
                status, download_url=at(log.RECALL), provider_data_download_url=at(log.TRANSCRIPT)
            ),
            participant_events=_texts(
                status,
                participant_events_download_url=people("participant_events"),
                speaker_timeline_download_url=at(log.SPEAKERS),
                participants_download_url=people("participants"),
            ),
            meeting_metadata=_texts(status, download_url=at(manifest.NAME)),
        ),
    )


def _first_of(described: Manifest | None, beginning: str, end: str) -> str:
    paths = [one.path for one in described.artefacts] if described else []
    found = [path for path in paths if path.startswith(beginning) and path.endswith(end)]
    return min(found, default="")


def _single(status: Status, url: str | None) -> MediaObject | None:
    return MediaObject(status, {"download_url": url}, _format(url)) if url else None


def _texts(status: Status, **urls: str | None) -> MediaObject | None:
    return MediaObject(status, dict(urls)) if any(urls.values()) else None


def _format(url: str) -> str:
    return url.partition("?")[0].rpartition(".")[2]


def _base_url(request: web.Request) -> str:
    """As the client called us, perhaps through a proxy that ends TLS."""
    scheme = "https" if request.headers.get("X-Forwarded-Proto") == "https" else request.scheme
    return f"{scheme}://{request.host}"


def _iso(unix_ms: int | None) -> str | None:
    if unix_ms is None:
        return None
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None
