"""A stream against a Zoom in memory, captured; and the same stream from the capture."""

import asyncio
import math

import msgspec
import pytest

from rtms_engine import SinkConfig, replay
from rtms_engine.capture.format import Head
from rtms_engine.capture.tape import Tape, TapeWriter, paths_of
from rtms_engine.capture.tee import CaptureSink, CapturingConnector, Witness
from rtms_engine.errors import CaptureError, ConfigError
from rtms_engine.model.media import MediaKind
from rtms_engine.model.reasons import StopReason
from rtms_engine.sinks.base import Ending
from rtms_engine.transport.memory import MemoryConnector
from tests.stream.items import INFO, KeepingSink
from tests.stream.zoom import START_MS, AStream, Zoom
from tests.support.clock import VirtualClockLoop


class Captured(AStream):
    """A stream whose wire is captured."""

    def __init__(self, folder, zoom, *kinds):
        self.tape = Tape(folder, INFO.stream_id, "none")
        self.sink = CaptureSink(self.tape, TapeWriter(lambda: ""))
        self.witness = Witness(self.tape)
        super().__init__(zoom, *kinds, connector=CapturingConnector(MemoryConnector(zoom), self.tape))

    def starts(self, url="wss://sig.zoom.us:443"):
        if self.worker._world.witness is None:
            self.worker._world = msgspec.structs.replace(self.worker._world, witness=self.witness)
            info = msgspec.structs.replace(self.worker.info, media=self.worker._settings.params)
            head = Head(
                engine="0",
                unix_ms=START_MS + round(self.loop.time() * 1000),
                stream=info,
                unified=False,
                follow="active_speaker",
                buffer_data=True,
                is_late=False,
            )
            self.witness.began(head)
        super().starts(url)

    async def captured(self, ending=None):
        await self.sink.close(ending or self.worker.statistics().ending)


def on_virtual_time(main):
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)


async def a_meeting(folder):
    """Sound and text; audio is lost, cannot be had again at first, and comes back; Zoom moves; the end."""
    zoom = Zoom()
    stream = Captured(folder, zoom, "audio", "transcript")
    await stream.until(1)
    john = {"user_id": 16778240, "user_name": "John Smith"}
    zoom.say("signaling", msg_type=6, event={"event_type": 3, "participants": [john]})
    for n in range(5):
        await stream.until(2 + n)
        zoom.play(n)
    zoom.unreachable.add("audio")
    zoom.close("audio", "lost without a close frame")
    await stream.until(10)
    zoom.unreachable.clear()
    await stream.until(30)
    zoom.play(30)
    await stream.until(30.5)
    stream.interrupted()
    await stream.until(31)
    zoom.close("signaling", "lost without a close frame")
    await stream.until(40)
    for name in ("signaling", "audio", "transcript"):
        zoom.say(name, msg_type=12, timestamp=START_MS + 40_000)
    zoom.say(
        "transcript", msg_type=17, content={"user_id": 16778240, "data": "Hi", "timestamp": START_MS + 9000}
    )
    zoom.say_bytes("audio", b"\xffnonsense")
    await stream.until(50)
    statistics = await stream.stops(6)
    await stream.captured()
    return stream.sinks[0].items, statistics


def again(path, sinks=None, **how):
    """The items of the only stream in a capture, and what was said of it."""
    kept = []

    def make():
        kept.append(KeepingSink())
        return kept[-1]

    (replayed,) = replay(path, make, **how)
    return kept[0].items, replayed


def test_a_replay_is_the_stream_again(tmp_path):
    """Every frame with its time of arrival, every event with its time; reconnects and gaps too."""
    live, live_statistics = on_virtual_time(a_meeting(tmp_path))
    items, replayed = again(paths_of(tmp_path, INFO.stream_id)[0])
    assert items == live
    assert replayed.is_complete
    assert replayed.damages == ()
    statistics = replayed.statistics
    assert statistics.received == live_statistics.received
    assert statistics.noise == live_statistics.noise
    assert statistics.keep_alives == live_statistics.keep_alives == 3
    assert statistics.ending == live_statistics.ending


def test_two_replays_are_the_same_at_any_speed(tmp_path):
    on_virtual_time(a_meeting(tmp_path))
    first, _ = again(tmp_path)
    second, _ = again(tmp_path, speed=500)
    assert first == second


def test_a_capture_that_was_cut_is_replayed_up_to_there(tmp_path):
    live, _ = on_virtual_time(a_meeting(tmp_path))
    (path,) = paths_of(tmp_path, INFO.stream_id)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"nonsense") + 4])
    items, replayed = again(path)
    media = [item for item in live if hasattr(item, "received_at")]
    assert [item for item in items if hasattr(item, "received_at")] == media
    assert not replayed.is_complete
    assert [damage.is_end for damage in replayed.damages] == [True]
    assert replayed.statistics.ending.is_released


async def a_request(folder, what):
    stream = Captured(folder, Zoom(), "audio")
    await stream.until(5)
    getattr(stream.worker, what)()
    statistics = await stream.ends()
    await stream.captured()
    return statistics


@pytest.mark.parametrize("what", ["request_end", "release"])
def test_what_somebody_wanted_is_wanted_again(tmp_path, what):
    live = on_virtual_time(a_request(tmp_path, what))
    _, replayed = again(tmp_path)
    assert replayed.statistics.ending == live.ending


async def given_up(folder):
    """Nobody says the end: Zoom is gone, and the stream ends by itself."""
    zoom = Zoom()
    stream = Captured(folder, zoom, "audio")
    await stream.until(5)
    zoom.unreachable |= {"audio", "signaling"}
    zoom.close("audio")
    zoom.close("signaling")
    statistics = await stream.ends()
    await stream.captured()
    return statistics


def test_a_stream_that_ended_by_itself_does_again(tmp_path):
    live = on_virtual_time(given_up(tmp_path))
    _, replayed = again(tmp_path)
    assert replayed.statistics.ending.stop_reason == live.ending.stop_reason
    assert replayed.statistics.ending.detail == live.ending.detail
    assert abs(replayed.statistics.ending.timestamp_ms - live.ending.timestamp_ms) < 100


async def never_stopped(folder):
    """The end of the tape without an end of the stream: as far as it went."""
    stream = Captured(folder, Zoom(), "audio")
    await stream.until(5)
    await stream.captured(Ending(StopReason.UNDEFINED, START_MS))
    await stream.stops()


def test_a_worker_that_does_not_end_is_let_go(tmp_path):
    on_virtual_time(never_stopped(tmp_path))
    _, replayed = again(tmp_path)
    assert replayed.statistics.ending is not None


def test_a_sink_by_its_configuration(tmp_path):
    on_virtual_time(a_meeting(tmp_path / "captures"))
    options = {"path": str(tmp_path / "out"), "media": True}
    (replayed,) = replay(tmp_path / "captures", SinkConfig("jsonl", options=options), speed=math.inf)
    assert replayed.statistics.sinks[0].written[MediaKind.AUDIO] == 6
    assert (tmp_path / "out" / f"{INFO.stream_id}.jsonl").read_text().count("\n") > 8


def test_what_cannot_be_replayed(tmp_path):
    (tmp_path / "x.rtmscap").write_bytes(b"")
    with pytest.raises(CaptureError, match="empty"):
        replay(tmp_path / "x.rtmscap", KeepingSink)
    with pytest.raises(ConfigError, match="did you mean"):
        replay(tmp_path / "x.rtmscap", SinkConfig("recordin"))
