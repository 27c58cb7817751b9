"""Which kinds of sinks there are, and how a configured one is made ready.

A ``type`` is the name of a built-in, the name of an entry point of the group ``rtms_engine.sinks``
whose value is a `SinkSpec`, or ``"package.module:Name"`` of a `SinkSpec` or of a sink's class. Of a
class, the attributes ``config_type``, ``kinds``, ``live``, ``blocking`` and ``delivery`` are taken where it has
them; it is called with the config if it has a ``config_type``, else without arguments.

A module is imported when its sink is asked for, so that a recording without video needs no codecs.
"""

import pkgutil
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

import msgspec

from .. import schema
from ..errors import ConfigError
from ..model.media import ALL_KINDS, MediaKind
from .base import BlockingSink, NoConfig, Sink, SinkSpec
from .delivery import Delivery, Overflow

GROUP = "rtms_engine.sinks"
"""The entry point group."""

LINGER_S = 0.5
"""How long a batch is gathered unless the sink is live or says otherwise."""

BUILT_IN: dict[str, str] = {
    "recording": "rtms_engine.recording.sink:SPEC",
    "jsonl": "rtms_engine.sinks.jsonl:SPEC",
    "raw": "rtms_engine.sinks.raw:SPEC",
    "webhook": "rtms_engine.sinks.webhook:SPEC",
    "http": "rtms_engine.sinks.http:SPEC",
    "exec": "rtms_engine.sinks.exec:SPEC",
    "websocket": "rtms_engine.sinks.websocket:SPEC",
    "console": "rtms_engine.sinks.console:SPEC",
    "null": "rtms_engine.sinks.null:SPEC",
    "callback": "rtms_engine.sinks.callback:SPEC",
}
"""Where the specs of the built-in sinks are, by type."""


class SinkConfig(msgspec.Struct, frozen=True):
    """One ``[[sinks]]`` of the configuration."""

    type: str
    name: str = ""
    """Tells two sinks of one type apart; empty: the type."""
    kinds: frozenset[MediaKind] | None = None
    """The kinds of media it gets; None: those that its type wants."""
    delivery: Mapping[str, Any] = {}
    """How it is fed, where that is to be other than its type wants: keys of `Delivery`."""
    options: Mapping[str, Any] = {}
    """The keys of its own type."""


class ReadySink(msgspec.Struct, frozen=True):
    """A configured sink, checked: for every stream, ``spec.factory(config)`` makes a `Sink`."""

    name: str
    spec: SinkSpec
    kinds: frozenset[MediaKind]
    config: msgspec.Struct
    delivery: Delivery = Delivery()

    @property
    def writes_to_disk(self) -> bool:
        """Whether it has a place on a disk, as far as its spec tells."""
        return bool(self.directory)

    @property
    def directory(self) -> str:
        """Where it writes; empty: nowhere, as far as its spec tells."""
        return str(self.spec.directory(self.config) or "")

    @property
    def live(self) -> bool:
        """Whether it wants sound as soon as possible."""
        return self.spec.live and MediaKind.AUDIO in self.kinds


def build(sink: SinkConfig) -> ReadySink:
    """Make a configured sink ready. Raises ConfigError with every problem, by key (``sinks.NAME.KEY``)."""
    name = sink.name or sink.type
    spec = find(sink.type)
    problems = schema.problems(spec.config_type, sink.options)
    problems |= {f"delivery.{key}": why for key, why in _delivery_problems(sink.delivery).items()}
    if problems:
        raise ConfigError([f"sinks.{name}{key and '.'}{key}: {why}" for key, why in problems.items()])
    kinds = spec.kinds if sink.kinds is None else sink.kinds
    return ready(spec, name, kinds, schema.convert(spec.config_type, sink.options), sink.delivery)


def ready(
    spec: SinkSpec,
    name: str,
    kinds: frozenset[MediaKind],
    config: msgspec.Struct,
    delivery: Mapping[str, Any] | None = None,
) -> ReadySink:
    """A sink whose config is good, with the keys of ``delivery`` instead of what its type wants."""
    given = dict(delivery or {})
    overflow = msgspec.structs.asdict(spec.delivery.overflow) | given.pop("overflow", {})
    wanted = msgspec.structs.asdict(spec.delivery) | given | {"overflow": overflow}
    if wanted["linger_s"] is None:
        wanted["linger_s"] = 0.0 if spec.live else LINGER_S
    return ReadySink(name, spec, kinds, config, schema.convert(Delivery, wanted))


def _delivery_problems(delivery: Mapping[str, Any]) -> dict[str, str]:
    problems = schema.problems(Delivery, delivery)
    overflow = delivery.get("overflow", {})
    if isinstance(overflow, Mapping) and "overflow" in problems:
        del problems["overflow"]
        problems |= {f"overflow.{key}": why for key, why in schema.problems(Overflow, overflow).items()}
    return problems


def find(sink_type: str) -> SinkSpec:
    """The spec of a ``type``. Raises ConfigError, with the nearest known one, if there is none."""
    place = BUILT_IN.get(sink_type) or _installed().get(sink_type, sink_type)
    if ":" not in place:
        known = schema.nearest(sink_type, {*BUILT_IN, *_installed()})
        raise ConfigError([f"the sink type {sink_type!r} is not known{known}"])
    try:
        found = pkgutil.resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError([f"the sink type {sink_type!r} cannot be imported: {error}"]) from error
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError([f"the sink type {sink_type!r} fails when it is imported: {why}"]) from error
    return spec_of(sink_type, found)


def _installed() -> Mapping[str, str]:
    """Where the specs of other packages are. It reads the metadata of all of them, which takes a while."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def spec_of(sink_type: str, found: Any) -> SinkSpec:
    """The spec that ``found`` is, or that its class says. Raises ConfigError if it is neither."""
    if isinstance(found, SinkSpec):
        return found
    if isinstance(found, type):
        return SinkSpec(
            name=sink_type,
            factory=_factory(found),
            config_type=getattr(found, "config_type", NoConfig),
            kinds=frozenset(getattr(found, "kinds", ALL_KINDS)),
            live=getattr(found, "live", False),
            delivery=getattr(found, "delivery", Delivery()),
            blocking=getattr(found, "blocking", False),
        )
    raise ConfigError([f"the sink type {sink_type!r} is neither a SinkSpec nor a class"])


def _factory(sink_class: Callable[..., Sink | BlockingSink]) -> Callable[[Any], Sink | BlockingSink]:
    return sink_class if hasattr(sink_class, "config_type") else lambda _config: sink_class()
