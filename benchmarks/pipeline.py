"""What does a frame cost on its way through the engine, and to the disk?

CPU time for each frame, in turns with a reference:

* ``message``: from a message in memory to the queue of a sink, without sockets. The messages are those of a
  capture, two voices and 20 ms in each; the reference decodes them with ``json`` and ``base64``.
* ``replayed``: the capture from the file on, as ``rtms-engine replay`` runs it, into the ``null`` sink and
  recorded. The reference reads the same file and writes it with ``wave``. Most of it is the replay's clock,
  which gives every 20 ms a turn of the event loop so that each replay comes out the same.
* A hundred live streams over TLS from `benchmarks.zoom`; the reference is an `asyncio.Protocol` on uvloop that
  counts the bytes of the same sockets.
"""

import base64
import json
import statistics
import tempfile
import time
import wave
from functools import partial
from pathlib import Path

import structlog
import uvloop

from rtms_engine.capture.reader import CaptureReader
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import ALL_KINDS, MediaKind, MediaParams
from rtms_engine.model.products import MEETING
from rtms_engine.protocol.events import LegId
from rtms_engine.protocol.identity import StreamIdentity
from rtms_engine.protocol.media import MediaProtocol
from rtms_engine.replay import replay
from rtms_engine.sinks.null import NullSink
from rtms_engine.sinks.registry import SinkConfig
from rtms_engine.stream.demux import Demultiplexer
from rtms_engine.stream.leg_driver import LegDriver
from rtms_engine.stream.reception import Reception
from rtms_engine.stream.sink_runner import SinkRunner

from .captured import T0, capture
from .frame import Result, Size, in_turns, main, ratio_of, rounded
from .load import carry
from .zoom import Load

QUESTION = "what does a frame cost from the wire to a sink's queue, and recorded?"

LOADS: dict[Size, Load] = {
    "smoke": Load(streams=2, seconds=0.4),
    "short": Load(streams=100, seconds=4),
    "full": Load(streams=100, seconds=10),
}
CAPTURED_S: dict[Size, int] = {"smoke": 2, "short": 120, "full": 600}
ROUNDS: dict[Size, int] = {"smoke": 1, "short": 2, "full": 7}


