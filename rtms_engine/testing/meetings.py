"""Scripted meetings for tests: what the pytest fixture ``fake_zoom`` hands out.

::

    async def test_mine(fake_zoom):
        played = await fake_zoom.play(MySink)
        assert played.stream.sinks[0].state == "closed"

    def test_my_product(fake_zoom):                      # a program of its own, told by its webhook URL
        fake_zoom.run(webhook_url="http://127.0.0.1:8080/webhook")
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from ..config import AppConfig, Config, RtmsConfig, ServerConfig, StateConfig
from ..engine import Engine
from ..model.ids import StreamId
from ..model.products import MEETING, Product
from ..simulator import App, FakeZoom, LedgerSnapshot, Script, load_script, synthetic_script
from ..simulator.chaos import Plan
from ..simulator.live import LiveMeeting
from ..sinks import registry
from ..sinks.base import Item, NoConfig, SinkSpec, StreamInfo
from ..sinks.registry import SinkConfig
from ..stream.worker import StreamStatistics

SPEED = 20.0
"""Script seconds per second: as fast as reconnects, which take real seconds, leave it a meeting."""
LEAD_S = 0.5
"""Real seconds between the start of the stream and that of the script, in which everybody connects."""
WITHIN_S = 60.0
CLOSE_S = 5.0

SinkLike = SinkConfig | SinkSpec | type[Any] | Any
"""A configured sink, a spec, a class, or an instance, which serves one stream."""


class Played(msgspec.Struct, frozen=True):
    """A meeting that is over."""

    meeting: LiveMeeting
    """The simulator's side: ``deliveries``, ``stop_reason``, ``ledger``."""
    sent: LedgerSnapshot
    """What was sent and what was withheld."""
    stream: StreamStatistics | None
    """The engine's side; None for a product in another process."""
    items: tuple[Item, ...]
    """Every frame and event that the engine received; empty for a product in another process."""


class FakeZoomMeetings:
    """A fake Zoom that plays meetings, each with servers of its own on this machine."""

    app = App("client-id", "client-secret", "secret-token")
    """Of the Zoom app: what a product in another process must be configured with."""

    def config(self, *sinks: SinkConfig, **changes: Any) -> Config:
        """A configuration that takes its webhooks and connects to its servers.

        Args:
            *sinks: the configured sinks; none: what comes is counted.
            **changes: other fields of `Config`.
        """
        app = AppConfig.of(self.app.client_id, self.app.client_secret, self.app.secret_token)
        fields: dict[str, Any] = {
            "apps": [app],
            "server": ServerConfig(host="127.0.0.1", port=0),
            "rtms": RtmsConfig(allowed_hosts=("127.0.0.1",), allow_insecure_loopback=True),
            "sinks": sinks or (SinkConfig("null"),),
            "state": StateConfig(directory=""),
        }
        return Config(**{**fields, **changes})

    def script(self, seconds: float = 10.0, speakers: int = 2) -> Script:
        """A meeting with sound, a camera, slides, a transcript and a chat."""
        duration_ms = int(seconds * 1000)
        return synthetic_script(
            speakers,
            duration_ms,
            min(1_000, duration_ms),
            camera=True,
            slides=True,
            chat_every_ms=min(1_000, duration_ms),
        )

    async def play(
        self,
        *sinks: SinkLike,
        script: Script | Path | str | None = None,
        chaos: Plan | Sequence[Any] | None = None,
        webhook_url: str | None = None,
        config: Config | None = None,
        product: Product = MEETING,
        speed: float = SPEED,
        within_s: float = WITHIN_S,
        close_timeout_s: float = CLOSE_S,
    ) -> Played:
        """Play one meeting to its end, and wait until everybody is done with it.

        Args:
            *sinks: what the engine is to feed.
            script: what happens; a path is read; None: `script`.
            chaos: what goes wrong (`rtms_engine.simulator.chaos`): actions, or a plan.
            webhook_url: of a product in another process, instead of an engine in this one.
            config: of the engine; None: `config`.
            product: what kind of meeting it is.
            speed: script seconds per second.
            within_s: how long all of it may take.
            close_timeout_s: how long a sink may take at the end before it is abandoned.

        Raises:
            TimeoutError: the meeting, or the engine's sinks, did not end in time.
            ValueError: sinks or a config are given for a product in another process.
        """
        if webhook_url and (sinks or config):
            raise ValueError(
                "webhook_url is of a product in another process, which has its own sinks and config"
            )
        script = _script(script) if script is not None else self.script()
        options: dict[str, Any] = {"product": product, "speed": speed, "chaos": _plan(chaos)}
        options["from_ms"] = -LEAD_S * 1000 * speed
        async with asyncio.timeout(within_s), AsyncExitStack() as stack:
            zoom = await stack.enter_async_context(FakeZoom([self.app], tls=False))
            if webhook_url:
                meeting = await zoom.start(script, webhook_url, **options)
                await meeting.ended()
                await meeting.webhooks.all_delivered()
                return Played(meeting, meeting.ledger.snapshot(), None, ())
            items: list[Item] = []
            engine = await stack.enter_async_context(self._engine(sinks, config, items, close_timeout_s))
            meeting = await zoom.start(script, engine.webhook_url, **options)
            await meeting.ended()
            stream = await _over(engine, StreamId(meeting.stream_id))
            return Played(meeting, meeting.ledger.snapshot(), stream, tuple(items))

    def run(self, *sinks: SinkLike, **how: Any) -> Played:
        """As `play`, for a test that is no coroutine."""
        return asyncio.run(self.play(*sinks, **how))

    def _engine(
        self, sinks: Sequence[SinkLike], config: Config | None, items: list[Item], close_timeout_s: float
    ) -> Engine:
        limit = {"close_timeout_s": close_timeout_s}
        configured = [
            msgspec.structs.replace(sink, delivery={**limit, **sink.delivery})
            for sink in sinks
            if isinstance(sink, SinkConfig)
        ]
        own = [_spec(sink, limit) for sink in sinks if not isinstance(sink, SinkConfig)]
        config = config or self.config()
        if configured:
            config = msgspec.structs.replace(config, sinks=configured)

        def keep(_: StreamInfo, item: Item) -> None:
            items.append(item)

        return Engine(config, callback=keep, sinks=own)


def _spec(sink: Any, limit: Mapping[str, float]) -> SinkSpec:
    if isinstance(sink, SinkSpec | type):
        spec = registry.spec_of(getattr(sink, "__name__", "sink"), sink)
        return msgspec.structs.replace(spec, delivery=msgspec.structs.replace(spec.delivery, **limit))
    spec = registry.spec_of(type(sink).__name__, type(sink))
    delivery = msgspec.structs.replace(spec.delivery, restarts=0, **limit)  # there is no other instance
    factory: Callable[[Any], Any] = lambda _: sink  # noqa: E731 - with its type
    return msgspec.structs.replace(spec, factory=factory, config_type=NoConfig, delivery=delivery)


def _script(script: Script | Path | str) -> Script:
    return script if isinstance(script, Script) else load_script(script)


def _plan(chaos: Plan | Sequence[Any] | None) -> Plan | None:
    return chaos if chaos is None or isinstance(chaos, Plan) else Plan(actions=tuple(chaos))


async def _over(engine: Engine, stream_id: StreamId) -> StreamStatistics:
    while True:
        for stream in engine.recent_streams():
            if stream.info.stream_id == stream_id:
                return stream
        await asyncio.sleep(0.01)
