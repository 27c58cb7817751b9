import pytest

from rtms_engine.sinks.registry import SinkConfig
from tests.sinks.contract import SinkContract


class TestRecordingSink(SinkContract):
    @pytest.fixture
    def sink_config(self, tmp_path):
        return SinkConfig("recording", options={"directory": str(tmp_path)})
