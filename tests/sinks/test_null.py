import pytest

from rtms_engine.sinks.null import NullSink
from tests.sinks.items import ITEMS


@pytest.mark.virtual_clock
async def test_it_counts():
    sink = NullSink()
    await sink.write(ITEMS)
    await sink.write(ITEMS)
    assert sink.counts == {"event": 4, "audio": 2, "video": 2, "share": 2, "transcript": 2, "chat": 2}
