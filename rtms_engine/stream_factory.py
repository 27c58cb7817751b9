"""From a start webhook to a worker: everything that a configuration says about new streams.

A reloaded configuration makes a new factory; streams that run keep what they were made with.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import cast

import msgspec
import structlog

from .capture.format import Head, check_compression
from .capture.tape import Tape, TapeWriter, disk_is_full, paths_of
from .capture.tee import CaptureSink, CapturingConnector, ErasingSink, Witness
from .config import AppConfig, Config, ConsentConfig
from .consent import hook
from .errors import EndpointRefused, SinkError
from .keeping import spill_directory, vault_of
from .model.media import MediaKind
from .model.signals import StreamStarted
from .processes.remote import Places, RemoteStream
from .protocol.identity import StreamIdentity
from .sinks import registry
from .sinks.base import BlockingSink, Sink, StreamInfo
from .sinks.delivery import PATIENT
from .sinks.registry import ReadySink
from .sinks.services import Services
from .sinks.spill import DiskSpill
from .stream.consent import Consent
from .stream.sink_runner import SinkRunner
from .stream.threaded_sink import ThreadedSink
from .stream.worker import Environment, StreamSettings, StreamWorker
from .transport.connectors import connector
from .transport.endpoint import EndpointPolicy
from .transport.tls import client_context
from .transport.turnstile import OrderlyConnector, Turnstile
from .wire.signature import handshake_signature

_log = structlog.get_logger()

LATE_MS = 60_000
"""A start that is older is tried once: Zoom waits about so long for the connection (V1.md §7)."""


class StreamFactory:
    """Makes the workers of new streams."""

    def __init__(self, config: Config, unix_ms: Callable[[], int], random: Callable[[], float]) -> None:
        """Raises ConfigError if a sink or the CA file cannot be used."""
        self._apps = {app.name: app for app in config.apps}
        self._sinks = [registry.build(sink) for sink in config.sinks]
        self.vault = vault_of(config, self._sinks)
        """The keys of what the sinks store, to be unlocked before anything is; None: it is in plain."""
        if config.encryption.masters():
            for sink in self._sinks:
                if sink.writes_to_disk and not sink.spec.encrypts:
                    _log.warning(
                        "SinkNotEncrypted", sink=sink.name, reason=f"it writes to {sink.directory} in plain"
                    )
        self._environment = Environment(
            OrderlyConnector(
                connector(config.rtms.transport, client_context(config.rtms.ca_file)), Turnstile()
            ),
            EndpointPolicy(config.rtms.allowed_hosts, config.rtms.allow_insecure_loopback),
            unix_ms,
            random,
        )
        for app in config.apps:
            if app.retention.stores_nothing and (left := [s.name for s in self._sinks if s.writes_to_disk]):
                _log.warning("SinksLeftOut", app=app.name, sinks=left, reason='its retention is "none"')
        self._spill_directory = spill_directory(config.state)
        self._settings = StreamSettings(
            config.media,
            config.rtms.mode == "unified",
            config.follow,
            config.rtms.buffer_data,
            _consent(config.consent),
        )
        self._rtms = config.rtms
        check_compression(config.rtms.capture_compression)
        self._captures = Path(config.rtms.capture_directory)
        self._tapes = TapeWriter(disk_is_full(self._captures, config.limits.min_free_disk_mb))

    @property
    def sinks(self) -> Sequence[ReadySink]:
        """The configured sinks."""
        return self._sinks

    @property
    def directories(self) -> list[str]:
        """Where the sinks write."""
        return [sink.directory for sink in self._sinks if sink.writes_to_disk]

    @property
    def recording_roots(self) -> list[Path]:
        """Where the recording sinks write."""
        return [Path(sink.directory) for sink in self._sinks if sink.spec.name == "recording"]

    def sinks_of(self, app: str) -> Sequence[ReadySink]:
        """The configured sinks that a new stream of an app gets."""
        return self._sinks_of(self._apps[app])

    @property
    def recording_sinks(self) -> frozenset[str]:
        """The names of the recording sinks."""
        return frozenset(sink.name for sink in self._sinks if sink.spec.name == "recording")

    def may_connect(self, url: str) -> bool:
        """Whether a server is on the allow-list."""
        try:
            self._environment.policy.endpoint(url)
        except EndpointRefused:
            return False
        return True

    def _may_capture(self, app: AppConfig) -> bool:
        """Whether the wire is written to the disk: only if the configuration wants it, and the app allows."""
        return self._rtms.capture and not app.retention.stores_nothing

    def _sinks_of(self, app: AppConfig) -> Sequence[ReadySink]:
        """The configured sinks, without those that write to a disk if nothing of the app may touch one."""
        return storing_nothing(self._sinks) if app.retention.stores_nothing else self._sinks

    def _spill_of(self, app: AppConfig) -> Path | None:
        return None if app.retention.stores_nothing else self._spill_directory

    def make(
        self,
        start: StreamStarted,
        own_sinks: Sequence[ReadySink],
        services: Services | None = None,
        *,
        resumed: bool,
        without: Collection[str] = (),
    ) -> StreamWorker:
        """The worker of a stream; the start is the first thing that it will hear.

        Args:
            start: the webhook.
            own_sinks: the program's own, besides the configured ones.
            services: those of the configured sinks, running; None: they run in another process, which
                feeds the sinks that use them.
            resumed: an earlier engine had the stream.
            without: names of configured sinks that do not get it.

        Raises:
            EndpointRefused: its server is off the allow-list.
        """
        app = self._apps[start.app]
        sinks = [*(sink for sink in self._sinks_of(app) if sink.name not in without), *own_sinks]
        info = self._info(start, sinks, resumed)
        runners = make_runners(sinks, services, self._spill_of(app))
        environment = self._environment
        is_late = not resumed and environment.unix_ms() - start.event_ts_ms > LATE_MS
        if self._may_capture(app):
            environment, runner = self._overheard(info, is_late=is_late)
            runners.append(runner)
        elif resumed and paths_of(self._captures, info.stream_id):
            tape = Tape(self._captures, info.stream_id, self._rtms.capture_compression)
            runners.append(self._taping(ErasingSink(tape, self._tapes)))
        worker = StreamWorker(
            info, _identity(app, start), self._settings, runners, environment, is_late=is_late
        )
        worker.hear(start)
        return worker

    def make_remote(
        self,
        start: StreamStarted,
        own_sinks: Sequence[ReadySink],
        services: Services,
        places: Places,
        *,
        resumed: bool,
        without: frozenset[str] = frozenset(),
    ) -> RemoteStream:
        """As `make`, of a stream that runs in another process. Only ``own_sinks`` and those that have a
        service are fed in this one.
        """
        app = self._apps[start.app]
        sinks = [sink for sink in self._sinks_of(app) if sink.name not in without]
        info = self._info(start, [*sinks, *own_sinks], resumed)
        fed_here = [*(sink for sink in sinks if sink.spec.service), *own_sinks]
        live = any(sink.live for sink in fed_here)
        runners = make_runners(fed_here, services, self._spill_of(app))
        unix_ms = self._environment.unix_ms
        return RemoteStream(info, start, runners, places, unix_ms, live=live, without=without)

    def _info(self, start: StreamStarted, sinks: Sequence[ReadySink], resumed: bool) -> StreamInfo:
        self._check(start.server_urls)
        return StreamInfo(
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
            resumed=resumed,
        )

    def _check(self, urls: Sequence[str]) -> None:
        """Raises EndpointRefused if none of a stream's servers may be connected to."""
        *others, last = urls
        for url in others:
            with contextlib.suppress(EndpointRefused):
                self._environment.policy.endpoint(url)
                return
        self._environment.policy.endpoint(last)

    def _overheard(self, info: StreamInfo, *, is_late: bool) -> tuple[Environment, SinkRunner]:
        """The same world with a tape running, and what stops the tape."""
        tape = Tape(self._captures, info.stream_id, self._rtms.capture_compression)
        witness = Witness(tape)
        witness.began(
            Head(
                engine=version("rtms-engine"),
                unix_ms=self._environment.unix_ms(),
                stream=info,
                unified=self._settings.unified,
                follow=self._settings.follow,
                buffer_data=self._settings.buffer_data,
                is_late=is_late,
            )
        )
        environment = msgspec.structs.replace(
            self._environment,
            connector=CapturingConnector(self._environment.connector, tape),
            witness=witness,
        )
        return environment, self._taping(CaptureSink(tape, self._tapes))

    def _taping(self, sink: CaptureSink) -> SinkRunner:
        return SinkRunner("capture", lambda: sink, frozenset(), PATIENT)


