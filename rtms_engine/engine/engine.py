"""The engine: everything built from a `Config`, started in its order, and told what concerns it.

::

    async with Engine(config) as engine:        # the webhook server listens
        async for stream in engine.streams(MediaKind.TRANSCRIPT):
            async for item in stream:
                print(item)
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog

from .. import cores
from ..api.engine import Disk, EngineStatus, queues
from ..api.face import Deleted, HandedIn
from ..api.metrics import Totals
from ..api.server import ApiServer
from ..config import Config
from ..coordination.shelf import Shelf
from ..errors import ConfigError
from ..keeping import shelf_of
from ..model.ids import StreamId
from ..model.media import MediaKind
from ..model.reasons import Outcome, StopReason
from ..model.retention import Retention
from ..model.signals import AppDeauthorized, StreamSignal, StreamStarted, StreamStopped
from ..processes.pool import ProcessPool, ProcessStatistics
from ..processes.remote import RemoteStream
from ..serving.server import HttpServer
from ..sinks.base import Sink, SinkSpec, StreamInfo
from ..sinks.callback import Callback
from ..sinks.feed import Feed
from ..sinks.services import Services
from ..stream.watching import watcher
from ..stream.worker import StreamStatistics, StreamWorker
from ..supervisor.resources import look, memory_mb
from ..supervisor.supervisor import Supervisor
from ..telemetry.histogram import Histogram
from ..telemetry.story import Entry, Note
from ..vault.files import lock, unlock
from ..webhook.receiver import WebhookReceiver, WebhookStatistics
from ..zoom_api.calls import Action
from ..zoom_api.client import ZoomApi
from .at_zoom import AtZoom
from .auditing import Auditing
from .deletion import Deletion
from .exclusions import PLACE as EXCLUSIONS
from .exclusions import Exclusions
from .intake import Intake, Signal
from .joining import Joining, own_sinks
from .notices import Notices, facts_of
from .stories import Stories
from .terms import Terms, not_reloadable, terms_of
from .vitals import Vitals

_log = structlog.get_logger()


def _unix_s() -> float:
    return time.time()  # noqa: TID251 - the composition root


class Engine:
    """Receives webhooks and streams, and feeds the sinks, while its ``async with`` block runs.

    Entering takes up the streams that an earlier engine had with the same state directory. Leaving
    stops the webhook server, lets go of the streams that still run, and waits for the sinks to finish.
    """

    def __init__(
        self,
        config: Config,
        *,
        callback: Callback | None = None,
        sinks: Sequence[SinkSpec] = (),
        unix_s: Callable[[], float] = _unix_s,
        random: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            config: everything the engine is told.
            callback: called with every item of every stream, besides the configured sinks; see
                `rtms_engine.sinks.callback`.
            sinks: the program's own, besides the configured ones; they have no keys and no service.
            unix_s: the wall clock, Unix seconds.
            random: numbers in [0, 1), for the jitter of reconnects.

        Raises:
            ConfigError: a sink or the CA file cannot be used.
        """
        self.version = version("rtms-engine")
        self._unix_s = unix_s
        self._random = random
        self._totals = Totals()
        self._notices = Notices(
            self._in_force, config, lambda stream_id: facts_of(self._info(stream_id)), unix_s
        )
        self._terms = self._terms_of(config)
        self._stories = Stories(self, shelf_of(config), self._policies, unix_s, self._hear)
        self._services = Services(self._terms.factory.sinks, unix_s)
        self._pool = _pool(config, self._stories.note)
        self._joining = Joining(self._in_force, self._services, self._pool, own_sinks(callback, sinks))
        self._supervisor: Supervisor[StreamWorker | RemoteStream] = Supervisor(
            self._make_worker, self._stream_ended, self._totals.add
        )
        self._zoom_api = ZoomApi(
            api_url=config.zoom.api_url, oauth_url=config.zoom.oauth_url, unix_s=unix_s, random=random
        )
        self._at_zoom = AtZoom(self._in_force, self._zoom_api)
        state = Path(config.state.directory) if config.state.directory else None
        self._intake = Intake(state, self._supervisor, unix_s)
        self._auditing = Auditing(state, self._unix_ms)
        self._exclusions = Exclusions(Shelf(state / EXCLUSIONS) if state else None)
        self._deletion = Deletion(self._in_force, self._supervisor, self._act_on, self._stories.forget)
        self._secret_tokens = self._terms.secret_tokens()
        self._receiver = WebhookReceiver(
            self._secret_tokens,
            self._accept,
            path=config.server.path,
            unix_s=unix_s,
            why_not_ready=lambda: None if self._supervisor.accepts else "shutting down",
            rejected=self._auditing.webhook_rejected,
        )
        self._server = HttpServer(
            "server",
            self._receiver.application(),
            config.server.host,
            config.server.port,
            shutdown_s=3.0,
            auto_decompress=False,
        )
        self._vitals = Vitals(self.processes)
        self._api: ApiServer | None = None
        self._started_s = 0.0
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen for webhooks.

        Raises:
            ConfigError: an address cannot be used, or another engine has the state directory.
        """
        self._started_s = self._unix_s()
        async with AsyncExitStack() as stack:
            unlock(self._terms.factory.vault)
            stack.callback(self._lock)
            await stack.enter_async_context(self._intake)
            await stack.enter_async_context(self._auditing)
            self._auditing.config_in_force(self._terms.config)
            await stack.enter_async_context(self._stories)
            await stack.enter_async_context(self._services)
            await stack.enter_async_context(self._zoom_api)
            await stack.enter_async_context(self._notices)
            await stack.enter_async_context(self._pool or contextlib.nullcontext())
            await stack.enter_async_context(self._supervisor)
            stack.push_async_callback(self._intake.rest)
            await self._intake.take_up(self._stories.recall)
            await self._deletion.begin()
            await stack.enter_async_context(self._server)
            if self._terms.config.api.enabled:
                from .api import api_server

                await stack.enter_async_context(self._vitals)
                server = api_server(self, self._terms.config, self._unix_ms)
                self._api = await stack.enter_async_context(server)
            self._running = stack.pop_all()
        _log.info(
            "EngineStarted",
            webhook=self.webhook_url,
            api=self.api_url,
            dashboard=self.dashboard_url,
            apps=list(self._secret_tokens),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
        await self._running.__aexit__(None, None, None)
        _log.info("EngineStopped")

    def __repr__(self) -> str:
        return f"<Engine {self.webhook_url} streams={len(self._supervisor.workers)}>"

    # --- its life ---

    @property
    def drain_timeout_s(self) -> float:
        """How long `drain` takes at most; it may change with `reload`."""
        return self._terms.config.server.drain_timeout_s

    async def drain(self, *, end_streams: bool = False) -> None:
        """Take no more streams, and wait until those that run are over.

        After ``server.drain_timeout_s`` the engine lets go of those that still run, so that another one
        can take them over; with ``end_streams`` it asks Zoom to end them instead.
        """
        give_up = self._end_all if end_streams else self.release
        timer = asyncio.get_running_loop().call_later(self.drain_timeout_s, give_up)
        try:
            await self._supervisor.drain()
        finally:
            timer.cancel()

    def release(self) -> None:
        """Let go of every stream without ending it at Zoom; take no more, and start none again."""
        self._supervisor.release()

    def reload(self, config: Config) -> None:
        """Use another configuration for what starts from now on.

        What a running engine cannot change is said in the log. Raises ConfigError, and then changes nothing.
        """
        before, self._terms = self._terms, self._terms_of(config)
        unlock(self._terms.factory.vault)
        if self._pool is not None:
            self._pool.configure(config)
        self._secret_tokens.clear()
        self._secret_tokens.update(self._terms.secret_tokens())
        self._auditing.config_in_force(config, before.config)
        outdated = (f"sinks.{name}" for name in self._services.outdated(self._terms.factory.sinks))
        for key in (*not_reloadable(before.config, config), *outdated):
            _log.warning("ReloadLimited", key=key, reason="it needs a restart")
        self._deletion.terms_changed()
        self._stories.listen_to_the_log()  # whoever read the configuration may have configured the log anew
        _log.info("ConfigReloaded", apps=list(self._secret_tokens))

    # --- what happens ---

    async def _accept(self, signal: Signal) -> None:
        """Take what a webhook says: what the journal does not bring back is acted on before Zoom's answer."""
        if isinstance(signal, AppDeauthorized):
            is_new = await self._act_on(signal)
        else:
            is_new = await self._intake.take(signal) is not None
        self._auditing.webhook_accepted(signal, is_new=is_new)

    async def _act_on(self, signal: Signal) -> bool:
        """Take a signal and act on it. Returns whether it was new; a repetition changes nothing."""
        acted = await self._intake.take(signal)
        if acted is None:
            return False
        await asyncio.shield(acted)
        if isinstance(signal, AppDeauthorized):
            await self._deletion.deauthorized(signal)
        return True

    def _make_worker(self, start: StreamStarted, resumed: bool) -> StreamWorker | RemoteStream:
        worker = self._joining.worker(start, self._supervisor.workers.values(), resumed=resumed)
        for user_id in self._exclusions.of(start.stream_id, resumed=resumed):
            worker.exclude(user_id, excluded=True)
        self._auditing.stream_owner(start, "processes" if self._pool else "engine", resumed=resumed)
        return worker

    async def _stream_ended(self, stream_id: StreamId, statistics: StreamStatistics | None) -> None:
        """What follows from an end: what is owed first, then who wants to know."""
        await self._exclusions.ended(stream_id)
        ending = statistics.ending if statistics else None
        if statistics is None or ending is None:
            await self._intake.ended(stream_id, None)
            return
        info, reason = statistics.info, ending.stop_reason
        if reason.outcome is Outcome.ERASE:
            self._stories.forget(stream_id)
        await asyncio.to_thread(self._terms.keeper.stream_ended, info, ending)
        await self._intake.ended(stream_id, ending)
        await self._notices.ended(info, ending)
        self._restart_if_wanted(info, reason)

    def _restart_if_wanted(self, stream: StreamInfo, reason: StopReason) -> None:
        now = asyncio.get_running_loop().time()
        if self._supervisor.accepts and self._at_zoom.wants_restart(stream, reason, now):
            self._supervisor.errand(self._at_zoom.restart(stream, reason), f"restart:{stream.stream_id}")

    def _end_all(self) -> None:
        for worker in self._supervisor.workers.values():
            worker.request_end()

    # --- what its parts ask of it ---

    def _lock(self) -> None:
        lock(self._terms.factory.vault)

    def _terms_of(self, config: Config) -> Terms:
        return terms_of(config, self._unix_ms, self._random, self._notices.deleted)

    def _in_force(self) -> Terms:
        return self._terms

    def _policies(self) -> Mapping[str, Retention]:
        return {app.name: app.retention for app in self._terms.config.apps}

    def _info(self, stream_id: str) -> StreamInfo | None:
        worker = self._supervisor.workers.get(StreamId(stream_id))
        recent = (one.info for one in reversed(self._supervisor.recent) if one.info.stream_id == stream_id)
        return worker.info if worker else next(recent, None)

    def _unix_ms(self) -> int:
        return int(self._unix_s() * 1000)

    # --- what it shows ---

    @property
    def webhook_url(self) -> str:
        """Where this engine takes webhooks, as seen from this machine."""
        return self._server.url + self._receiver.path

    @property
    def api_url(self) -> str | None:
        """Where this engine's HTTP API is, as seen from this machine; None if there is none."""
        return self._api.url if self._api else None

    @property
    def dashboard_url(self) -> str | None:
        """Where a browser shows what this engine does; None if it has no API."""
        return f"{self._api.url}/" if self._api else None

    def live_streams(self) -> Mapping[StreamId, StreamStatistics]:
        """The streams that run, each as it stands when it is looked up."""
        return self._supervisor.statistics

    def recent_streams(self) -> tuple[StreamStatistics, ...]:
        """The streams that ended, oldest first; the last thousand."""
        return self._supervisor.recent

    def story(self, stream_id: str) -> Sequence[Entry]:
        """What happened to a stream, in words and in order; empty if it is not known."""
        return self._stories.book.of(stream_id)

    def storied(self) -> Sequence[str]:
        """The streams that have a story, the one in which something happened last first."""
        return self._stories.book.streams()

    def listen(self, stream_id: str, listener: Callable[[Entry], None]) -> AbstractContextManager[None]:
        """Call ``listener`` with every new entry of a stream's story, while the ``with`` block runs."""
        return self._stories.book.listen(stream_id, listener)

    def processes(self) -> tuple[ProcessStatistics, ...]:
        """The processes that streams run in; none if that is this one."""
        return self._pool.statistics() if self._pool else ()

    def webhooks(self) -> WebhookStatistics:
        """The webhooks received, by result."""
        return self._receiver.statistics()

    def webhook_results(self) -> Mapping[str, int]:
        """Webhooks by what became of them."""
        return msgspec.structs.asdict(self._receiver.statistics())

    def webhook_latency(self) -> Histogram:
        """How long the answers to webhooks took."""
        return self._receiver.latency

    def ended_totals(self) -> Totals:
        """The sums over the streams that ended."""
        return self._totals

    def restarts(self) -> int:
        """How often Zoom was asked to start a stream again that had ended for a technical reason."""
        return self._at_zoom.restarts

    def intake_depth(self) -> int:
        """Streams that the journal owes something: announced, and not over."""
        return self._intake.depth

    def loop_lags(self) -> Mapping[str, float]:
        """How much the event loops lag behind, in seconds: this process's, and those of `processes`."""
        return self._vitals.loop_lags()

    def free_disk(self) -> Mapping[str, float]:
        """Bytes that are free where sinks write, by directory."""
        free_mb = look(self._terms.factory.directories).free_disk_mb
        return {place: mb * 1e6 for place, mb in free_mb.items()}

    def recording_roots(self) -> list[Path]:
        """Where recordings lie."""
        return self._terms.factory.recording_roots

    def status(self) -> EngineStatus:
        """How the engine fares, at a look."""
        live = self.live_streams().values()
        return EngineStatus(
            version=self.version,
            started_ms=int(self._started_s * 1000),
            uptime_s=round(self._unix_s() - self._started_s, 1),
            draining=not self._supervisor.accepts,
            streams=len(live),
            ended={reason: int(count) for (reason,), count in self._totals.ended.items()},
            memory_mb=round(memory_mb(), 1),
            processes=self._vitals.statuses(len(live)),
            sinks=queues(sink for stream in live for sink in stream.sinks),
            disks=[Disk(place, int(free)) for place, free in self.free_disk().items()],
            webhooks=self.webhook_results(),
        )

    # --- what it does when asked ---

    def streams(self, *kinds: MediaKind) -> AsyncIterator[Feed]:
        """Every stream that starts from now on, each an asynchronous iterator over its items.

        Args:
            kinds: the media wanted in the feeds; Zoom is asked for them in addition to what the
                sinks want. None at all: events only.
        """
        return self._joining.feeds(frozenset(kinds))

    @contextmanager
    def watch(
        self, stream_id: StreamId, make: Callable[[], Sink], kinds: frozenset[MediaKind]
    ) -> Iterator[None]:
        """Let a sink have what comes of a stream from now on, while the ``with`` block runs.

        Zoom is asked for nothing because of it: it gets those of ``kinds`` that other sinks asked for.
        Raises KeyError if there is no such stream, LookupError if it does not run any more.
        """
        worker = self._supervisor.workers[stream_id]
        runner = watcher(make, kinds)
        worker.attach(runner)
        try:
            yield
        finally:
            worker.detach(runner)

    def follow(self, stream_id: StreamId, user_id: int | None) -> None:
        """Choose whose camera a stream shows; None: as configured. Raises KeyError if there is no such stream."""
        self._supervisor.workers[stream_id].follow(user_id)

    async def exclude(self, stream_id: StreamId, user_id: int, *, excluded: bool) -> None:
        """Let nothing of a participant reach a sink of a stream from now on, or let it again.

        It holds until the stream is over, also for the next engine. Raises KeyError if there is no such stream,
        ConfigError if its wire is captured, which would keep them all the same.
        """
        if self._terms.config.rtms.capture:
            raise ConfigError(["rtms.capture: writes what Zoom sends, whoever is excluded; switch it off"])
        self._supervisor.workers[stream_id].exclude(user_id, excluded=excluded)
        try:
            await self._exclusions.change(stream_id, user_id, excluded=excluded)
        except OSError as error:
            _log.error("ExclusionNotKept", stream_id=stream_id, reason=error.strerror or str(error))

    def end_stream(self, stream_id: StreamId) -> None:
        """Ask Zoom to end a stream (STREAM_CLOSE_REQ). Raises KeyError if there is no such stream."""
        self._supervisor.workers[stream_id].request_end()

    async def control(self, stream_id: StreamId, action: Action) -> None:
        """Have Zoom pause or resume a stream, through its REST API.

        Raises KeyError if there is no such stream, ConfigError if its app has no credentials for this, and
        what `ZoomApi.control` raises.
        """
        await self._at_zoom.control(self._supervisor.workers[stream_id].info, action)

    def app_names(self) -> Sequence[str]:
        """The apps whose streams are taken."""
        return [app.name for app in self._terms.config.apps]

    def may_connect(self, url: str) -> bool:
        """Whether a server is one that streams may be taken from."""
        return self._terms.factory.may_connect(url)

    async def hand_in(self, signal: StreamSignal) -> HandedIn:
        """Take a signal as if Zoom had sent its webhook to this engine.

        Raises ShuttingDown or JournalError if it cannot be kept; the caller may try again.
        """
        said: list[Entry] = []
        with self.listen(signal.stream_id, said.append):
            is_new = await self._act_on(signal)
        ignored = [entry.text for entry in said if entry.event in ("StreamRefused", "WebhookIgnored")]
        return HandedIn(is_new, "" if isinstance(signal, StreamStopped) else "".join(ignored[-1:]))

    async def delete_stored(self, stream_id: StreamId, by: str) -> Deleted:
        """Delete what sinks and captures have stored of a stream that does not run; ``by`` is who wants it."""
        return await self._deletion.delete_stored(stream_id, by)

    async def write(self, action: str, about: Mapping[str, str | int]) -> None:
        """Write down who did what, in the audit log; it is on the disk when this returns."""
        await self._auditing.write(action, about)

    def note(self, action: str, about: Mapping[str, str | int]) -> None:
        """The same, a moment later."""
        self._auditing.note(action, about)

    def _hear(self, stream_id: str, entry: Entry) -> None:
        """The story of a stream goes on."""
        self._notices.hear(stream_id, entry)
        self._auditing.hear(stream_id, entry)


def _pool(config: Config, note: Note) -> ProcessPool | None:
    """The processes that streams run in; None: this one."""
    server = config.server
    size = cores.count() if server.workers == "auto" else server.workers
    return ProcessPool(size, server.worker_timeout_s, config, note) if size > 1 else None
