"""``GET /metrics``: every metric, named and documented in this one place.

Nothing is counted twice: a scrape reads what the streams tell of themselves. What ended streams told is
kept as sums, so that counters only grow. No label holds an id, a name, or anything else without bound.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..model.causes import cause_of
from ..stream.worker import StreamStatistics
from ..telemetry.histogram import Histogram
from .operation import Call, Operation

LATENCY_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Labels = tuple[str, ...]


class Row(NamedTuple):
    """A counter that is summed over streams."""

    name: str
    help: str
    labels: Labels
    of: Callable[[StreamStatistics], Iterable[tuple[Labels, float]]]
    """What one stream adds to which labels."""


COUNTERS = (
    Row(
        "rtms_frames_received",
        "Frames of media that Zoom sent, without repetitions.",
        ("kind",),
        lambda s: (((kind,), n) for kind, n in s.received.items()),
    ),
    Row(
        "rtms_received_bytes",
        "Bytes of messages, as they came over the wire.",
        ("leg",),
        lambda s: (((leg.name,), leg.bytes) for leg in s.legs),
    ),
    Row("rtms_frames_repeated", "Frames that Zoom sent again.", (), lambda s: [((), s.repeated)]),
    Row(
        "rtms_messages_unusable",
        "Messages that could not be used.",
        ("kind",),
        lambda s: (((kind,), n) for kind, n in s.noise.items()),
    ),
    Row("rtms_keep_alives_answered", "Keep-alives answered.", (), lambda s: [((), s.keep_alives)]),
    Row(
        "rtms_connections_lost",
        "Connections that were lost, by what it came from.",
        ("cause",),
        lambda s: (((cause,), n) for cause, n in s.overview.losses.items()),
    ),
    Row(
        "rtms_reconnects",
        "How often what was lost came back: server, signaling or media.",
        ("scenario",),
        lambda s: (((scenario,), n) for scenario, n in s.overview.reconnects.items()),
    ),
    Row(
        "rtms_gap_seconds",
        "Media that are missing.",
        ("kind", "cause"),
        lambda s: (
            ((gap.kind, cause_of(gap.cause)), (gap.end_ms - gap.start_ms) / 1000) for gap in s.overview.gaps
        ),
    ),
    Row(
        "rtms_media_refused",
        "Kinds of media that Zoom did not give a stream.",
        ("kind",),
        lambda s: (((kind,), 1) for kind in s.overview.refused),
    ),
    Row(
        "rtms_sink_items_written",
        "Items that a sink took.",
        ("sink", "kind"),
        lambda s: (((sink.name, kind), n) for sink in s.sinks for kind, n in sink.written.items()),
    ),
    Row(
        "rtms_sink_items_dropped",
        "Items that a sink should have had and was too slow for.",
        ("sink",),
        lambda s: (((sink.name,), sink.dropped) for sink in s.sinks),
    ),
    Row(
        "rtms_sink_failures",
        "Calls of a sink that failed.",
        ("sink",),
        lambda s: (((sink.name,), sink.failures) for sink in s.sinks),
    ),
)
_LATENCIES: tuple[tuple[str, str, Callable[[StreamStatistics], float | None]], ...] = (
    ("rtms_join_seconds", "From a start to Zoom's acceptance.", lambda s: s.joined_after_s),
    ("rtms_first_media_seconds", "From a start to the first frame.", lambda s: s.media_after_s),
)


class Totals:
    """The sums over streams."""

    def __init__(self, streams: Iterable[StreamStatistics] = ()) -> None:
        self.counts: dict[str, Counter[Labels]] = {row.name: Counter() for row in COUNTERS}
        self.latencies = {name: Histogram(LATENCY_S) for name, _, _ in _LATENCIES}
        self.handshakes: dict[str, Histogram] = {}
        self.ended: Counter[Labels] = Counter()
        for stream in streams:
            self.add(stream)

    def add(self, stream: StreamStatistics) -> None:
        """One more stream."""
        for row in COUNTERS:
            counts = self.counts[row.name]
            for labels, n in row.of(stream):
                counts[tuple(map(str, labels))] += n  # type: ignore[assignment]  # seconds are no whole numbers
        for name, _, of in _LATENCIES:
            if (seconds := of(stream)) is not None:
                self.latencies[name].observe(seconds)
        for leg in stream.legs:
            if leg.handshake_s is not None:
                self.handshakes.setdefault(leg.name, Histogram(LATENCY_S)).observe(leg.handshake_s)
        if stream.ending is not None:
            self.ended[stream.ending.stop_reason.name,] += 1


class Face(Protocol):
    """What of the engine is measured."""

    version: str

    def live_streams(self) -> Mapping[Any, StreamStatistics]:
        """The streams that run now."""

    def ended_totals(self) -> Totals:
        """The sums over those that ended."""

    def webhook_results(self) -> Mapping[str, int]:
        """Webhooks by result."""

    def webhook_latency(self) -> Histogram:
        """How long their answers took."""

    def restarts(self) -> int:
        """How often Zoom was asked to start a stream again that had ended for a technical reason."""

    def intake_depth(self) -> int:
        """Streams that the journal owes something: announced, and not over."""

    def loop_lags(self) -> Mapping[str, float]:
        """How much the event loop of each process lags behind, in seconds."""

    def free_disk(self) -> Mapping[str, float]:
        """Bytes that are free where sinks write, by directory."""


class EngineCollector(Collector):
    """Makes metrics of what an engine shows, at every scrape."""

    def __init__(self, engine: Face) -> None:
        self._engine = engine
        self._highest: dict[str, Counter[Labels]] = {row.name: Counter() for row in COUNTERS}
        """What was told before: a gap may become known to be shorter, and a counter must not go back."""

    def collect(self) -> Iterator[Metric]:
        """All families."""
        engine = self._engine
        live = list(engine.live_streams().values())
        now, ended = Totals(live), engine.ended_totals()
        yield InfoMetricFamily("rtms_engine", "The engine.", {"version": engine.version})
        yield _gauge("rtms_streams", "Streams that run.", ("state",), Counter((s.phase,) for s in live))
        yield _counter("rtms_streams_ended", "Streams that ended, by reason.", ("reason",), ended.ended)
        for row in COUNTERS:
            self._highest[row.name] |= now.counts[row.name] + ended.counts[row.name]
            yield _counter(row.name, row.help, row.labels, self._highest[row.name])
        for name, text, _ in _LATENCIES:
            yield _histogram(name, text, now.latencies[name] + ended.latencies[name])
        handshakes = HistogramMetricFamily(
            "rtms_handshake_seconds",
            "From opening a connection to Zoom's acceptance; the first of each.",
            labels=("leg",),
        )
        for leg in sorted({*now.handshakes, *ended.handshakes}):
            empty = Histogram(LATENCY_S)
            both = now.handshakes.get(leg, empty) + ended.handshakes.get(leg, empty)
            handshakes.add_metric((leg,), both.buckets(), both.sum_s)
        yield handshakes
        yield from _round_trips(live)
        yield _counter(
            "rtms_restarts", "Streams that Zoom was asked to start again.", (), {(): engine.restarts()}
        )
        depth: dict[Labels, float] = {(): engine.intake_depth()}
        yield _gauge(
            "rtms_intake_streams", "Streams that were announced and are not over, in the journal.", (), depth
        )
        for name, text, of in (
            ("rtms_sink_queue_items", "Items that wait for a sink.", "queued"),
            ("rtms_sink_queue_bytes", "Bytes that wait for a sink in memory.", "queued_bytes"),
            ("rtms_sink_spilled_bytes", "Bytes that wait for a sink on disk.", "spilled_bytes"),
        ):
            waiting: Counter[Labels] = Counter()
            for sink in (sink for stream in live for sink in stream.sinks):
                waiting[sink.name,] += getattr(sink, of)
            yield _gauge(name, text, ("sink",), waiting)
        results: dict[Labels, float] = {(result,): n for result, n in engine.webhook_results().items()}
        yield _counter("rtms_webhooks", "Webhooks, by what became of them.", ("result",), results)
        yield _histogram("rtms_webhook_seconds", "How long an answer took.", engine.webhook_latency())
        lags: dict[Labels, float] = {(process,): lag_s for process, lag_s in engine.loop_lags().items()}
        yield _gauge("rtms_loop_lag_seconds", "How much an event loop lags behind.", ("process",), lags)
        free: dict[Labels, float] = {(place,): free for place, free in engine.free_disk().items()}
        yield _gauge("rtms_disk_free_bytes", "What is free where sinks write.", ("directory",), free)


def exposition(engine: Face) -> Callable[[], bytes]:
    """A function that gives the text of a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EngineCollector(engine))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return lambda: generate_latest(registry)


def metrics_operation(engine: Face) -> Operation:
    """``GET /metrics``, for Prometheus."""
    text = exposition(engine)

    async def handle(_call: Call) -> web.Response:
        return web.Response(body=text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Operation(
        "GET",
        "/metrics",
        "getMetrics",
        "Metrics in Prometheus' text format.",
        handle,
        media_type="text/plain",
    )


def _round_trips(live: Sequence[StreamStatistics]) -> Iterator[Metric]:
    """Mean and worst over all connections; nothing where no kernel tells."""
    times = [leg.round_trip_s for one in live for leg in one.legs if leg.round_trip_s is not None]
    values: dict[Labels, float] = {("mean",): sum(times) / len(times), ("max",): max(times)} if times else {}
    yield _gauge(
        "rtms_connection_rtt_seconds",
        "Round trips to Zoom as TCP measures them, over all connections that are up.",
        ("of",),
        values,
    )


def _counter(name: str, text: str, labels: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in sorted(values.items()):
        family.add_metric(label_values, value)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in sorted(values.items()):
        family.add_metric(label_values, value)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    family.add_metric((), histogram.buckets(), histogram.sum_s)
    return family
