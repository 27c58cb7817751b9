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
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web

from .config import AppConfig, Config
from .errors import ConfigError
from .model.ids import StreamId
from .model.media import MediaKind
from .model.signals import StreamStarted
from .protocol.identity import StreamIdentity
from .sinks import registry
from .sinks.base import SinkSpec, StreamInfo
from .sinks.callback import Callback, CallbackSink
from .sinks.feed import Feed, FeedSink
from .sinks.registry import ReadySink
from .stream.sink_runner import QueueLimits, SinkRunner
from .stream.worker import Environment, StreamSettings, StreamStatistics, StreamWorker
from .supervisor.supervisor import Supervisor
from .transport.endpoint import EndpointPolicy
from .transport.tls import client_context
from .transport.websocket import WebSocketConnector
from .webhook.receiver import WebhookReceiver, WebhookStatistics
from .wire.signature import handshake_signature

_log = structlog.get_logger()

_LIVE = QueueLimits(linger_s=0.0)
_GATHERED = QueueLimits()


def _unix_s() -> float:
    return time.time()  # noqa: TID251 - the composition root


class Engine:
    """Receives webhooks and streams, and feeds the sinks, while its ``async with`` block runs.

    Leaving the block stops the webhook server, lets go of the streams that still run, and waits for
    the sinks to finish.
    """

    def __init__(
        self,
        config: Config,
        *,
        callback: Callback | None = None,
        unix_s: Callable[[], float] = _unix_s,
    ) -> None:
        """
        Args:
            config: everything the engine is told.
            callback: called with every item of every stream, besides the configured sinks; see
                `rtms_engine.sinks.callback`.
            unix_s: the wall clock, Unix seconds.

        Raises:
            ConfigError: a sink or the CA file cannot be used.
        """
        self._config = config
        self._apps = {app.name: app for app in config.apps}
        self._sinks = _ready(config)
        if callback is not None:
            spec = SinkSpec("callback", lambda _: CallbackSink(callback), live=True)
            self._sinks.append(_own(spec))
        self._unix_s = unix_s
        self._environment = Environment(
            WebSocketConnector(client_context(config.rtms.ca_file)),
            EndpointPolicy(config.rtms.allowed_hosts, config.rtms.allow_insecure_loopback),
            lambda: int(unix_s() * 1000),
            random.random,
        )
        self._settings = StreamSettings(
            config.media, config.rtms.mode == "unified", config.follow, config.rtms.buffer_data
        )
        self._supervisor = Supervisor(self._make_worker)
        self._receiver = WebhookReceiver(
            {app.name: [token.reveal() for token in app.secret_token] for app in config.apps},
            self._supervisor.accept,
            path=config.server.path,
            unix_s=unix_s,
        )
        self._running = AsyncExitStack()
        self._port = config.server.port

    async def __aenter__(self) -> Self:
        """Listen for webhooks. Raises ConfigError if the address cannot be used."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._supervisor)
            runner = web.AppRunner(
                self._receiver.application(), auto_decompress=False, access_log=None, shutdown_timeout=3.0
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            server = self._config.server
            try:
                await web.TCPSite(runner, server.host, server.port).start()
            except OSError as error:
                raise ConfigError(
                    [f"server: cannot listen on {server.host}:{server.port}: {os.strerror(error.errno or 0)}"]
                ) from error
            self._port = runner.addresses[0][1]
            self._running = stack.pop_all()
        _log.info("EngineStarted", webhook=self.webhook_url, apps=list(self._apps))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._running.__aexit__(None, None, None)
        _log.info("EngineStopped")

    def __repr__(self) -> str:
        return f"<Engine {self.webhook_url} streams={len(self._supervisor.workers)}>"

    @property
    def webhook_url(self) -> str:
        """Where this engine takes webhooks, as seen from this machine."""
        host = self._config.server.host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - from all to one
        return f"http://{host}:{self._port}{self._config.server.path}"

    async def streams(self, *kinds: MediaKind) -> AsyncIterator[Feed]:
        """Every stream that starts from now on, each an asynchronous iterator over its items.

        Args:
            kinds: the media wanted in the feeds; Zoom is asked for them in addition to what the
                sinks want. None at all: events only.
        """
        feeds: asyncio.Queue[Feed] = asyncio.Queue()
        spec = SinkSpec("feed", lambda _: FeedSink(feeds.put_nowait), kinds=frozenset(kinds), live=True)
        mine = _own(spec)
        self._sinks.append(mine)
        try:
            while True:
                yield await feeds.get()
        finally:
            self._sinks.remove(mine)

    def live_streams(self) -> dict[StreamId, StreamStatistics]:
        """The streams that run now."""
        return {stream_id: worker.statistics() for stream_id, worker in self._supervisor.workers.items()}

    def recent_streams(self) -> tuple[StreamStatistics, ...]:
        """The streams that ended, oldest first; the last thousand."""
        return self._supervisor.recent

    def webhooks(self) -> WebhookStatistics:
        """The webhooks received, by result."""
        return self._receiver.statistics()

    def end_stream(self, stream_id: StreamId) -> None:
        """Ask Zoom to end a stream (STREAM_CLOSE_REQ). Raises KeyError if there is no such stream."""
        self._supervisor.workers[stream_id].request_end()

    def _make_worker(self, start: StreamStarted) -> StreamWorker:
        self._environment.policy.endpoint(start.server_urls[0])
        sinks = tuple(self._sinks)
        info = StreamInfo(
            stream_id=start.stream_id,
            app=start.app,
            product=start.product,
            entity_id=start.entity_id,
            started_ms=start.event_ts_ms,
            media=self._settings.params,
            kinds=_union(sinks),
            meeting_id=start.meeting_id,
            account_id=start.account_id,
            operator_id=start.operator_id,
        )
        worker = StreamWorker(
            info,
            _identity(self._apps[start.app], start),
            self._settings,
            [_runner(sink) for sink in sinks],
            self._environment,
        )
        worker.hear(start)
        return worker


def _ready(config: Config) -> list[ReadySink]:
    return [registry.build(sink) for sink in config.sinks]


def _own(spec: SinkSpec) -> ReadySink:
    return ReadySink(spec.name, spec, spec.kinds, spec.config_type())


def _union(sinks: Iterable[ReadySink]) -> frozenset[MediaKind]:
    """What Zoom is asked for: no kind that no sink wants."""
    return frozenset(kind for sink in sinks for kind in sink.kinds)


def _runner(sink: ReadySink) -> SinkRunner:
    limits = _LIVE if sink.spec.live else _GATHERED
    return SinkRunner(sink.name, sink.spec.factory(sink.config), sink.kinds, limits)


def _identity(app: AppConfig, start: StreamStarted) -> StreamIdentity:
    signature = handshake_signature(
        app.client_id, app.client_secret.reveal(), start.entity_id, start.stream_id
    )
    return StreamIdentity(start.product, start.entity_id, start.stream_id, signature)