def measure(size: Size) -> Result:
    """The messages, the replay, the streams."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        path, frames = capture(Path(folder) / "captures", seconds=CAPTURED_S[size], every_ms=20)
        parts = [_messages(size, path), _replayed(size, path, frames), _live(size)]
    return Result(
        {key: value for part in parts for key, value in part.ratio.items()},
        {key: value for part in parts for key, value in part.figures.items()},
    )


def _messages(size: Size, path: Path) -> Result:
    """CPU of a message from memory to the queue."""
    with CaptureReader(path) as captured:
        messages = list(captured.messages("audio"))
    cost = in_turns(
        {
            "plain": partial(_decoded_us, messages),
            "queue": lambda: uvloop.run(_queued_us(messages)),
        },
        5 * ROUNDS[size],
        warm_up=size != "smoke",
    )
    return Result(
        {"message_to_queue_times_cheaper_than_plain": ratio_of(cost["plain"], cost["queue"])},
        {"message_to_queue_cpu_us": rounded({name: statistics.median(us) for name, us in cost.items()})},
    )


def _decoded_us(messages: list[bytes]) -> float:
    frames = []
    began_s = time.process_time()
    for message in messages:
        content = json.loads(message).get("content")
        if content:
            frames.append(base64.b64decode(content["data"]))
    return (time.process_time() - began_s) / len(messages) * 1e6


async def _queued_us(messages: list[bytes]) -> float:
    """All that a stream does with a message, until nobody has taken it from the queue yet."""
    runner = SinkRunner("null", NullSink, ALL_KINDS)
    reception = Reception(Demultiplexer([runner]), structlog.get_logger(), T0)
    leg = LegId(frozenset({MediaKind.AUDIO}))
    identity = StreamIdentity(MEETING, "meeting==", StreamId("captured"), "signature")
    driver = LegDriver(
        leg,
        1,
        MediaProtocol(identity, leg, MediaParams(), reception.roster, unix_ms=lambda: T0),
        publish=reception.frame,
        tell=lambda _driver, _event: None,
        lost=lambda _driver, _why: None,
    )
    driver.connection_made(_Nowhere())
    receive = driver.message_received
    began_s = time.process_time()
    for message in messages:
        receive(message)
    spent_s = time.process_time() - began_s
    driver.connection_lost("the end", was_up=True)
    if (
        runner.statistics().queued + runner.statistics().dropped
        != driver.received - driver.protocol.keep_alives - 1
    ):
        raise SystemExit(f"not every message became a frame: {driver!r}, {runner!r}")
    return spent_s / len(messages) * 1e6


class _Nowhere:
    """A transport whose answers nobody hears."""

    def send(self, message: bytes) -> None:
        """See `rtms_engine.transport.base.Transport`."""

    def close(self) -> None:
        """See `send`."""

    def abort(self) -> None:
        """See `send`."""

    def round_trip_s(self) -> float | None:
        """See `send`."""
        return None


def _replayed(size: Size, path: Path, frames: int) -> Result:
    """CPU of a frame of a capture, by the reference, without a sink, and recorded."""
    with tempfile.TemporaryDirectory() as folder:
        recording = SinkConfig("recording", options={"directory": str(Path(folder) / "recordings")})
        cost = in_turns(
            {
                "plain": partial(_plain_us, path, frames, Path(folder)),
                "null": partial(_replay_us, path, frames, SinkConfig("null")),
                "recording": partial(_replay_us, path, frames, recording),
            },
            ROUNDS[size],
            warm_up=size != "smoke",
        )
    us = {name: statistics.median(found) for name, found in cost.items()}
    return Result(
        {
            f"replayed_{name}_times_cheaper_than_plain": ratio_of(cost["plain"], cost[name])
            for name in ("null", "recording")
        },
        {
            "replayed_cpu_us_per_frame": rounded(us),
            "replayed_frames_per_s": {name: round(1e6 / cpu_us) for name, cpu_us in us.items()},
        },
    )


def _replay_us(path: Path, frames: int, sink: SinkConfig) -> float:
    began_s = time.process_time()
    (done,) = replay(path, sink)
    spent_s = time.process_time() - began_s
    heard = sum(done.statistics.received.values())
    if heard != frames or done.statistics.sinks[0].dropped:
        raise SystemExit(f"{frames} frames were captured, and {heard} replayed: {done.statistics}")
    return spent_s / frames * 1e6


def _plain_us(path: Path, frames: int, folder: Path) -> float:
    """What a program of a few lines does: one file of sound, whoever speaks."""
    began_s = time.process_time()
    with CaptureReader(path) as captured, wave.open(str(folder / "plain.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        for message in captured.messages("audio"):
            content = json.loads(message).get("content")
            if content:
                file.writeframes(base64.b64decode(content["data"]))
    return (time.process_time() - began_s) / frames * 1e6


def _live(size: Size) -> Result:
    """The floor, the engine, the engine recording."""
    load = LOADS[size]
    contestants = {
        "raw": partial(carry, "raw", load),
        "null": partial(carry, "engine", load, variant="null"),
        "recording": partial(carry, "engine", load, variant="recording"),
    }
    carried = in_turns(contestants, ROUNDS[size])
    cost = {name: [run.cpu_us_per_frame for run in runs] for name, runs in carried.items()}
    lost = {name: sum(run.lost for run in runs) for name, runs in carried.items() if name != "raw"}
    return Result(
        {f"{name}_times_the_cost": ratio_of(cost[name], cost["raw"]) for name in ("null", "recording")},
        {
            "cpu_us_per_frame": rounded({name: statistics.median(found) for name, found in cost.items()}),
            "lost": lost,
        },
    )


if __name__ == "__main__":
    main("pipeline")
