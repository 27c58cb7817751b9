"""The files of a recording: what there is, and the files themselves, in whole or in part."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

import msgspec
from aiohttp import ETag, web

from ..model.ids import StreamId
from ..recording import manifest
from ..recording.library import Library, Recorded, RecordingState, file_in, files_in
from ..recording.manifest import Artefact
from ..vault import files
from .access import require
from .face import EngineFace
from .operation import Call, Operation
from .problem import Refused, not_found
from .recordings import LinkQuery, PartQuery, Roots, artifacts_url, chosen, locked, unreadable
from .server import SECURITY_HEADERS
from .tokens import Scope


class _Kind(msgspec.Struct, frozen=True):
    media_type: str
    scope: Scope


def scope_of(path: str) -> Scope:
    """What a token must have to read a file of a recording."""
    return _KINDS.get(PurePosixPath(path).suffix.lower(), _ANYTHING).scope


def _text(media_type: str) -> _Kind:
    return _Kind(media_type, Scope.READ)


def _media(media_type: str) -> _Kind:
    return _Kind(media_type, Scope.MEDIA)


_KINDS: Mapping[str, _Kind] = {
    ".json": _text("application/json"),
    ".jsonl": _text("application/x-ndjson; charset=utf-8"),
    ".vtt": _text("text/vtt; charset=utf-8"),
    ".srt": _text("application/x-subrip; charset=utf-8"),
    ".txt": _text("text/plain; charset=utf-8"),
    ".wav": _media("audio/wav"),
    ".flac": _media("audio/flac"),
    ".opus": _media("audio/ogg"),
    ".mp4": _media("video/mp4"),
    ".jpg": _media("image/jpeg"),
    ".png": _media("image/png"),
}
"""By the end of the name."""
_ANYTHING = _media("application/octet-stream")
_PIECE_BYTES = 256 * 1024
"""Of an encrypted file, at once."""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a recording."""

    path: str
    kind: str
    """As in the manifest; ``manifest`` is that itself, ``file`` is one that is not listed in it yet."""
    state: Literal["recording", "done", "failed"]
    bytes: int
    """So far, if it grows."""
    sha256: str
    """Empty while it grows."""
    media_type: str
    scope: Scope
    """That a token must have to read it."""
    url: str
    user_id: int | None = None
    name: str = ""
    """Of the participant."""
    start_ms: int | None = None
    end_ms: int | None = None
    offset_ms: int = 0
    width: int | None = None
    height: int | None = None