def storing_nothing(sinks: Iterable[ReadySink]) -> list[ReadySink]:
    """Those that write to no disk, as far as their specs tell."""
    return [sink for sink in sinks if not sink.writes_to_disk]


def _consent(config: ConsentConfig) -> Consent:
    ask = hook(config.url, config.function, allow_private=config.allow_private, timeout_s=config.timeout_s)
    return Consent(ask, config.timeout_s, config.otherwise, tuple(config.exclude))


def _union(sinks: Iterable[ReadySink]) -> frozenset[MediaKind]:
    """What Zoom is asked for: no kind that no sink wants."""
    return frozenset(kind for sink in sinks for kind in sink.kinds)


def make_runners(
    sinks: Iterable[ReadySink], services: Services | None, spill_directory: Path | None = None
) -> list[SinkRunner]:
    """One for each sink of a new stream, but for those that have their service elsewhere.

    Args:
        sinks: the sinks.
        services: those of them that have one, running; None: they are elsewhere.
        spill_directory: where items may wait on disk; None: nowhere.
    """
    return [
        SinkRunner(
            sink.name,
            partial(_make, sink, services),
            sink.kinds,
            sink.delivery,
            DiskSpill(spill_directory) if spill_directory else None,
        )
        for sink in sinks
        if services or not sink.spec.service
    ]


def _make(sink: ReadySink, services: Services | None) -> Sink:
    try:
        argument = services.argument(sink) if services else sink.config
    except KeyError:
        raise SinkError("its service needs a restart of the engine") from None
    made = sink.spec.factory(argument)
    if sink.spec.blocking:
        return ThreadedSink(cast(BlockingSink, made), sink.name)
    return cast(Sink, made)


def _identity(app: AppConfig, start: StreamStarted) -> StreamIdentity:
    signature = start.signature or handshake_signature(
        app.client_id, app.client_secret.reveal(), start.entity_id, start.stream_id
    )
    return StreamIdentity(start.product, start.entity_id, start.stream_id, signature)
