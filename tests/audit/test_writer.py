"""Lines from the event loop: many with one wait for the disk, and none lost at the end."""

from pathlib import Path

import pytest
import structlog

from rtms_engine.audit import writer
from rtms_engine.audit.log import AuditLog
from rtms_engine.audit.writer import AuditWriter


async def test_all_is_there_when_it_ends(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    async with AuditWriter(log, lambda: 1_000) as writing:
        for number in range(100):
            writing.note("x", {"n": number})
        await writing.flush()
        assert len(log.entries()) == 100
        writing.note("last", {})
    assert [entry.action for entry in log.entries()][-2:] == ["x", "last"]


async def test_beside_another_that_writes(tmp_path: Path) -> None:
    """Of this process or another: the chain is one."""
    log = AuditLog(tmp_path)
    async with AuditWriter(AuditLog(tmp_path), lambda: 1_000) as writing:
        for number in range(5):
            writing.note("x", {"n": number})
            log.append(2_000, "y", {})
            await writing.flush()
    assert len(log.entries()) == 10


async def test_a_disk_that_cannot_keep_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room is counted, and the count is in the log."""
    monkeypatch.setattr(writer, "MOST_WAITING", 3)
    async with AuditWriter(AuditLog(tmp_path), lambda: 1_000) as writing:
        for number in range(8):
            writing.note("x", {"n": number})
    *_, last = AuditLog(tmp_path).entries()
    assert (last.seq, last.action, last.about) == (4, "lines_missing", {"count": 5})


async def test_a_disk_that_fails_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no directory")
    with structlog.testing.capture_logs() as logs:
        async with AuditWriter(AuditLog(tmp_path / "state"), lambda: 1_000) as writing:
            writing.note("x", {})
            await writing.flush()
    assert [line["event"] for line in logs] == ["AuditFailed"]


async def test_without_a_log() -> None:
    async with AuditWriter(None, lambda: 1_000) as writing:
        writing.note("x", {})
        await writing.flush()


def test_a_look_for_actions(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    assert not log.speaks_of("x")
    log.append(1, "x", {})
    assert log.speaks_of("y", "x")
    assert not log.speaks_of("y")
