"""The composition root: builds everything from a `Config` and knows everybody.

::

    async with Engine(config) as engine:        # the webhook server listens
        async for stream in engine.streams(MediaKind.TRANSCRIPT):
            async for item in stream:
                print(item)
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, suppress
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
from aiohttp import web

from .api.access import Doorkeeper
from .api.chronicle import Chronicle, StoryKeeper
from .api.engine import Disk, EngineStatus, ProcessStatus, engine_operation, queues
from .api.face import Deleted, HandedIn
from .api.metrics import Totals, metrics_operation
from .api.server import ApiServer
from .api.session import Sessions
from .api.streams import Streams
from .api.tokens import TokenFile
from .config import AppConfig, Config
from .coordination.base import Journal
from .coordination.lock import DirectoryLock
from .coordination.memory import MemoryJournal
from .coordination.sqlite import SqliteJournal
from .errors import ConfigError, RtmsError, ShuttingDown, StreamRefused
from .keeping import CAPTURES, keeper_of, shelf_of
from .model.ids import StreamId
from .model.media import MediaKind
from .model.reasons import Outcome, StopReason
from .model.retention import Retention
from .model.signals import (
    AccountSignal,
    AppDeauthorized,
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
)
from .notifications.notifier import Facts, Notifier
from .notifications.progress import Outcome as RecordingOutcome
from .notifications.progress import Told
from .processes.pool import ProcessPool, ProcessStatistics, cores
from .processes.remote import RemoteStream
from .retention.keeper import Removal
from .sinks import registry
from .sinks.base import DeletionCause, Ending, Sink, SinkSpec, StreamInfo
from .sinks.callback import Callback, CallbackSink
from .sinks.delivery import PATIENT
from .sinks.feed import Feed, FeedSink
from .sinks.registry import ReadySink
from .sinks.services import Services
from .stream.watching import watcher
from .stream.worker import StreamStatistics, StreamWorker
from .stream_factory import StreamFactory
from .supervisor.admission import admit, full_disks
from .supervisor.resources import look, memory_mb
from .supervisor.restart import RestartPolicy
from .supervisor.supervisor import Supervisor
from .telemetry.histogram import Histogram
from .telemetry.load import Load
from .telemetry.loop_lag import LoopLag
from .telemetry.story import Entry, Note, StoryBook, hearing
from .telemetry.tap import tap, untap
from .webhook.listener import Listener
from .webhook.receiver import WebhookReceiver, WebhookStatistics
from .zoom_api.calls import Action
from .zoom_api.client import ZoomApi

_log = structlog.get_logger()

SWEEP_S = 3600.0
"""How often is looked for what has been kept long enough."""
NOT_RELOADABLE = (
    "server.host",
    "server.port",
    "server.path",
    "server.workers",
    "server.worker_timeout_s",
    "api.enabled",
    "api.host",
    "api.port",
    "api.anonymous",
    "api.hosts",
    "api.requests_per_s",
    "notifications",
    "state.directory",
    "zoom.api_url",
    "zoom.oauth_url",
)
"""What a running engine cannot change."""


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
        self._config = config
        self._unix_s = unix_s
        self._random = random
        self._factory = StreamFactory(config, self._unix_ms, random)
        self._services = Services(self._factory.sinks, unix_s)
        self._own_sinks: list[ReadySink] = []
        if callback is not None:
            spec = SinkSpec("callback", lambda _: CallbackSink(callback), live=True, delivery=PATIENT)
            self._own_sinks.append(_own(spec))
        self.version = version("rtms-engine")
        self._totals = Totals()
        self._own_sinks.extend(map(_own, sinks))
        self._stories = StoryBook()
        self._notifier = _notifier(config, self._facts_of, unix_s)
        self._hearing = hearing(self._note, self._unix_ms)
        self._pool = _pool(config, self._note)
        self._supervisor: Supervisor[StreamWorker | RemoteStream] = Supervisor(
            self._make_worker, self._stream_ended, self._totals.add
        )
        self._secret_tokens = _secret_tokens(config)
        self._receiver = WebhookReceiver(
            self._secret_tokens,
            self._accept,
            path=config.server.path,
            unix_s=unix_s,
            why_not_ready=lambda: None if self._supervisor.accepts else "shutting down",
        )
        self._zoom_api = ZoomApi(
            api_url=config.zoom.api_url,
            oauth_url=config.zoom.oauth_url,
            unix_s=unix_s,
            random=random,
        )
        self._restart_policy = RestartPolicy()
        self._errands: set[asyncio.Task[None]] = set()
        """What nobody waits for when the engine is told to let go."""
        self._keeper = keeper_of(config, self._factory.sinks, self._unix_ms, self._deleted)
        self._reloaded = asyncio.Event()
        """For the sweep."""
        self._journal: Journal = MemoryJournal(unix_s)
        self._restarted = 0
        self._unfinished: set[StreamId] = set()
        self._shelf = shelf_of(config)
        self._story_keeper = (
            StoryKeeper(self, self._shelf, self._policies, unix_s) if self._shelf is not None else None
        )
        self._running = AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._api: ApiServer | None = None
        self._lag: LoopLag | None = None
        self._load = Load()
        self._started_s = 0.0
        self._port = config.server.port

    async def __aenter__(self) -> Self:
        """Listen for webhooks.

        Raises:
            ConfigError: an address cannot be used, or another engine has the state directory.
        """
        self._started_s = self._unix_s()
        async with AsyncExitStack() as stack:
            tap(self._hearing)
            stack.callback(untap, self._hearing)
            if self._config.state.directory:
                directory = Path(self._config.state.directory)
                stack.enter_context(DirectoryLock(directory))
                self._journal = await SqliteJournal.open(directory, self._unix_s)
            stack.push_async_callback(self._journal.close)
            if self._story_keeper is not None:
                await stack.enter_async_context(self._story_keeper)
            await stack.enter_async_context(self._services)
            await stack.enter_async_context(self._zoom_api)
            self._loop = asyncio.get_running_loop()
            if self._notifier is not None:
                await stack.enter_async_context(self._notifier)
            if self._pool is not None:
                await stack.enter_async_context(self._pool)
            await stack.enter_async_context(self._supervisor)
            stack.callback(self.release)  # also if something below cannot be entered: errands would go on
            for stream in await self._journal.unfinished():
                self._unfinished.add(stream.start.stream_id)
                self._recall(stream.start.stream_id)
                await self._supervisor.take_up(stream.start, stream.stop)
            for number, deauthorized in await asyncio.to_thread(self._keeper.open_deauthorizations):
                self._run_errand(self._deauthorize(deauthorized, number), f"deauthorize:{number}")
            self._run_errand(self._sweep(), "retention")
            await self._listen(stack)
            if self._config.api.enabled:
                self._watch_lag(stack)
                self._api = await stack.enter_async_context(self._api_server())
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

    async def _listen(self, stack: AsyncExitStack) -> None:
        runner = web.AppRunner(
            self._receiver.application(), auto_decompress=False, access_log=None, shutdown_timeout=3.0
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        server = self._config.server
        try:
            listener = await stack.enter_async_context(Listener(_server(runner), server.host, server.port))
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise ConfigError([f"server: cannot listen on {server.host}:{server.port}: {why}"]) from error
        self._port = listener.port

    def _watch_lag(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        self._lag = lag = LoopLag(loop.time())
        ticks = AsyncExitStack()

        def tick() -> None:
            ticks.pop_all()
            self._load.note(loop.time(), time.process_time())
            ticks.callback(loop.call_at(lag.tick(loop.time()), tick).cancel)

        stack.push_async_exit(ticks)
        tick()

    def _api_server(self) -> ApiServer:
        # Who has no API needs none of its codecs.
        from .api.artifacts import Artifacts
        from .api.control import Control
        from .api.direct_connect import DirectConnect
        from .api.intake import Intake
        from .api.live import Live
        from .api.picture import Pictures
        from .api.recordings import Recordings
        from .recording.library import Library

        api, directory = self._config.api, self._config.state.directory
        find = TokenFile(Path(directory)).find if directory else _no_token
        library = Library()
        doorkeeper = Doorkeeper(
            find,
            anonymous=api.anonymous,
            hosts=frozenset(api.hosts),
            requests_per_s=api.requests_per_s,
        )
        return ApiServer(
            [
                *Streams(self).operations(),
                *Intake(self, self._unix_ms).operations(),
                *Control(self).operations(),
                *DirectConnect(self, library, self.recording_roots, self._unix_ms).operations(),
                *Live(self).operations(),
                *Recordings(library, self.recording_roots).operations(),
                *Artifacts(self, library, self.recording_roots).operations(),
                *Chronicle(self, self._shelf).operations(),
                *Pictures(self, library, self.recording_roots).operations(),
                *Sessions(doorkeeper).operations(),
                engine_operation(self.status),
                metrics_operation(self),
            ],
            doorkeeper,
            version=self.version,
            host=api.host,
            port=api.port,
        )

    def __repr__(self) -> str:
        return f"<Engine {self.webhook_url} streams={len(self._supervisor.workers)}>"

    # --- its face ---

    @property
    def webhook_url(self) -> str:
        """Where this engine takes webhooks, as seen from this machine."""
        host = self._config.server.host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - from all to one
        return f"http://{host}:{self._port}{self._config.server.path}"

    @property
    def api_url(self) -> str | None:
        """Where this engine's HTTP API is, as seen from this machine; None if there is none."""
        return self._api.url if self._api else None

    @property
    def dashboard_url(self) -> str | None:
        """Where a browser shows what this engine does; None if it has no API."""
        return f"{self._api.url}/" if self._api else None

    async def streams(self, *kinds: MediaKind) -> AsyncIterator[Feed]:
        """Every stream that starts from now on, each an asynchronous iterator over its items.

        Args:
            kinds: the media wanted in the feeds; Zoom is asked for them in addition to what the
                sinks want. None at all: events only.
        """
        feeds: asyncio.Queue[Feed] = asyncio.Queue()
        spec = SinkSpec(
            "feed",
            lambda _: FeedSink(feeds.put_nowait),
            kinds=frozenset(kinds),
            live=True,
            delivery=PATIENT,
        )
        mine = _own(spec)
        self._own_sinks.append(mine)
        try:
            while True:
                yield await feeds.get()
        finally:
            self._own_sinks.remove(mine)

    def live_streams(self) -> Mapping[StreamId, StreamStatistics]:
        """The streams that run, each as it stands when it is looked up."""
        return self._supervisor.statistics

    def recent_streams(self) -> tuple[StreamStatistics, ...]:
        """The streams that ended, oldest first; the last thousand."""
        return self._supervisor.recent

    def story(self, stream_id: str) -> Sequence[Entry]:
        """What happened to a stream, in words and in order; empty if it is not known."""
        return self._stories.of(stream_id)

    def storied(self) -> Sequence[str]:
        """The streams that have a story, the one in which something happened last first."""
        return self._stories.streams()

    def listen(self, stream_id: str, listener: Callable[[Entry], None]) -> AbstractContextManager[None]:
        """Call ``listener`` with every new entry of a stream's story, while the ``with`` block runs."""
        return self._stories.listen(stream_id, listener)

    def processes(self) -> tuple[ProcessStatistics, ...]:
        """The processes that streams run in; none if that is this one."""
        return self._pool.statistics() if self._pool else ()

    def webhooks(self) -> WebhookStatistics:
        """The webhooks received, by result."""
        return self._receiver.statistics()

    def ended_totals(self) -> Totals:
        """The sums over the streams that ended."""
        return self._totals

    def webhook_results(self) -> Mapping[str, int]:
        """Webhooks by what became of them."""
        return msgspec.structs.asdict(self._receiver.statistics())

    def webhook_latency(self) -> Histogram:
        """How long the answers to webhooks took."""
        return self._receiver.latency

    def restarts(self) -> int:
        """How often Zoom was asked to start a stream again that had ended for a technical reason."""
        return self._restarted

    def intake_depth(self) -> int:
        """Streams that the journal owes something: announced, and not over."""
        return len(self._unfinished)

    def loop_lags(self) -> Mapping[str, float]:
        """How much the event loops lag behind, in seconds: this process's, and those of `processes`."""
        others = {str(process.number): process.lag_s for process in self.processes()}
        return {"engine": self._lag.lag_s if self._lag else 0.0, **others}

    def free_disk(self) -> Mapping[str, float]:
        """Bytes that are free where sinks write, by directory."""
        return {place: mb * 1e6 for place, mb in look(self._factory.directories).free_disk_mb.items()}

    def recording_roots(self) -> list[Path]:
        """Where recordings lie."""
        return self._factory.recording_roots

    def status(self) -> EngineStatus:
        """How the engine fares, at a look."""
        live = self.live_streams().values()
        others = self.processes()
        mine = 0 if others else len(live)
        lags = self.loop_lags()
        return EngineStatus(
            version=self.version,
            started_ms=int(self._started_s * 1000),
            uptime_s=round(self._unix_s() - self._started_s, 1),
            draining=not self._supervisor.accepts,
            streams=len(live),
            ended={reason: int(count) for (reason,), count in self._totals.ended.items()},
            memory_mb=round(memory_mb(), 1),
            processes=[
                ProcessStatus("engine", mine, self._load.share, lags["engine"]),
                *(ProcessStatus(str(one.number), one.streams, one.load, one.lag_s) for one in others),
            ],
            sinks=queues(sink for stream in live for sink in stream.sinks),
            disks=[Disk(place, int(free)) for place, free in self.free_disk().items()],
            webhooks=self.webhook_results(),
        )

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

    def end_stream(self, stream_id: StreamId) -> None:
        """Ask Zoom to end a stream (STREAM_CLOSE_REQ). Raises KeyError if there is no such stream."""
        self._supervisor.workers[stream_id].request_end()

    def app_names(self) -> Sequence[str]:
        """The apps whose streams are taken."""
        return [app.name for app in self._config.apps]

    def may_connect(self, url: str) -> bool:
        """Whether a server is one that streams may be taken from."""
        return self._factory.may_connect(url)

    async def hand_in(self, signal: StreamSignal) -> HandedIn:
        """Take a signal as if Zoom had sent its webhook to this engine.

        Raises ShuttingDown or JournalError if it cannot be kept; the caller may try again.
        """
        said: list[Entry] = []
        with self._stories.listen(signal.stream_id, said.append):
            is_new = await self._act_on(signal)
        ignored = [entry.text for entry in said if entry.event in ("StreamRefused", "WebhookIgnored")]
        return HandedIn(is_new, "" if isinstance(signal, StreamStopped) else "".join(ignored[-1:]))

    async def control(self, stream_id: StreamId, action: Action) -> None:
        """Have Zoom pause or resume a stream, through its REST API.

        Raises KeyError if there is no such stream, ConfigError if its app has no credentials for this, and
        what `ZoomApi.control` raises.
        """
        stream = self._supervisor.workers[stream_id].info
        app = next((app for app in self._config.apps if app.name == stream.app), None)
        if app is None:
            raise ConfigError([f"apps.{stream.app}: is not there any more"])
        await self._zoom_api.control(
            app,
            stream.product,
            stream.meeting_id or stream.entity_id,
            action,
            participant_user_id=stream.operator_id or None,
        )

    async def delete_stored(self, stream_id: StreamId, by: str) -> Deleted:
        """Delete what sinks and captures have stored of a stream that does not run; ``by`` is who wants it."""
        keeper = self._keeper
        captures = await asyncio.to_thread(keeper.captured, stream_id)
        removals, is_complete = await asyncio.to_thread(keeper.delete_stream, stream_id, by)
        if self._story_keeper is not None and (removals or captures):
            self._story_keeper.forget(stream_id)
        files = sum(one.files for one in removals if one.sink != CAPTURES) + captures
        size = sum(one.bytes for one in removals)
        return Deleted(files, size, bool(removals or captures or not is_complete), is_complete)

    async def note_access(self, action: str, about: Mapping[str, str | int]) -> None:
        """Write down who did what."""
        await asyncio.to_thread(self._keeper.note, action, dict(about))

    def follow(self, stream_id: StreamId, user_id: int | None) -> None:
        """Choose whose camera a stream shows; None: as configured. Raises KeyError if there is no such stream."""
        self._supervisor.workers[stream_id].follow(user_id)

    @property
    def drain_timeout_s(self) -> float:
        """How long `drain` takes at most; it may change with `reload`."""
        return self._config.server.drain_timeout_s

    async def drain(self, *, end_streams: bool = False) -> None:
        """Take no more streams, and wait until those that run are over.

        After ``server.drain_timeout_s`` the engine lets go of those that still run, so that another one
        can take them over; with ``end_streams`` it asks Zoom to end them instead.
        """
        give_up = self._end_all if end_streams else self.release
        timer = asyncio.get_running_loop().call_later(self._config.server.drain_timeout_s, give_up)
        try:
            await self._supervisor.drain()
        finally:
            timer.cancel()

    def release(self) -> None:
        """Let go of every stream without ending it at Zoom; take no more, and start none again."""
        for errand in self._errands:
            errand.cancel()
        self._supervisor.release()

    def reload(self, config: Config) -> None:
        """Use another configuration for what starts from now on.

        What a running engine cannot change (`NOT_RELOADABLE`) is said in the log. Raises ConfigError,
        and then changes nothing.
        """
        self._factory = StreamFactory(config, self._unix_ms, self._random)
        self._keeper = keeper_of(config, self._factory.sinks, self._unix_ms, self._deleted)
        if self._pool is not None:
            self._pool.configure(config)
        self._secret_tokens.clear()
        self._secret_tokens.update(_secret_tokens(config))
        for key in NOT_RELOADABLE:
            if attrgetter(key)(config) != attrgetter(key)(self._config):
                _log.warning("ReloadLimited", key=key, reason="it needs a restart")
        for name in self._services.outdated(self._factory.sinks):
            _log.warning("ReloadLimited", key=f"sinks.{name}", reason="it needs a restart")
        self._config = config
        self._reloaded.set()
        tap(self._hearing)  # whoever read the configuration may have configured the log anew
        _log.info("ConfigReloaded", apps=list(self._secret_tokens))

    # --- what happens ---

    async def _accept(self, signal: StreamSignal | AccountSignal) -> None:
        await self._act_on(signal)

    async def _act_on(self, signal: StreamSignal | AccountSignal) -> bool:
        """Make a webhook durable, then act on it; a repetition is neither. Returns whether it was new."""
        if isinstance(signal, StreamInterrupted) and signal.server_urls and not self._runs(signal.stream_id):
            signal = _as_start(signal)
        if not await self._journal.append(signal):
            _log.info("WebhookIgnored", reason="the same delivery again")
            return False
        if (
            isinstance(signal, StreamStarted)
            and not self._supervisor.accepts
            and not self._runs(signal.stream_id)
        ):
            # It is in the journal for the next engine; and Zoom, told so, tries again in 5 minutes.
            self._unfinished.add(signal.stream_id)
            raise ShuttingDown
        await self._supervisor.accept(signal)
        if isinstance(signal, StreamStarted) and self._runs(signal.stream_id):
            self._unfinished.add(signal.stream_id)
        if isinstance(signal, AppDeauthorized):
            number = await asyncio.to_thread(self._keeper.deauthorization_requested, signal)
            self._run_errand(self._deauthorize(signal, number), f"deauthorize:{number}")
        if isinstance(signal, StreamStopped) and not self._runs(signal.stream_id):
            self._supervisor.spawn(self._erase(signal), f"erase:{signal.stream_id}")
        return True

    def _runs(self, stream_id: StreamId) -> bool:
        return stream_id in self._supervisor.workers

    async def _erase(self, stop: StreamStopped) -> None:
        """A stream that is over was revoked: its sinks are opened once more, to delete it (V1.md §8.8)."""
        if StopReason(stop.stop_reason).outcome is Outcome.ERASE:
            for stream in await self._journal.unfinished():
                if stream.start.stream_id == stop.stream_id and not self._runs(stop.stream_id):
                    await self._supervisor.take_up(stream.start, stop)

    async def _deauthorize(self, signal: AppDeauthorized, number: int) -> None:
        """Delete what an app has of an account: at once what is over, and with their end what runs. What is not
        completed, a restarted engine does.
        """
        mine = {
            worker.info.stream_id: worker.info
            for worker in self._supervisor.workers.values()
            if worker.info.app == signal.app
            and worker.info.account_id in ("", signal.account_id)
            and worker.info.started_ms <= signal.event_ts_ms
        }
        for info in mine.values():
            stop = StreamStopped(
                info.app,
                info.product,
                info.entity_id,
                info.stream_id,
                signal.event_ts_ms,
                int(StopReason.STREAM_REVOKED),
            )
            await self._accept(stop)
        await asyncio.to_thread(self._keeper.deauthorize, signal, frozenset(mine))
        await self._supervisor.over(mine)
        # One that was over, and whose sinks were just finishing, did not hear of it.
        if await asyncio.to_thread(self._keeper.deauthorize, signal):
            await asyncio.to_thread(self._keeper.deauthorization_completed, number)

    async def _sweep(self) -> None:
        """Delete what is over: now, every hour, and when a configuration was read anew."""
        while True:
            self._reloaded.clear()
            if self._keeper.has_work:
                await asyncio.to_thread(self._keeper.sweep, frozenset(self._supervisor.workers))
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S if self._keeper.has_work else None):
                    await self._reloaded.wait()

    # --- what is told of it ---

    def _note(self, stream_id: str, entry: Entry) -> None:
        self._stories.note(stream_id, entry)
        if self._story_keeper is not None:
            self._story_keeper.changed(stream_id, entry)
        if self._notifier is not None:
            self._notifier.hear(stream_id, entry)

    def _deleted(self, removal: Removal, cause: DeletionCause) -> None:
        """In a thread: the recording is gone."""
        if self._notifier is None or self._loop is None or removal.sink not in self._factory.recording_sinks:
            return
        outcome = RecordingOutcome("deleted", cause=cause)
        tell = self._notifier.tell_of_recording
        self._loop.call_soon_threadsafe(tell, removal.kept.stream_id, outcome)

    async def _tell_of_the_end(self, stream: StreamInfo, ending: Ending) -> None:
        if self._notifier is None:
            return
        reason = ending.stop_reason
        facts = {"stop_reason": reason.name, "code": int(reason), "detail": ending.detail}
        self._notifier.tell(Told("stream.stopped", stream.stream_id, ending.timestamp_ms, facts))
        for root in self._factory.recording_roots:
            outcome = await asyncio.to_thread(_outcome, root, stream)
            if outcome is not None:
                self._notifier.tell_of_recording(stream.stream_id, outcome)

    def _facts_of(self, stream_id: str) -> dict[str, Any]:
        worker = self._supervisor.workers.get(StreamId(stream_id))
        recent = (one.info for one in reversed(self._supervisor.recent) if one.info.stream_id == stream_id)
        info = worker.info if worker else next(recent, None)
        if info is None:
            return {}
        return {
            "app": info.app,
            "product": info.product.name,
            "meeting": info.entity_id,
            "meeting_id": info.meeting_id,
        }

    def _make_worker(self, start: StreamStarted, resumed: bool) -> StreamWorker | RemoteStream:
        without: frozenset[str] = frozenset()
        if not resumed:
            live = [worker.info for worker in self._supervisor.workers.values() if not worker.is_over]
            resources = look(self._factory.directories)
            if why := admit(start, live, self._config.limits, resources):
                raise StreamRefused(why)
            without = self._left_out(start, full_disks(self._config.limits, resources))
        own, services = self._own_sinks, self._services
        if self._pool is None:
            return self._factory.make(start, own, services, resumed=resumed, without=without)
        return self._factory.make_remote(start, own, services, self._pool, resumed=resumed, without=without)

    def _left_out(self, start: StreamStarted, full: Mapping[str, str]) -> frozenset[str]:
        """The sinks that do not get a new stream, since their disk is full; the others go on.

        Raises StreamRefused if no sink is left.
        """
        sinks = self._factory.sinks_of(start.app)
        left_out = {sink.name: full[sink.directory] for sink in sinks if sink.directory in full}
        if left_out and len(left_out) == len(sinks) and not self._own_sinks:
            raise StreamRefused(next(iter(left_out.values())))
        for name, why in left_out.items():
            _log.error("SinkLeftOut", stream_id=start.stream_id, sink=name, reason=why)
        return frozenset(left_out)

    def _recall(self, stream_id: StreamId) -> None:
        """The story of a stream that is taken up goes on where an earlier engine left it."""
        if self._story_keeper is not None:
            self._stories.recall(stream_id, self._story_keeper.recall(stream_id))

    def _policies(self) -> Mapping[str, Retention]:
        return {app.name: app.retention for app in self._config.apps}

    async def _stream_ended(self, stream_id: StreamId, statistics: StreamStatistics | None) -> None:
        ending = statistics.ending if statistics else None
        if self._story_keeper and ending and ending.stop_reason.outcome is Outcome.ERASE:
            self._story_keeper.forget(stream_id)
        if statistics is not None and ending is not None:
            await asyncio.to_thread(self._keeper.stream_ended, statistics.info, ending)
        if ending is not None and ending.stop_reason is StopReason.UNDEFINED and ending.detail:
            await self._journal.mark_expired(stream_id, ending.detail)
        else:
            await self._journal.stream_ended(stream_id)
        self._unfinished.discard(stream_id)
        if statistics is not None and ending is not None:
            await self._tell_of_the_end(statistics.info, ending)
            self._restart_if_wanted(statistics.info, ending.stop_reason)

    def _restart_if_wanted(self, stream: StreamInfo, reason: StopReason) -> None:
        """A stream that ended for a technical reason is started again at Zoom (V1.md §8.5)."""
        app = next((app for app in self._config.apps if app.name == stream.app), None)
        if app is None or not app.has_api or not self._supervisor.accepts:
            return
        now = asyncio.get_running_loop().time()
        if self._restart_policy.wants_restart(stream.entity_id, reason, now):
            work = self._restart(app, stream, reason)
            self._run_errand(work, f"restart:{stream.stream_id}")

    def _run_errand(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._supervisor.spawn(work, name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _restart(self, app: AppConfig, stream: StreamInfo, reason: StopReason) -> None:
        log = _log.bind(stream_id=stream.stream_id, meeting=stream.entity_id, reason=reason.name)
        try:
            await self._zoom_api.control(
                app,
                stream.product,
                stream.meeting_id or stream.entity_id,
                "start",
                participant_user_id=stream.operator_id or None,
            )
        except RtmsError as error:
            log.error("RestartFailed", why=str(error))
        else:
            self._restarted += 1
            log.info("RestartRequested")

    def _end_all(self) -> None:
        for worker in self._supervisor.workers.values():
            worker.request_end()

    def _unix_ms(self) -> int:
        return int(self._unix_s() * 1000)


def _pool(config: Config, note: Note) -> ProcessPool | None:
    """The processes that streams run in; None: this one."""
    server = config.server
    size = cores() if server.workers == "auto" else server.workers
    return ProcessPool(size, server.worker_timeout_s, config, note) if size > 1 else None


def _notifier(config: Config, facts: Facts, unix_s: Callable[[], float]) -> Notifier | None:
    """Who tells of streams; None: nobody wants to know."""
    if not config.notifications:
        return None
    if not config.state.directory:
        raise ConfigError(["notifications: need [state] directory"])
    return Notifier(config.notifications, Path(config.state.directory), facts, unix_s)


def _outcome(root: Path, stream: StreamInfo) -> RecordingOutcome | None:
    """How the newest recording of a stream ended. Blocks."""
    from .recording import manifest  # which needs codecs

    for folder in reversed(manifest.recordings_of(root, stream.entity_id, stream.stream_id)):
        if tombstone := manifest.load_tombstone(folder):
            return RecordingOutcome("deleted", cause=tombstone.cause)
        if done := manifest.load(folder):
            kinds = [one.kind for one in done.artefacts]
            return RecordingOutcome(done.state, kinds, done.failure)
    return None


def _server(runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server


def _no_token(_text: str) -> None:
    """Without a state directory there are none."""


def _own(spec: SinkSpec) -> ReadySink:
    return registry.ready(spec, spec.name, spec.kinds, spec.config_type())


def _as_start(interrupted: StreamInterrupted) -> StreamStarted:
    """A stream that nobody knows is joined, if the interruption says where it is (V1.md §8.3)."""
    return StreamStarted(
        interrupted.app,
        interrupted.product,
        interrupted.entity_id,
        interrupted.stream_id,
        interrupted.server_urls,
        interrupted.event_ts_ms,
    )


def _secret_tokens(config: Config) -> dict[str, list[str]]:
    return {app.name: [token.reveal() for token in app.secret_token] for app in config.apps}
