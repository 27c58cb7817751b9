"""One stream, from its start webhook to its end.

The worker owns the tasks of its stream. It hears webhooks and connections, lets the lifecycle decide,
and carries out what it decides. Whatever happens inside, the sinks are told of the end and finish
what they have.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from ..errors import ConnectFailed, EndpointRefused
from ..model.events import (
    ConnectionLost,
    ConnectionRestored,
    ConsentDecided,
    MediaConnectionInterrupted,
    MediaGranted,
    MediaRefused,
    SessionStateChanged,
    StreamEvent,
    StreamStateChanged,
)
from ..model.media import MediaKind, MediaParams
from ..model.reasons import StopReason, StreamState, in_words, loss_in_words
from ..model.signals import StreamInterrupted, StreamSignal, StreamStarted, StreamStopped
from ..protocol.commands import (
    AcknowledgeReady,
    Command,
    Connect,
    Disconnect,
    Finish,
    NoteLost,
    NoteRefused,
    NoteRestored,
    RequestClose,
)
from ..protocol.connection import Connection, State
from ..protocol.events import (
    SIGNALING,
    CloseAnswered,
    ConnectionEvent,
    EndRequested,
    HandshakeAccepted,
    HandshakeRefused,
    Heard,
    Interrupted,
    LegAccepted,
    LegImpossible,
    LegLost,
    LegRefused,
    LifecycleEvent,
    MediaElsewhere,
    MediaInterrupted,
    Noise,
    NoiseKind,
    Released,
    SessionStateHeard,
    Silent,
    Started,
    StatusHeard,
    Stopped,
    StreamStateHeard,
)
from ..protocol.identity import StreamIdentity
from ..protocol.leg import Leg
from ..protocol.lifecycle import Phase, StreamLifecycle
from ..protocol.media import MediaProtocol
from ..protocol.signaling import SignalingProtocol, events_for
from ..protocol.video_choice import USER_PREFIX, VideoChoice
from ..sinks.base import Ending, StreamInfo
from ..transport.base import Connector
from ..transport.endpoint import EndpointPolicy, server_host
from .connections import Connections
from .consent import Consent
from .demux import Demultiplexer
from .leg_driver import LegDriver
from .overview import LegState, Overview
from .reception import Reception
from .sink_runner import SinkRunner, SinkStatistics

CLOSE_WAIT_S = 8.0
"""Longer than a transport takes to close (`rtms_engine.transport.base`)."""


class StreamSettings(msgspec.Struct, frozen=True):
    """How streams are to be received."""

    params: MediaParams = MediaParams()
    unified: bool = False
    """All media over one connection instead of one for each kind."""
    follow: str = "active_speaker"
    """Whose camera to ask for in single-participant video: see `VideoChoice`."""
    buffer_data: bool = True
    consent: Consent = Consent()


class Witness(Protocol):
    """Is told what a worker is told, but for what its connections say."""

    def signal(self, signal: StreamSignal) -> None:
        """A webhook speaks of the stream."""

    def request(self, what: str) -> None:
        """Somebody wants the stream to ``end``, or us to ``release`` it."""


class Environment(msgspec.Struct, frozen=True):
    """What a worker needs of the world."""

    connector: Connector
    policy: EndpointPolicy
    unix_ms: Callable[[], int]
    random: Callable[[], float]
    """Numbers in [0, 1)."""
    witness: Witness | None = None


class StreamStatistics(msgspec.Struct, frozen=True):
    """What a stream is and has received."""

    info: StreamInfo
    phase: str = Phase.NEW.value
    received: dict[MediaKind, int] = {}
    """Frames by kind."""
    noise: dict[str, int] = {}
    """Messages that could not be used, by kind."""
    repeated: int = 0
    """Frames that Zoom delivered again and that were dropped."""
    keep_alives: int = 0
    """Answered on all connections."""
    sinks: tuple[SinkStatistics, ...] = ()
    ending: Ending | None = None
    legs: tuple[LegState, ...] = ()
    overview: Overview = Overview()
    joined_after_s: float | None = None
    """From the start to Zoom's acceptance of signaling; None before."""
    media_after_s: float | None = None
    """From the start to the first frame."""


