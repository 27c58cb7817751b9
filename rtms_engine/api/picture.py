"""What a stream shows right now, as a small picture once a second.

It is read from the files of the recording and decoded in a thread of its own, one picture after the other:
whoever looks costs the streams nothing but a share of a core.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from aiohttp import web

from ..model.media import MediaKind
from ..recording.glimpse import Glimpse, Looker
from ..recording.library import Library
from ..stream.worker import StreamStatistics
from .face import EngineFace
from .operation import Call, Operation
from .problem import Refused, not_found
from .streams import stream_of
from .tokens import Scope

FRESH_S = 1.0
"""A picture is decoded at most so often, whoever asks."""
MOST_KEPT = 200
TIME_HEADER = "Picture-Time-Ms"


Kind = Literal["video", "share"]


class PictureQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which picture."""

    kind: Kind = "video"
    """The camera's, or that of the shared screen."""


class _Look(NamedTuple):
    is_recorded: bool
    found: Glimpse | None


class _Kept(NamedTuple):
    until: float
    """Monotonic seconds."""
    look: asyncio.Future[_Look]


class Pictures:
    """The operation.

    Args:
        engine: whose streams.
        library: the index of recordings.
        roots: where they lie.
    """

    def __init__(self, engine: EngineFace, library: Library, roots: Callable[[], Sequence[Path]]) -> None:
        self._engine = engine
        self._library = library
        self._roots = roots
        self._looker = Looker()
        self._thread = ThreadPoolExecutor(1, "pictures")
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def operations(self) -> list[Operation]:
        """The row."""
        return [
            Operation(
                "GET",
                "/api/v1/streams/{stream_id}/picture",
                "getPicture",
                "The newest picture of a stream that is recorded, small.",
                self._picture,
                scope=Scope.MEDIA,
                is_noted=True,
                query=PictureQuery,
                media_type="image/jpeg",
                problems=(404,),
                description=f"`{TIME_HEADER}` tells when it was taken. Where there is none, the problem says why.",
            )
        ]

    async def _picture(self, call: Call) -> web.Response:
        stream_id, kind = call.path["stream_id"], call.query.kind
        look = await asyncio.shield(self._newest(stream_id, kind))
        if look.found is None:
            raise self._why_not(stream_id, MediaKind(kind), look.is_recorded)
        headers = {TIME_HEADER: str(look.found.at_ms)}
        return web.Response(body=look.found.jpeg, content_type="image/jpeg", headers=headers)

    def _newest(self, stream_id: str, kind: Kind) -> asyncio.Future[_Look]:
        """One look for all who ask within a second."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get((stream_id, kind))
        if kept is None or (kept.look.done() and loop.time() >= kept.until):
            look = loop.run_in_executor(self._thread, partial(self._look, stream_id, kind))
            kept = self._kept[stream_id, kind] = _Kept(loop.time() + FRESH_S, look)
            self._kept.move_to_end((stream_id, kind))
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept.look

    def _look(self, stream_id: str, kind: Kind) -> _Look:
        parts = self._library.of_stream(self._roots(), stream_id)
        for recorded in reversed(parts):
            # An OSError: it is being deleted, or the disk fails. An older part may do.
            with suppress(OSError):
                if found := self._looker.newest(recorded.folder, kind):
                    return _Look(True, found)
        return _Look(bool(parts), None)

    def _why_not(self, stream_id: str, kind: MediaKind, is_recorded: bool) -> Refused:
        stream = stream_of(self._engine, stream_id)
        if stream is None:
            return not_found("stream of this id" if not is_recorded else f"{kind.value} in the recording")
        return Refused.of(404, *_reason(stream, kind, is_recorded))


def _reason(stream: StreamStatistics, kind: MediaKind, is_recorded: bool) -> tuple[str, str]:
    """Why there is no picture, and what to do."""
    overview = stream.overview
    if kind not in stream.info.kinds:
        return f"Nobody asked Zoom for {kind.value}.", "Add it to the kinds of a sink."
    if kind in overview.refused:
        why, _, what_to_do = overview.refused[kind].partition(". ")
        return (
            f"Zoom does not give {kind.value}: {why.rstrip('.')}.",
            what_to_do or "See the stream's timeline.",
        )
    if not is_recorded:
        return "The stream is not recorded.", "Pictures are taken from the files of a sink 'recording'."
    if kind is MediaKind.VIDEO and not any(one.camera for one in overview.participants):
        return "Nobody's camera is on.", "A picture comes when one is switched on."
    if kind is MediaKind.SHARE and not any(one.sharing for one in overview.participants):
        return "Nobody shares a screen.", "A picture comes when somebody does."
    return "None has come yet.", "Try again in a second."
