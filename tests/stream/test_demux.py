"""Every frame to the sinks that want its kind, every event to all."""

import pytest

from rtms_engine.model.media import MediaKind
from rtms_engine.stream.demux import Demultiplexer
from rtms_engine.stream.sink_runner import SinkRunner
from tests.stream.items import KeepingSink, joined, picture, sound, text

pytestmark = pytest.mark.virtual_clock


async def test_frames_by_kind_and_events_to_all():
    kinds = [{MediaKind.AUDIO}, {MediaKind.AUDIO, MediaKind.TRANSCRIPT}, set()]
    runners = [SinkRunner(str(n), KeepingSink, frozenset(some)) for n, some in enumerate(kinds)]
    demux = Demultiplexer(runners)
    for frame in (sound(1), sound(2), text(3), picture(4)):
        demux.publish(frame)
    demux.announce(joined(5))
    assert [runner.statistics().queued for runner in runners] == [3, 4, 1]
    assert {kind.value: n for kind, n in demux.received().items()} == {
        "audio": 2,
        "video": 1,
        "share": 0,
        "transcript": 1,
        "chat": 0,
    }


async def test_nobody_listens():
    demux = Demultiplexer([])
    demux.publish(sound(1))
    demux.announce(joined(1))
    assert demux.received()[MediaKind.AUDIO] == 1