class ArtifactList(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a recording."""

    id: str
    part: int
    parts: int
    """How many recordings of the stream there are."""
    state: RecordingState
    artifacts: list[Artifact]


class Deletion(msgspec.Struct, frozen=True):
    """What was deleted of a stream; nothing, if it was deleted before."""

    id: str
    files: int
    bytes: int


class Artifacts:
    """The operations on the files of recordings.

    Args:
        engine: it; it deletes, and writes down who read what.
        library: the index of recordings.
        roots: where they lie.
    """

    def __init__(self, engine: EngineFace, library: Library, roots: Roots) -> None:
        self._engine = engine
        self._library = library
        self._roots = roots

    def operations(self) -> list[Operation]:
        """The rows."""
        all_of_them = "/api/v1/streams/{stream_id}/artifacts"
        return [
            Operation(
                "GET",
                all_of_them,
                "listArtifacts",
                "The files of a recording.",
                self._list,
                query=PartQuery,
                answer=ArtifactList,
                problems=(404,),
            ),
            Operation(
                "GET",
                all_of_them + "/{path:.+}",
                "getArtifact",
                "A file of a recording, or a range of it.",
                self._download,
                scope=None,
                by_link=True,
                query=LinkQuery,
                media_types=tuple(sorted({one.media_type for one in (*_KINDS.values(), _ANYTHING)})),
                also_head=True,
                other_statuses={206: "A part of the file.", 304: "It is still the same."},
                problems=(404, 410, 416),
                description="Texts need the scope `read`, sound and pictures `media`; the list tells which. "
                "`Range` takes one range of bytes; `ETag` goes with `If-None-Match` and `If-Range`.",
            ),
            Operation(
                "DELETE",
                "/api/v1/streams/{stream_id}",
                "deleteStream",
                "Delete what was recorded and captured of a stream, for good; a tombstone stays.",
                self._delete,
                scope=Scope.DELETE,
                answer=Deletion,
                problems=(404, 409),
                description="Of a stream that has ended. What was exported from it, or handed on by other "
                "sinks than `recording` and `jsonl`, is not reached.",
            ),
        ]

    async def _delete(self, call: Call) -> Deletion:
        stream_id = StreamId(call.path["stream_id"])
        if stream_id in self._engine.live_streams():
            raise Refused.of(
                409, "The stream is being recorded.", "Stop it, and delete it when it has ended."
            )
        done = await self._engine.delete_stored(stream_id, call.token.name)
        if not done.is_complete:
            raise Refused.of(
                500, "Not everything could be deleted.", "See the engine's log, and delete it again."
            )
        if not done.existed:
            parts = await asyncio.to_thread(self._parts, call)
            chosen(parts, None)  # 404 if there never was any
        return Deletion(stream_id, done.files, done.bytes)

    async def _list(self, call: Call) -> ArtifactList:
        return await asyncio.to_thread(self._listed, call)

    async def _download(self, call: Call) -> web.StreamResponse:
        kind = _KINDS.get(PurePosixPath(call.path["path"]).suffix.lower(), _ANYTHING)
        require(call.token, kind.scope)
        path, status = await asyncio.to_thread(self._found, call)
        if call.request.method == "GET" and _begin_of(call.request) == 0:
            about = {"stream_id": call.path["stream_id"], "path": call.path["path"], "by": call.token.name}
            await self._engine.write("artifact_read", about)
        headers = {
            **SECURITY_HEADERS,
            "Content-Type": kind.media_type,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name)}",
            "Cache-Control": "private, no-cache",
        }
        if await asyncio.to_thread(files.is_encrypted, path):
            return await _sent_decrypted(call.request, path, status, headers)
        response = web.FileResponse(path, headers=headers)
        if _is_of_another_version(call.request, status):
            # aiohttp heeds only dates in If-Range: let it answer a request that asks for no range.
            await response.prepare(_without_range(call.request))
        else:
            _refuse_impossible_range(call.request, status.st_size)
        return response

    def _listed(self, call: Call) -> ArtifactList:
        parts = self._parts(call)
        number, one = chosen(parts, call.query.part)
        try:
            described = manifest.load(one.folder)
            known = {each.path: each for each in described.artefacts} if described else {}
            found = list(files_in(one.folder)) if one.card.state != "deleted" else []
        except OSError as error:
            raise locked(error) from error
        return ArtifactList(
            id=one.card.rtms_stream_id,
            part=number,
            parts=len(parts),
            state=one.card.state,
            artifacts=[_artifact(one, number, name, size, known.get(name)) for name, size in found],
        )

    def _found(self, call: Call) -> tuple[Path, os.stat_result]:
        _, one = chosen(self._parts(call), call.query.part)
        if one.card.state == "deleted":
            raise Refused.of(410, "The recording was deleted.", "What is left is in its manifest.")
        path = file_in(one.folder, call.path["path"])
        if path is None:
            raise not_found("such file in the recording")
        try:
            return path, path.stat()
        except OSError as error:
            raise unreadable(error) from error

    def _parts(self, call: Call) -> list[Recorded]:
        return self._library.of_stream(self._roots(), call.path["stream_id"])


def _artifact(one: Recorded, part: int, name: str, size: int, known: Artefact | None) -> Artifact:
    kind = _KINDS.get(PurePosixPath(name).suffix.lower(), _ANYTHING)
    common: dict[str, Any] = {
        "path": name,
        "media_type": kind.media_type.partition(";")[0],
        "scope": kind.scope,
        "url": artifacts_url(one.card.rtms_stream_id, part, name),
        "bytes": size,
    }
    if known is None:
        is_over = one.card.state in ("done", "failed")
        what = "manifest" if name == manifest.NAME else "file"
        return Artifact(kind=what, state="done" if is_over else "recording", sha256="", **common)
    return Artifact(
        kind=known.kind,
        state=known.state,
        sha256=known.sha256,
        user_id=known.user_id,
        name=known.name,
        start_ms=known.start_ms,
        end_ms=known.end_ms,
        offset_ms=known.offset_ms,
        width=known.width,
        height=known.height,
        **common,
    )


async def _sent_decrypted(
    request: web.Request, path: Path, status: os.stat_result, headers: dict[str, str]
) -> web.StreamResponse:
    """As `aiohttp.web.FileResponse` does it with plain files: ranges, and what has not changed is not sent."""
    try:
        file = await asyncio.to_thread(files.reading, path)
    except OSError as error:
        raise locked(error) from error
    try:
        size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
        _refuse_impossible_range(request, size)
        tag = ETag(f"{status.st_mtime_ns:x}-{size:x}")
        begin, stop, code = 0, size, 200
        if (
            "Range" in request.headers
            and request.headers.get("If-Range", f'"{tag.value}"') == f'"{tag.value}"'
        ):
            asked = request.http_range
            begin = asked.start if asked.start >= 0 else max(size + asked.start, 0)
            stop = size if asked.stop is None else min(asked.stop, size)
            code = 206
            headers["Content-Range"] = f"bytes {begin}-{stop - 1}/{size}"
        response = web.StreamResponse(status=code, headers=headers)
        response.etag, response.last_modified = tag, status.st_mtime
        response.headers["Accept-Ranges"] = "bytes"
        if request.if_none_match and any(one.value in ("*", tag.value) for one in request.if_none_match):
            response.set_status(304)
            response.headers.pop("Content-Range", None)
            await response.prepare(request)
            return response
        response.content_length = stop - begin
        await response.prepare(request)
        while request.method != "HEAD" and begin < stop:
            if not (data := await asyncio.to_thread(_part, file, begin, min(_PIECE_BYTES, stop - begin))):
                break  # somebody has cut it off: the client sees that it got too little
            await response.write(data)
            begin += len(data)
        await response.write_eof()
        return response
    finally:
        await asyncio.to_thread(file.close)


def _part(file: BinaryIO, begin: int, size: int) -> bytes:
    file.seek(begin)
    return file.read(size)


def _begin_of(request: web.Request) -> int | None:
    """Of the range that is asked for: 0 without one, negative from the end; None: it cannot be understood."""
    try:
        return request.http_range.start or 0
    except ValueError:
        return None


def _is_of_another_version(request: web.Request, status: os.stat_result) -> bool:
    """Whether the range is to continue a file that has changed since (RFC 9110 §13.1.5)."""
    tag = request.headers.get("If-Range", "")
    return tag.endswith('"') and tag != f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


def _without_range(request: web.Request) -> web.BaseRequest:
    headers = request.headers.copy()
    headers.pop("Range", None)
    return request.clone(headers=headers)


def _refuse_impossible_range(request: web.Request, size: int) -> None:
    """What cannot be answered with one part of the file (RFC 9110 §14)."""
    begin = _begin_of(request)
    begin = size if begin is None else begin
    # A negative beginning counts from the end of the file.
    if "Range" in request.headers and begin >= size:
        raise Refused.of(
            416,
            "The range is none of this file.",
            f"Ask for one range of bytes below {size}, such as bytes=0-1023.",
            field="header.Range",
            Content_Range=f"bytes */{size}",
        )
