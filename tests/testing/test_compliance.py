"""The compliance suite: every built-in sink passes it, and every check of it can fail."""

import asyncio
import threading
import time
from typing import ClassVar

import msgspec
import pytest

from rtms_engine.model.reasons import Outcome
from rtms_engine.sinks.registry import SinkConfig
from rtms_engine.stream import sink_call
from rtms_engine.testing import CHECKS, NotCompliant, check_sink, checks


def listen(stream, item):
    """A program's own function."""


BUILT_IN = [
    ("recording", {"directory": "{}"}),
    ("recording", {"directory": "{}", "format": "opus", "align": "trimmed"}),
    ("jsonl", {"path": "{}"}),
    ("jsonl", {"path": "{}", "media": True}),
    ("raw", {"directory": "{}"}),
    ("console", {"content": True}),
    ("callback", {"callback": f"{__name__}:listen"}),
    ("callback", {"callback": listen}),
    ("null", {}),
]


@pytest.mark.parametrize(("sink_type", "given"), BUILT_IN)
async def test_the_built_in_sinks_pass(sink_type, given, tmp_path):
    stored_in = tmp_path / "a" / "b"
    options = {
        key: value.format(stored_in) if isinstance(value, str) else value for key, value in given.items()
    }
    report = await check_sink(SinkConfig(sink_type, options=options), stored_in=stored_in)
    assert len(report.findings) == len(CHECKS)


class GoodSink:
    """Keeps each stream in a file; what the broken ones below do worse."""

    def __init__(self, directory):
        self.directory = directory

    async def open(self, stream):
        self.path = self.directory / f"{abs(hash(stream.stream_id))}.txt"
        if not stream.resumed:
            self.path.touch()

    async def write(self, batch):
        await asyncio.to_thread(self.append, [repr(item) for item in batch])

    def append(self, lines):
        with self.path.open("a") as file:
            file.writelines(lines)

    async def close(self, ending):
        if ending.stop_reason.outcome is Outcome.ERASE:
            self.path.unlink(missing_ok=True)


async def test_a_good_sink_passes(tmp_path):
    await check_sink(lambda: GoodSink(tmp_path / "in"), stored_in=tmp_path / "in")


class Undeclared(GoodSink):
    def write(self, batch):
        """Plain, and not declared blocking."""


class OnlySound(GoodSink):
    async def write(self, batch):
        await super().write([item.payload for item in batch])


class NeedsAWrite(GoodSink):
    async def open(self, stream):
        await super().open(stream)
        self.path.unlink(missing_ok=True)

    async def close(self, ending):
        await super().close(ending)
        if ending.stop_reason.outcome is not Outcome.ERASE:
            self.path.read_bytes()


class NamedByTheStream(GoodSink):
    async def open(self, stream):
        self.path = self.directory / stream.stream_id.replace("\x00", "")[:100]
        self.path.touch()


class Keeps(GoodSink):
    async def close(self, ending):
        """Whatever the ending says."""


class KeepsWhatIsOver(GoodSink):
    async def open(self, stream):
        await super().open(stream)
        self.is_resumed = stream.resumed

    async def close(self, ending):
        if not self.is_resumed:
            await super().close(ending)


class Bewildered(GoodSink):
    """It can be written anything, and is then of no use."""

    failed = False

    async def write(self, batch):
        for item in batch:
            self.failed = self.failed or type(item).__module__.endswith("testing.checks")

    async def close(self, ending):
        assert not self.failed
        await super().close(ending)


class Sulks(GoodSink):
    failed = False

    async def write(self, batch):
        self.failed = True
        await super().write([item.timestamp_ms for item in batch] and batch)
        self.failed = False

    async def close(self, ending):
        assert not self.failed
        await super().close(ending)


class RefusesRepetition(GoodSink):
    last = None

    async def write(self, batch):
        assert batch != self.last
        self.last = batch


class Stubborn(GoodSink):
    async def write(self, batch):
        if len(batch) > 1000:
            for _ in range(3):
                try:
                    await asyncio.sleep(3)
                except asyncio.CancelledError:
                    continue


class ConvertsCancellation(GoodSink):
    async def write(self, batch):
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            raise ValueError("cancelled") from None


