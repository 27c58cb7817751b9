"""The audit log tells when somebody has touched it, and survives being killed in the middle of a line."""

import multiprocessing
from pathlib import Path

import pytest

from rtms_engine.audit.chain import BrokenChainError, decode, encode, following
from rtms_engine.audit.log import AuditLog


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "state")
    for number in range(5):
        log.append(1000 + number, "stream_deleted", {"stream_id": f"s{number}", "files": number})
    return log


def test_it_is_read_as_it_was_written_and_private(log: AuditLog) -> None:
    entries = log.entries()
    assert [(e.seq, e.about["files"]) for e in entries] == [(n + 1, n) for n in range(5)]
    assert entries[0].previous == ""
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700
    assert AuditLog(log.path.parent / "none").entries() == []


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: [lines[0], lines[1].replace(b'"files":1', b'"files":9'), *lines[2:]], 2),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:3], b"{}", *lines[3:]], 4),
        (lambda lines: [*lines[:3], b"\xff\x00", *lines[3:]], 4),
        (
            lambda lines: [*lines[:2], encode(following(decode(lines[0]), 1, "x", {})).rstrip(), *lines[2:]],
            3,
        ),
    ],
)
def test_what_was_touched_is_found(log: AuditLog, tamper: object, line: int) -> None:
    lines = log.path.read_bytes().splitlines()
    log.path.write_bytes(b"\n".join(tamper(lines)) + b"\n")  # type: ignore[operator]
    with pytest.raises(BrokenChainError, match=f"line {line}:"):
        log.entries()


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_line_makes_room(log: AuditLog, cut: int) -> None:
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    assert len(log.entries()) == 4
    log.append(2000, "again", {})
    assert [entry.action for entry in log.entries()][3:] == ["stream_deleted", "again"]


def test_nothing_is_added_behind_a_line_that_is_none(log: AuditLog) -> None:
    with log.path.open("ab") as file:
        file.write(b"rubbish\n")
    with pytest.raises(BrokenChainError):
        log.append(2000, "again", {})


def add_some(directory: Path) -> None:
    for number in range(20):
        AuditLog(directory).append(number, "x", {"n": number})


def test_several_processes_may_append(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=add_some, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(AuditLog(tmp_path).entries()) == 40
