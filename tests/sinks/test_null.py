import pytest

from rtms_engine.sinks.null import NullSink
from rtms_engine.sinks.registry import SinkConfig
from tests.sinks.contract import SinkContract
from tests.sinks.items import ITEMS


class TestNullSink(SinkContract):
    @pytest.fixture
    def sink_config(self):
        return SinkConfig("null")


@pytest.mark.virtual_clock
async def test_it_counts():
    sink = NullSink()
    await sink.write(ITEMS)
    await sink.write(ITEMS)
    assert sink.counts == {"event": 4, "audio": 2, "video": 2, "share": 2, "transcript": 2, "chat": 2}
