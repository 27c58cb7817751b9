"""What every sink must do, whatever it does (`rtms_engine.sinks.base`).

A test module runs it for a sink of its own by subclassing `SinkContract`::

    class TestMine(SinkContract):
        @pytest.fixture
        def sink_config(self, tmp_path):
            return SinkConfig("package.module:SPEC", options={"path": str(tmp_path)})
"""

import pytest

from rtms_engine.sinks import registry
from tests.sinks.items import CHAT, FINISHED, ITEMS, REVOKED, STREAM


class SinkContract:
    """Subclasses give ``sink_config``; what the sink stores, it stores below ``tmp_path``."""

    pytestmark = pytest.mark.virtual_clock

    @pytest.fixture
    def sink_config(self, tmp_path):
        raise NotImplementedError

    @pytest.fixture
    def ready(self, sink_config):
        return registry.build(sink_config)

    @pytest.fixture
    def sink(self, ready):
        return ready.spec.factory(ready.config)

    async def test_it_takes_every_kind_of_item(self, sink):
        await sink.open(STREAM)
        await sink.write(ITEMS)
        await sink.write([CHAT])
        assert await sink.close(FINISHED) is None

    async def test_it_may_get_nothing_at_all(self, sink):
        await sink.open(STREAM)
        await sink.close(FINISHED)

    async def test_two_streams_do_not_meet(self, ready):
        first, second = ready.spec.factory(ready.config), ready.spec.factory(ready.config)
        await first.open(STREAM)
        await second.open(STREAM)
        assert first is not second
        await first.write(ITEMS)
        await first.close(FINISHED)
        await second.write(ITEMS)
        await second.close(FINISHED)

    async def test_what_was_revoked_is_gone(self, sink, tmp_path):
        await sink.open(STREAM)
        await sink.write(ITEMS)
        await sink.close(REVOKED)
        left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"Good morning." not in left
        assert b"camera" not in left

    def test_its_config_refuses_unknown_keys(self, ready):
        assert ready.spec.config_type.__struct_config__.forbid_unknown_fields
        assert ready.spec.config_type.__struct_config__.frozen