class Small(GoodSink):
    async def write(self, batch):
        assert len(batch) < 1000
        await super().write(batch)


class SharesAFile(GoodSink):
    async def open(self, stream):
        self.path = self.directory / "all.txt"
        self.path.touch()


class StartsOver(GoodSink):
    async def open(self, stream):
        await super().open(stream)
        self.path.write_text("")


class LeaksATask(GoodSink):
    tasks: ClassVar = []

    async def open(self, stream):
        await super().open(stream)
        self.tasks.append(asyncio.get_running_loop().create_task(asyncio.sleep(30)))


class LeaksAThread(GoodSink):
    go_on = threading.Event()

    async def open(self, stream):
        await super().open(stream)
        threading.Thread(target=self.go_on.wait, daemon=True).start()


class LeaksAFile(GoodSink):
    files: ClassVar = []

    async def open(self, stream):
        await super().open(stream)
        self.files.append(self.path.open("a"))


class PromptlyWaits(GoodSink):
    async def write_now(self, item):
        await self.write([item])


class OnlyBatches(GoodSink):
    def write_now(self, item):
        raise NotImplementedError


class Blocks(GoodSink):
    async def write(self, batch):
        time.sleep(0.3)


class BlocksPromptly(GoodSink):
    def write_now(self, item):
        time.sleep(0.3)


BROKEN = {
    Undeclared: "declared",
    PromptlyWaits: "declared",
    OnlyBatches: "every_kind",
    OnlySound: "every_kind",
    NeedsAWrite: "empty_stream",
    NamedByTheStream: "hostile_names",
    Keeps: "revoked",
    KeepsWhatIsOver: "revoked_later",
    Sulks: "failed_write",
    Bewildered: "failed_write",
    RefusesRepetition: "same_batch_again",
    Stubborn: "cancelled_write",
    ConvertsCancellation: "cancelled_write",
    Small: "big_batch",
    SharesAFile: "two_streams",
    StartsOver: "resumed_stream",
    LeaksATask: "lets_go",
    LeaksAThread: "lets_go",
    LeaksAFile: "lets_go",
    Blocks: "does_not_block",
    BlocksPromptly: "does_not_block",
}


def test_every_check_is_shown_to_fail():
    assert set(BROKEN.values()) == {check.name for check in CHECKS}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
async def test_a_broken_sink_is_found_out(broken, tmp_path, monkeypatch):
    """By the check that is about it, which passes with the good one; and the report says the clause."""
    monkeypatch.setattr(sink_call, "GRACE_S", 0.5)
    monkeypatch.setattr(checks, "CANCELLED_S", 0.4)
    monkeypatch.setattr(checks, "SETTLE_S", 0.2)
    stored_in = tmp_path / "a" / "in"
    check = next(check for check in CHECKS if check.name == BROKEN[broken])
    try:
        with pytest.raises(NotCompliant) as found:
            await check_sink(lambda: broken(stored_in), stored_in=stored_in, checks=[check])
    finally:
        await _let_go()
    assert found.value.report.failed[0].check is check
    assert check.clause in str(found.value)
    await check_sink(lambda: GoodSink(stored_in), stored_in=stored_in, checks=[check])


async def _let_go():
    for task in LeaksATask.tasks:
        task.cancel()
    await asyncio.gather(*LeaksATask.tasks, return_exceptions=True)
    LeaksATask.tasks.clear()
    LeaksAThread.go_on.set()
    LeaksAThread.go_on = threading.Event()
    while LeaksAFile.files:
        LeaksAFile.files.pop().close()


async def test_a_blocking_sink_by_declaration(tmp_path):
    class Blocking:
        blocking = True

        def open(self, stream):
            time.sleep(0.02)

        def write(self, batch):
            time.sleep(0.02)

        def close(self, ending):
            time.sleep(0.02)

    await check_sink(Blocking)


async def test_a_config_that_takes_anything_is_found_out():
    class Loose(msgspec.Struct):
        key: str = ""

    class Sink(GoodSink):
        config_type = Loose

    checks = [check for check in CHECKS if check.name == "declared"]
    with pytest.raises(NotCompliant, match="not frozen"):
        await check_sink(Sink, checks=checks)
