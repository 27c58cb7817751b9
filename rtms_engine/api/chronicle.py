"""The stories of streams, found again: of those that run, of those that ended, of those of earlier engines.

What happens is told to a `StoryKeeper`, which keeps every story on disk, a second later at the latest. So
``why`` has an answer when the engine is gone, however it went. Nobody's name is in what is kept.
"""

import asyncio
import contextlib
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, cast

import msgspec
import structlog

from ..coordination.shelf import Shelf
from ..errors import ConfigError
from ..model.ids import StreamId
from ..model.retention import Retention
from ..stream.worker import StreamStatistics
from ..telemetry.story import Entry
from .operation import Call, Operation
from .problem import Refused, not_found
from .why import StreamStory

PLACE = "stories"
"""Where they lie in the state directory."""
FLUSH_S = 1.0
PRUNE_S = 3600.0
_NO_MORE = frozenset({"StreamDeleted"})
"""What is said of a stream when what was kept of it is deleted."""

_log = structlog.get_logger()


_decode_story = msgspec.json.Decoder(StreamStory).decode


class WhyQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose story."""

    stream: str = ""
    """Its id, or the beginning of it; none: of the stream in which something happened last."""


class Face(Protocol):
    """What of the engine is told."""

    def live_streams(self) -> Mapping[StreamId, StreamStatistics]:
        """The streams that run now."""

    def recent_streams(self) -> Sequence[StreamStatistics]:
        """The streams that ended, oldest first."""

    def story(self, stream_id: str) -> Sequence[Entry]:
        """What happened to a stream, in words; empty if it is not known."""

    def storied(self) -> Sequence[str]:
        """The streams that have a story, the one in which something happened last first."""


class Chronicle:
    """The operation that tells why a stream is as it is.

    Args:
        engine: who knows the streams of now.
        shelf: what was kept of earlier ones; None: nothing.
    """

    def __init__(self, engine: Face, shelf: Shelf | None) -> None:
        self._engine = engine
        self._shelf = shelf

    def operations(self) -> list[Operation]:
        """The row."""
        return [
            Operation(
                "GET",
                "/api/v1/why",
                "explainStream",
                "Why a stream is as it is, and what happened, in words; also of streams of earlier engines.",
                self._why,
                query=WhyQuery,
                answer=StreamStory,
                problems=(404, 409),
            )
        ]

    async def _why(self, call: Call) -> StreamStory:
        text = call.query.stream
        found = self._here(text)
        if not found and self._shelf is not None:
            found = await asyncio.to_thread(kept_stories, self._shelf, text)
        return the_one(found, text)

    def _here(self, text: str) -> dict[str, StreamStory]:
        known = statistics_of(self._engine)
        ids = [one for one in (*self._engine.storied(), *known) if one.startswith(text)]
        if not text or text in ids:
            ids = [text] if text in ids else ids[:1]
        return {one: StreamStory.of(one, known.get(one), self._engine.story(one)) for one in ids}


def the_one(found: Mapping[str, StreamStory], text: str) -> StreamStory:
    """The only story that was found, or the one whose id was given in full. Raises Refused."""
    if text in found:
        return found[text]
    if not found:
        raise not_found("story of a stream whose id begins so" if text else "story of any stream")
    if len(found) > 1 and text:
        raise Refused.of(
            409, f"{len(found)} streams have ids that begin so.", "Give more of the id.", field="query.stream"
        )
    return next(iter(found.values()))


def kept_stories(shelf: Shelf, text: str) -> dict[str, StreamStory]:
    """Those on a shelf whose ids begin so, the one that changed last first; only that one if ``text`` is
    empty. Blocks. What cannot be read, as of another version of the engine, is left out.
    """
    found: dict[str, StreamStory] = {}
    for story in _readable(shelf.beginning(text)):
        if story.id.startswith(text):
            found[story.id] = story
            if not text:
                break
    return found


def _readable(contents: Iterable[bytes]) -> Iterator[StreamStory]:
    for content in contents:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _decode_story(content)


def statistics_of(engine: Face) -> Mapping[str, StreamStatistics]:
    """What is known of streams, by id: those that run go before those that ended."""
    ended: dict[str, StreamStatistics] = {one.info.stream_id: one for one in engine.recent_streams()}
    return ChainMap(cast("dict[str, StreamStatistics]", engine.live_streams()), ended)


class StoryKeeper:
    """Keeps the stories that change, while its ``async with`` block runs, and those of its last moment.

    Args:
        engine: who knows them.
        shelf: where they are kept.
        policies: how long what is stored of each app is kept; the stories of an app that may store nothing
            are not, nor those of nobody knows whose app if there is such a one.
        unix_s: the wall clock.
    """

    def __init__(
        self,
        engine: Face,
        shelf: Shelf,
        policies: Callable[[], Mapping[str, Retention]],
        unix_s: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._shelf = shelf
        self._policies = policies
        self._unix_s = unix_s
        self._changed: set[str] = set()
        self._forgotten: set[str] = set()
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._run(), name="stories")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._flush()

    def changed(self, stream_id: str, entry: Entry) -> None:
        """Something happened to a stream. May be called from any thread."""
        if entry.event in _NO_MORE:
            self._forgotten.add(stream_id)
        self._changed.add(stream_id)

    def forget(self, stream_id: str) -> None:
        """Keep nothing of a stream any more, and delete what was kept; at the next flush."""
        self._forgotten.add(stream_id)
        self._changed.add(stream_id)

    def recall(self, stream_id: str) -> Sequence[Entry]:
        """What was kept of a stream that is taken up again. Blocks."""
        content = self._shelf.get(stream_id)
        return next((story.entries for story in _readable([content] if content else [])), ())

    async def _run(self) -> None:
        due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() >= due:
                due = loop.time() + PRUNE_S
                await self._try(self._prune, self._policies())
            await asyncio.sleep(FLUSH_S)
            await self._flush()

    async def _flush(self) -> None:
        changed, self._changed = self._changed, set()
        if not changed:
            return
        known, policies = statistics_of(self._engine), self._policies()
        stories: dict[str, StreamStory | None] = {}
        for stream_id in changed:
            statistics = known.get(stream_id)
            may_keep = stream_id not in self._forgotten and _may_keep(statistics, policies)
            entries = self._engine.story(stream_id)
            stories[stream_id] = StreamStory.of(stream_id, statistics, entries).kept() if may_keep else None
        await self._try(self._write, stories)

    async def _try(self, work: Callable[[Any], None], argument: Any) -> None:
        try:
            await asyncio.to_thread(work, argument)
        except (OSError, ConfigError) as error:
            _log.warning("StoriesNotKept", reason=str(error))

    def _write(self, stories: Mapping[str, StreamStory | None]) -> None:
        for stream_id, story in stories.items():
            if story is None:
                self._shelf.forget(stream_id)
            else:
                self._shelf.put(stream_id, msgspec.json.encode(story))

    def _prune(self, policies: Mapping[str, Retention]) -> None:
        self._shelf.prune(self._unix_s())
        if any(policy.days is not None for policy in policies.values()):
            for story in _readable(self._shelf.beginning("")):
                stream = story.stream
                if stream is not None and stream.ended_ms is not None:
                    policy = policies.get(stream.app, Retention())
                    if policy.is_over(stream.ended_ms, int(self._unix_s() * 1000)):
                        self._shelf.forget(story.id)


def _may_keep(statistics: StreamStatistics | None, policies: Mapping[str, Retention]) -> bool:
    if statistics is None:
        return not any(policy.stores_nothing for policy in policies.values())
    return not policies.get(statistics.info.app, Retention()).stores_nothing
