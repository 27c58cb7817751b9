"""What sinks share while the engine runs."""

from contextlib import asynccontextmanager

import msgspec
import pytest

from rtms_engine.errors import ConfigError
from rtms_engine.sinks.base import NoConfig, SinkSpec
from rtms_engine.sinks.null import NullSink
from rtms_engine.sinks.registry import ReadySink
from rtms_engine.sinks.services import Services


class PortConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    port: int = 1


def sink(name, service, config=None):
    spec = SinkSpec(name, lambda _: NullSink(), PortConfig, service=service)
    return ReadySink(name, spec, frozenset(), config or PortConfig())


@pytest.fixture
def life():
    """What services began and ended."""
    return []


@pytest.fixture
def service(life):
    @asynccontextmanager
    async def run(config, unix_s):
        life.append(f"begin {config.port} at {unix_s():g}")
        try:
            yield f"service {config.port}"
        finally:
            life.append(f"end {config.port}")

    return run


async def test_a_service_is_entered_once_and_given_to_the_factory(service, life):
    one = sink("one", service)
    async with Services([one], lambda: 7.0) as services:
        assert services.argument(one) == services.argument(one) == "service 1"
        assert life == ["begin 1 at 7"]
    assert life == ["begin 1 at 7", "end 1"]


async def test_a_sink_without_one_gets_its_config():
    plain = ReadySink("null", SinkSpec("null", lambda _: NullSink()), frozenset(), NoConfig())
    async with Services([plain], lambda: 0.0) as services:
        assert services.argument(plain) == NoConfig()


async def test_if_one_cannot_work_none_runs(service, life):
    @asynccontextmanager
    async def broken(config, unix_s):
        raise ConfigError(["the port is in use"])
        yield

    with pytest.raises(ConfigError, match="in use"):
        async with Services([sink("one", service), sink("two", broken)], lambda: 0.0):
            pass
    assert life[-1] == "end 1"


async def test_after_a_reload_a_service_goes_on_as_it_was_started(service):
    one, changed, new = sink("one", service), sink("one", service, PortConfig(2)), sink("new", service)
    changed = msgspec.structs.replace(changed, spec=one.spec)
    async with Services([one], lambda: 0.0) as services:
        assert services.argument(changed) == "service 1"
        assert services.outdated([one, changed, new]) == ["one", "new"]
        with pytest.raises(KeyError):
            services.argument(new)


async def test_another_sink_of_the_same_name_does_not_get_it(service):
    one = sink("one", service)
    other = msgspec.structs.replace(one, spec=SinkSpec("two", lambda _: NullSink(), service=service))
    async with Services([one], lambda: 0.0) as services:
        with pytest.raises(KeyError):
            services.argument(other)
