"""From an announced stream to its worker and its sinks, if it may be joined."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from ..errors import StreamRefused
from ..model.media import MediaKind
from ..model.signals import StreamStarted
from ..processes.pool import ProcessPool
from ..processes.remote import RemoteStream
from ..sinks import registry
from ..sinks.base import SinkSpec, StreamInfo
from ..sinks.callback import Callback, CallbackSink
from ..sinks.delivery import PATIENT
from ..sinks.feed import Feed, FeedSink
from ..sinks.registry import ReadySink
from ..sinks.services import Services
from ..stream.worker import StreamWorker
from ..supervisor.admission import admit, full_disks
from ..supervisor.resources import Lookout
from .terms import InForce

_log = structlog.get_logger()


class Joining:
    """Makes workers.

    Args:
        terms: in force when a stream starts.
        services: of the configured sinks, running.
        pool: the processes that streams run in; None: this one.
        own_sinks: the program's, besides the configured ones; see `own_sinks`.
    """

    def __init__(
        self, terms: InForce, services: Services, pool: ProcessPool | None, own_sinks: Iterable[ReadySink]
    ) -> None:
        self._terms = terms
        self._services = services
        self._pool = pool
        self._own_sinks = list(own_sinks)
        self._resources = Lookout()

    def worker(
        self, start: StreamStarted, others: Collection[StreamWorker | RemoteStream], *, resumed: bool
    ) -> StreamWorker | RemoteStream:
        """The worker of a stream.

        Args:
            start: what announced it.
            others: the workers that there are.
            resumed: an earlier engine had it: then it has its place already.

        Raises:
            StreamRefused: beyond a limit.
            EndpointRefused: its server is off the allow-list.
        """
        factory = self._terms().factory
        without = frozenset[str]() if resumed else self._admitted(start, others)
        own, services = self._own_sinks, self._services
        if self._pool is None:
            return factory.make(start, own, services, resumed=resumed, without=without)
        return factory.make_remote(start, own, services, self._pool, resumed=resumed, without=without)

    async def feeds(self, kinds: frozenset[MediaKind]) -> AsyncIterator[Feed]:
        """A feed of every stream that starts from now on."""
        feeds: asyncio.Queue[Feed] = asyncio.Queue()
        spec = SinkSpec(
            "feed", lambda _: FeedSink(feeds.put_nowait), kinds=kinds, live=True, delivery=PATIENT
        )
        with self._also(_own(spec)):
            while True:
                yield await feeds.get()

    @contextmanager
    def _also(self, sink: ReadySink) -> Iterator[None]:
        self._own_sinks.append(sink)
        try:
            yield
        finally:
            self._own_sinks.remove(sink)

    def _admitted(
        self, start: StreamStarted, others: Collection[StreamWorker | RemoteStream]
    ) -> frozenset[str]:
        """The sinks that a new stream has to do without. Raises StreamRefused."""
        limits, factory = self._terms().config.limits, self._terms().factory
        resources = self._resources.look(factory.directories, asyncio.get_running_loop().time())
        live: Collection[StreamInfo] = ()
        if len(others) >= limits.max_streams or limits.one_stream_per_meeting != "all":
            live = [other.info for other in others if not other.is_over]  # of two thousand it takes a while
        if why := admit(start, live, limits, resources):
            raise StreamRefused(why)
        return self._left_out(start, full_disks(limits, resources))

    def _left_out(self, start: StreamStarted, full: Mapping[str, str]) -> frozenset[str]:
        """The sinks that do not get a new stream, since their disk is full; the others go on.

        Raises StreamRefused if no sink is left.
        """
        sinks = self._terms().factory.sinks_of(start.app)
        left_out = {sink.name: full[sink.directory] for sink in sinks if sink.directory in full}
        if left_out and len(left_out) == len(sinks) and not self._own_sinks:
            raise StreamRefused(next(iter(left_out.values())))
        for name, why in left_out.items():
            _log.error("SinkLeftOut", stream_id=start.stream_id, sink=name, reason=why)
        return frozenset(left_out)


def own_sinks(callback: Callback | None, specs: Iterable[SinkSpec]) -> list[ReadySink]:
    """The sinks of the program that the engine is part of; they have no keys."""
    mine = list(specs)
    if callback is not None:
        mine.insert(0, SinkSpec("callback", lambda _: CallbackSink(callback), live=True, delivery=PATIENT))
    return [_own(spec) for spec in mine]


def _own(spec: SinkSpec) -> ReadySink:
    return registry.ready(spec, spec.name, spec.kinds, spec.config_type())