class StreamWorker:
    """Runs one stream. Used once."""

    def __init__(
        self,
        info: StreamInfo,
        identity: StreamIdentity,
        settings: StreamSettings,
        runners: Sequence[SinkRunner],
        environment: Environment,
        *,
        is_late: bool = False,
    ) -> None:
        """``is_late``: the stream was announced so late that one attempt is enough."""
        self.info = info
        self._identity = identity
        self._settings = settings
        self._runners = tuple(runners)
        self._world = environment
        self._lifecycle = StreamLifecycle(
            info.kinds,
            unified=settings.unified,
            id_variants=identity.variants,
            random=environment.random,
            is_late=is_late,
            resumed=info.resumed,
            audio_before_all=info.product.audio_before_all,
        )
        self._inbox: asyncio.Queue[LifecycleEvent] = asyncio.Queue()
        self._connections = Connections()
        self._demux = Demultiplexer(self._runners)
        self._watchers: list[SinkRunner] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._video_choice = VideoChoice(settings.follow) if self._chooses_video else None
        self._ending: Ending | None = None
        self._signaling_since = 0.0
        self._began = 0.0
        self._joined_at: float | None = None
        self._handshakes: dict[str, float] = {}
        """How long the first of each leg took, in seconds."""
        self._ended_ms: int | None = None
        """When Zoom ended the stream, by its clock, if it said so."""
        self._log = structlog.get_logger().bind(
            stream_id=info.stream_id, meeting=info.entity_id, product=info.product.name
        )
        self._reception = Reception(self._demux, self._log, environment.unix_ms())
        self._reception.exclude(settings.consent.exclude)
        self._reception.is_closed = settings.consent.ask is not None
        self._permission: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why media must not be received; empty if they may."""

    def __repr__(self) -> str:
        return f"<StreamWorker {self.info.stream_id} {self._lifecycle!r}>"

    @property
    def is_over(self) -> bool:
        """The stream has ended, and only its sinks are being finished."""
        return self._lifecycle.phase is Phase.FINISHED

    def hear(self, signal: StreamSignal) -> None:
        """A webhook speaks of this stream."""
        if self._world.witness is not None:
            self._world.witness.signal(signal)
        match signal:
            case StreamStarted(server_urls=server_urls):
                if self._joined_at is not None:
                    self._reception.overseer.moved()
                self._post(Started(server_urls))
            case StreamInterrupted(event_ts_ms=event_ts_ms) if self._is_mended(event_ts_ms):
                # Zoom's retry of a webhook, minutes later, speaks of a loss long mended (V1.md §1.5).
                self._log.info("WebhookIgnored", reason="signaling came back after it")
            case StreamInterrupted(server_urls=server_urls):
                self._post(Interrupted(server_urls))
            case StreamStopped(stop_reason=stop_reason, event_ts_ms=event_ts_ms):
                self._ended_ms = event_ts_ms
                self._post(Stopped(StopReason(stop_reason)))

    def request_end(self) -> None:
        """End the stream at Zoom too (STREAM_CLOSE_REQ)."""
        if self._world.witness is not None:
            self._world.witness.request("end")
        self._post(EndRequested())

    def follow(self, user_id: int | None) -> None:
        """Ask for the camera of this participant in single-participant video; None: as configured."""
        if self._video_choice is not None:
            policy = self._settings.follow if user_id is None else f"{USER_PREFIX}{user_id}"
            self._show(self._video_choice.choose(policy))

    def exclude(self, user_id: int, *, excluded: bool) -> None:
        """Let nothing of a participant reach a sink from now on; or let it again."""
        self._reception.exclude_one(user_id, excluded=excluded)

    def release(self) -> None:
        """Let go of the stream without ending it: another engine may take it over."""
        if self._world.witness is not None:
            self._world.witness.request("release")
        self._post(Released())

    def attach(self, runner: SinkRunner) -> None:
        """Let another sink have what comes from now on; Zoom is asked for nothing more because of it.

        Raises:
            LookupError: the stream does not run.
        """
        if self._tasks is None:
            raise LookupError(self.info.stream_id)
        self._watchers.append(runner)
        self._demux.attach(runner)
        work = runner.run(self.info, _tell_nobody, self._world.unix_ms)
        self._tasks.create_task(work, name=f"stream:{self.info.stream_id}/{runner.name}")

    def detach(self, runner: SinkRunner) -> None:
        """It has what it wanted; without effect if the stream is over."""
        if runner in self._watchers:
            self._watchers.remove(runner)
            self._demux.detach(runner)
            runner.finish(self._end(StopReason.UNDEFINED, "", is_released=True))

    def statistics(self) -> StreamStatistics:
        """The stream as it stands."""
        return StreamStatistics(
            self.info,
            self._lifecycle.phase.value,
            self._demux.received(),
            dict(self._reception.noise),
            self._reception.repeated,
            self._connections.keep_alives,
            tuple(runner.statistics() for runner in self._runners),
            self._ending,
            tuple(map(self._leg_state, self._lifecycle.legs)),
            self._reception.overseer.overview(),
            self._after_s(self._joined_at),
            self._after_s(self._demux.first_at),
        )

    async def run(self) -> bool:
        """Run the stream to its end. The start itself is the first thing that it is to `hear`.

        Returns:
            Whether the stream is over at Zoom; False if we let go of it.

        Cancelling it closes the connections at once and abandons the sinks.
        """
        structlog.contextvars.bind_contextvars(
            stream_id=self.info.stream_id, meeting=self.info.entity_id, product=self.info.product.name
        )
        self._began = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as tasks:
                for runner in self._runners:
                    name = f"stream:{self.info.stream_id}/{runner.name}"
                    work = runner.run(self.info, self._reception.event, self._world.unix_ms)
                    tasks.create_task(work, name=name)
                self._tasks = tasks
                question = tasks.create_task(
                    self._ask_for_media(), name=f"stream:{self.info.stream_id}/consent"
                )
                self._ending = ending = await self._until_the_end(tasks)
                question.cancel()
                self._tasks = None
                for runner in (*self._runners, *self._watchers):
                    runner.finish(ending)
        finally:
            self._connections.abort()
            self._reception.close()
        return not ending.is_released

    async def _until_the_end(self, tasks: asyncio.TaskGroup) -> Ending:
        try:
            await self._follow_the_lifecycle(tasks)
            await self._connections.all_closed(CLOSE_WAIT_S)
        except Exception:  # noqa: BLE001 - a wall: a defect ends this stream alone, and its sinks finish
            self._log.exception("StreamFailed", reason="defect in the engine")
            self._ending = self._end(StopReason.UNDEFINED, "defect in the engine; see the log")
        ending = self._ending or self._end(StopReason.UNDEFINED, "")
        self._log.info(
            "StreamEnded",
            stop_reason=f"{int(ending.stop_reason)} {ending.stop_reason.name}",
            meaning=_meaning(ending),
            detail=ending.detail,
            received={kind.value: count for kind, count in self._demux.received().items()},
        )
        return ending

    async def _follow_the_lifecycle(self, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while self._lifecycle.phase is not Phase.FINISHED:
            try:
                async with asyncio.timeout_at(self._lifecycle.deadline()):
                    event = await self._inbox.get()
            except TimeoutError:
                commands = self._lifecycle.on_deadline(loop.time())
            else:
                commands = self._lifecycle.handle(event, loop.time())
            for command in commands:
                self._carry_out(command, tasks)

    def _after_s(self, at: float | None) -> float | None:
        return None if at is None else max(at - self._began, 0.0)

    def _leg_state(self, leg: Leg) -> LegState:
        traffic = self._connections.traffic(leg.id)
        return LegState(
            leg.id.name,
            leg.state.value,
            leg.generation,
            server_host(leg.url),
            traffic.messages,
            traffic.bytes,
            traffic.keep_alives,
            self._connections.silent_s(leg.id, asyncio.get_running_loop().time()),
            self._handshakes.get(leg.id.name),
            self._connections.round_trip_s(leg.id),
        )

    def _is_mended(self, lost_ms: int) -> bool:
        """Whether signaling has come back since that time of Zoom's."""
        return self._signaling_since > 0 and lost_ms < self._reception.zoom_ms(self._signaling_since)

    def _post(self, event: LifecycleEvent) -> None:
        self._inbox.put_nowait(event)

    # --- commands ---

    def _carry_out(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Connect():
                self._connect(command, tasks)
            case Disconnect(leg=leg, generation=generation):
                self._connections.close(leg, generation)
            case AcknowledgeReady():
                self._acknowledge_ready()
            case RequestClose():
                self._say(SignalingProtocol.request_close)
            case NoteLost(leg=leg, why=why):
                self._log.warning("ConnectionLost", leg=leg.name, reason=why, meaning=loss_in_words(why))
                self._reception.event(ConnectionLost(self._world.unix_ms(), leg.name, why))
                self._reception.lost(leg.kinds, self._connections.last_up(leg), why)
            case NoteRestored(leg=leg):
                self._log.info("ConnectionRestored", leg=leg.name)
                self._reception.event(ConnectionRestored(self._world.unix_ms(), leg.name))
                self._reception.restored(leg.kinds)
            case NoteRefused(leg=leg, why=why):
                self._log.error("MediaRefused", leg=leg.name, reason=why)
                for kind in sorted(leg.kinds):
                    self._reception.event(MediaRefused(self._world.unix_ms(), kind, why))
            case Finish(reason=reason, detail=detail, is_released=is_released):
                self._reception.ended(self._ended_ms)
                self._ending = self._end(reason, detail, is_released)

    def _connect(self, command: Connect, tasks: asyncio.TaskGroup) -> None:
        driver: LegDriver[Connection] = LegDriver(
            command.leg,
            command.generation,
            self._protocol(command),
            publish=self._reception.frame,
            tell=self._hear,
            lost=self._connection_lost,
        )
        name = f"stream:{self.info.stream_id}/{command.leg.name}"
        self._log.debug("ConnectionAttempted", leg=command.leg.name, attempt=command.generation)
        self._connections.add(driver, tasks.create_task(self._open(command, driver), name=name))

    def _protocol(self, command: Connect) -> Connection:
        if command.leg == SIGNALING:
            events = events_for(self.info.kinds, single_participant_video=self._chooses_video)
            return SignalingProtocol(
                self._identity,
                events=() if self.info.product.contact_center_events else events,
                unix_ms=self._world.unix_ms,
                id_fields=command.id_fields,
                buffer_data=self._settings.buffer_data,
            )
        return MediaProtocol(
            self._identity,
            command.leg,
            self._settings.params,
            self._reception.roster,
            unix_ms=self._world.unix_ms,
            id_fields=command.id_fields,
            defaults=command.defaults,
        )

    async def _ask_for_media(self) -> None:
        consent = self._settings.consent
        if consent.ask is None:
            self._permission.set_result("")
            return
        answer, detail = await consent.answer(self.info)
        self._log.info("ConsentDecided", allowed=answer.allow, notice=answer.notice, reason=detail)
        self._reception.exclude((*consent.exclude, *answer.exclude))
        self._reception.is_closed = not answer.allow
        self._reception.event(ConsentDecided(self._world.unix_ms(), answer.allow, answer.notice, detail))
        self._permission.set_result("" if answer.allow else f"consent was denied{detail and f': {detail}'}")

    async def _open(self, command: Connect, driver: LegDriver[Connection]) -> None:
        try:
            if command.leg != SIGNALING and (why := await asyncio.shield(self._permission)):
                self._post(LegImpossible(command.leg, command.generation, why))
                return
            endpoint = self._world.policy.endpoint(command.url)
            await self._world.connector.connect(endpoint, driver)
        except EndpointRefused as error:
            self._post(LegImpossible(command.leg, command.generation, str(error)))
        except ConnectFailed as error:
            self._log.warning("ConnectionFailed", leg=command.leg.name, reason=str(error))
            self._post(LegLost(command.leg, command.generation, str(error)))
        except Exception:  # noqa: BLE001 - a wall: a connection's defect must not take the sinks with it
            self._log.exception("ConnectionFailed", leg=command.leg.name, reason="defect in the engine")
            self._post(LegLost(command.leg, command.generation, "defect in the engine; see the log"))

    def _acknowledge_ready(self) -> None:
        now = asyncio.get_running_loop().time()
        self._say(lambda signaling: signaling.acknowledge_ready(now))
        if self._video_choice is not None:
            self._show(self._video_choice.again())

    def _say(self, verb: Callable[[SignalingProtocol], None]) -> None:
        driver = self._connections.signaling
        if driver is not None and isinstance(driver.protocol, SignalingProtocol):
            verb(driver.protocol)
            driver.flush()
            driver.rearm()

    # --- what connections say ---

    def _connection_lost(self, driver: LegDriver[Connection], why: str) -> None:
        self._connections.forget(driver)
        if driver.protocol.state is State.READY:
            self._reception.was_up(driver.leg.kinds, driver.last_up)
        self._post(LegLost(driver.leg, driver.generation, why))

    def _hear(self, driver: LegDriver[Connection], event: ConnectionEvent) -> None:  # noqa: C901, PLR0912 - one case each
        match event:
            case Heard(event=happened):
                self._happened(happened)
            case Noise():
                self._reception.unusable(driver.leg.name, event)
            case MediaElsewhere():
                self._media_elsewhere(driver, event)
            case _ if not self._connections.is_current(driver):
                return  # nothing that a replaced connection says may act (V1.md Appendix A)
            case HandshakeAccepted(server_urls=server_urls):
                if driver.leg == SIGNALING:
                    self._joined_at = self._joined_at or asyncio.get_running_loop().time()
                    self._signaling_since = asyncio.get_running_loop().time()
                took_s = asyncio.get_running_loop().time() - driver.made_at
                self._handshakes.setdefault(driver.leg.name, took_s)
                self._handshake_accepted(driver, event)
                self._post(LegAccepted(driver.leg, driver.generation, server_urls))
            case HandshakeRefused(status=status, reason=reason):
                self._log.warning(
                    "HandshakeRefused",
                    leg=driver.leg.name,
                    status=f"{int(status)} {status.name}",
                    said=reason,
                    meaning=in_words("status", status),
                )
                self._post(LegRefused(driver.leg, driver.generation, status, reason))
            case Silent(why=why):
                self._post(LegLost(driver.leg, driver.generation, why))
            case MediaInterrupted(kinds=kinds):
                self._reception.event(MediaConnectionInterrupted(self._world.unix_ms(), tuple(sorted(kinds))))
                self._post(event)
            case StreamStateHeard(state=state, reason=reason, timestamp_ms=when):
                self._log.info(
                    "StreamStateChanged",
                    state=state.name,
                    reason=_name(reason),
                    meaning=in_words("state", state),
                )
                self._reception.time(when)
                if state is StreamState.TERMINATED and when:
                    self._ended_ms = when
                when = when or self._world.unix_ms()
                self._reception.event(StreamStateChanged(when, state.name, _name(reason)))
                self._post(event)
            case SessionStateHeard(session_id, session_state, reason, when):
                self._reception.time(when)
                when = when or self._world.unix_ms()
                self._reception.event(
                    SessionStateChanged(when, session_id, session_state.name, _name(reason))
                )
                self._post(event)
            case StatusHeard(status=status, reason=reason) | CloseAnswered(status=status, reason=reason):
                self._log.info(
                    "StatusHeard",
                    status=f"{int(status)} {status.name}",
                    said=reason,
                    meaning=in_words("status", status),
                )
                self._post(event)

    def _handshake_accepted(self, driver: LegDriver[Connection], event: HandshakeAccepted) -> None:
        self._log.info("ConnectionAccepted", leg=driver.leg.name)
        self._reception.granted(event.granted)
        for kind, params in event.granted.items():
            asked = self._settings.params.of(kind)
            if params != asked:
                self._log.warning("MediaDiffered", leg=kind.value, asked=str(asked), granted=str(params))
            self._reception.event(MediaGranted(self._world.unix_ms(), kind, msgspec.to_builtins(params)))

    def _media_elsewhere(self, driver: LegDriver[Connection], event: MediaElsewhere) -> None:
        media = self._connections.of(event.kind)
        if media is None:
            noise = Noise(NoiseKind.UNEXPECTED, f"{event.kind.value} without a connection for it")
            self._reception.unusable(driver.leg.name, noise)
        else:
            media.take(event.message)

    def _happened(self, event: StreamEvent) -> None:
        self._reception.event(event)
        if self._video_choice is not None:
            self._show(self._video_choice.hear(event))

    def _show(self, user_id: int | None) -> None:
        if user_id is not None and self._connections.of(MediaKind.VIDEO):
            self._say(lambda signaling: signaling.subscribe_video(user_id))

    def _end(self, reason: StopReason, detail: str, is_released: bool = False) -> Ending:
        return Ending(reason, self._world.unix_ms(), detail, is_released)

    @property
    def _chooses_video(self) -> bool:
        wanted = MediaKind.VIDEO in self.info.kinds
        return wanted and self._settings.params.video.mode == "single_participant"


def _tell_nobody(_event: StreamEvent) -> None:
    """What a sink that only watches loses is nobody else's affair."""


def _meaning(ending: Ending) -> str:
    """The stop reason in words; of one that Zoom did not give, the detail says more."""
    return "" if ending.detail and not ending.stop_reason else in_words("stop", ending.stop_reason)


def _name(reason: StopReason) -> str:
    return reason.name if reason else ""
