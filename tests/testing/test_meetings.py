"""``fake_zoom``: a user's test of a sink, an engine or a product, as the user writes it."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from rtms_engine.model.events import ConnectionRestored
from rtms_engine.model.frames import TranscriptSegment
from rtms_engine.model.reasons import StopReason
from rtms_engine.simulator.chaos import Failover, Kill, Stop
from rtms_engine.sinks.registry import SinkConfig


class Texts:
    def __init__(self):
        self.texts, self.ending = [], None

    async def open(self, stream):
        """Nothing to get ready."""

    async def write(self, batch):
        self.texts += [item.text for item in batch if isinstance(item, TranscriptSegment)]

    async def close(self, ending):
        self.ending = ending


async def test_a_sink(fake_zoom):
    mine = Texts()
    played = await fake_zoom.play(mine)
    assert len(mine.texts) == played.sent.frames["transcript"] > 0
    assert mine.ending.stop_reason is StopReason.MEETING_ENDED
    assert {sink.state for sink in played.stream.sinks} == {"closed"}


def test_a_class_without_a_loop(fake_zoom):
    played = fake_zoom.run(Texts, script=fake_zoom.script(seconds=2, speakers=3))
    kinds = {type(item).__name__ for item in played.items}
    assert {"AudioFrame", "VideoFrame", "ShareFrame", "TranscriptSegment", "ChatMessage"} <= kinds


async def test_a_configured_sink(fake_zoom, tmp_path):
    await fake_zoom.play(SinkConfig("jsonl", options={"path": str(tmp_path)}))
    (file,) = tmp_path.iterdir()
    assert file.read_text().count('"type":"transcript"') == 10


async def test_failures(fake_zoom):
    """A server that moves, and a revocation, within a second of the test's time."""
    mine = Texts()
    chaos = [Failover(at_ms=2_000), Stop(at_ms=9_000, reason=8)]
    played = await fake_zoom.play(mine, chaos=chaos)
    assert mine.ending.stop_reason is StopReason.STREAM_REVOKED
    assert played.stream.sinks[-1].written["transcript"] >= 4


async def test_a_lost_connection(fake_zoom):
    chaos = [Kill(at_ms=1_000, leg="audio", how="cut")]
    played = await fake_zoom.play(chaos=chaos, script=fake_zoom.script(seconds=100))
    assert played.stream.received["audio"] > 0
    assert any(isinstance(item, ConnectionRestored) and item.leg == "audio" for item in played.items)


async def test_a_product_with_a_webhook_url(fake_zoom):
    from rtms_engine import Engine

    mine = []
    async with Engine(fake_zoom.config(), callback=lambda _, item: mine.append(item)) as product:
        played = await fake_zoom.play(webhook_url=product.webhook_url)
    assert played.stream is None
    assert played.meeting.deliveries[0].is_good
    assert sum(isinstance(item, TranscriptSegment) for item in mine) == played.sent.frames["transcript"]


async def test_what_does_not_go_together(fake_zoom):
    with pytest.raises(ValueError, match="another process"):
        await fake_zoom.play(Texts, webhook_url="http://127.0.0.1:1/webhook")


async def test_it_does_not_wait_for_ever(fake_zoom):
    class Hangs(Texts):
        async def close(self, ending):
            await asyncio.sleep(1000)

    played = await fake_zoom.play(Hangs, close_timeout_s=0.2)
    assert played.stream.sinks[-1].state == "detached"


@pytest.mark.parametrize(
    "plugins",
    [["-p", "no:asyncio"], ["-o", "asyncio_default_fixture_loop_scope=function"]],
    ids=["sync", "async"],
)
def test_in_somebody_elses_suite(tmp_path, plugins):
    """With and without pytest-asyncio, with warnings as errors; and who does not use it pays nothing."""
    (tmp_path / "test_theirs.py").write_text(
        textwrap.dedent("""
            import asyncio
            import sys

            def test_nothing_is_loaded():
                assert "rtms_engine" not in sys.modules

            def test_mine(fake_zoom):
                class Mine:
                    async def open(self, stream): self.n = 0
                    async def write(self, batch): self.n += len(batch)
                    async def close(self, ending): print("items", self.n)
                played = fake_zoom.run(Mine, script=fake_zoom.script(seconds=1))
                assert played.stream.sinks[-1].state == "closed"
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-c", "/dev/null", *plugins]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
