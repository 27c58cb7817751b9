import asyncio
import os
import stat

import pytest
from structlog.testing import capture_logs

from rtms_engine.capture import tape as tapes
from rtms_engine.capture.format import Kind, encode_head
from rtms_engine.capture.reader import CaptureReader
from rtms_engine.capture.tape import Tape, TapeWriter, disk_is_full, paths_of
from rtms_engine.errors import SinkError

from .support import HEAD, audio


def begun(folder, compression="none"):
    tape = Tape(folder / "captures", "STREAM", compression)
    tape.note(100.0, Kind.STREAM, "", 0, encode_head(HEAD))
    return tape


def read(path):
    with CaptureReader(path) as reader:
        found = list(reader.records())
        assert reader.damages == ()
        return found


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_is_noted_is_in_the_file_after_a_flush(tmp_path, compression):
    tape = begun(tmp_path, compression)
    tape.note(100.02, Kind.RECEIVED, "audio", 2, audio(1))
    tape.flush()
    (path,) = paths_of(tmp_path / "captures", "STREAM")
    assert [(one.time_ns, one.leg, one.connection, one.data) for one in read(path)[1:]] == [
        (100_020_000_000, "audio", 2, audio(1))
    ]
    tape.note(100.04, Kind.SENT, "audio", 2, b'{"msg_type":3,"signature":"c0ffee"}')
    tape.close()
    assert b"c0ffee" not in path.read_bytes()
    assert read(path)[-1].data == b'{"msg_type":3,"signature":"redacted"}'


def test_only_the_owner_may_read_it(tmp_path):
    tape = begun(tmp_path)
    tape.close()
    (path,) = paths_of(tmp_path / "captures", "STREAM")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_long_messages_make_blocks_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tapes, "BLOCK_BYTES", 1000)
    tape = begun(tmp_path)
    for n in range(50):
        tape.note(101 + n, Kind.RECEIVED, "audio", 1, audio(n))
    tape.close()
    with CaptureReader(paths_of(tmp_path / "captures", "STREAM")[0]) as reader:
        assert sum(block.header.records for block in reader.blocks()) == 51
        assert max(block.header.raw_bytes for block in reader.blocks()) < 2000


def test_a_stream_that_is_taken_up_again_gets_another_file_and_erasing_takes_them_all(tmp_path):
    for _ in range(3):
        begun(tmp_path).close()
    other = Tape(tmp_path / "captures", "STREAM-2", "none")
    other.note(1, Kind.STREAM, "", 0, encode_head(HEAD))
    other.close()
    directory = tmp_path / "captures"
    assert [path.name for path in paths_of(directory, "STREAM")] == [
        "STREAM.rtmscap",
        "STREAM.2.rtmscap",
        "STREAM.3.rtmscap",
    ]
    tape = begun(tmp_path)
    tape.flush()
    tape.note(101, Kind.RECEIVED, "audio", 1, audio(1))
    tape.erase()
    tape.note(102, Kind.RECEIVED, "audio", 1, audio(1))
    tape.close()
    assert [path.name for path in directory.iterdir()] == ["STREAM-2.rtmscap"]


def test_a_disk_that_is_too_slow_costs_messages_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tapes, "BACKLOG_BYTES", 2000)
    tape = begun(tmp_path)
    with capture_logs() as logs:
        for n in range(60):
            tape.note(101 + n, Kind.RECEIVED, "audio", 1, audio(n))
        tape.note(170, Kind.LOST, "audio", 1, b"why")
    tape.close()
    (path,) = paths_of(tmp_path / "captures", "STREAM")
    found = read(path)
    kept = sum(one.kind is Kind.RECEIVED for one in found)
    said = [int(one.data.split()[0]) for one in found if one.kind is Kind.OMITTED]
    assert 0 < kept < 60
    assert kept + sum(said) == 60
    assert found[-1].kind is Kind.LOST
    assert logs[0]["event"] == "CaptureFellBehind"


def test_a_full_disk_ends_the_capture_and_keeps_what_is_there(tmp_path):
    tape = begun(tmp_path)
    tape.flush()
    tape.note(101, Kind.RECEIVED, "audio", 1, audio(1))
    with capture_logs() as logs:
        tape.flush("the disk has 3 MB left")
        tape.note(102, Kind.RECEIVED, "audio", 1, audio(1))
        tape.flush("the disk has 3 MB left")
        tape.close()
    (path,) = paths_of(tmp_path / "captures", "STREAM")
    assert [one.kind for one in read(path)] == [Kind.STREAM, Kind.OMITTED]
    assert [log["reason"] for log in logs] == ["the disk has 3 MB left"]


def test_a_disk_that_fails_ends_the_capture(tmp_path):
    (tmp_path / "captures").write_text("a file where the directory should be")
    tape = begun(tmp_path)
    with capture_logs() as logs:
        tape.flush()
        tape.close()
    assert [log["event"] for log in logs] == ["CaptureStopped"]


def test_the_watermark(tmp_path):
    place = tmp_path / "not" / "yet"
    assert disk_is_full(place, 0)() == ""
    assert disk_is_full(place, 10**9)().startswith("the disk has ")


async def test_the_thread_writes_by_itself_and_ends_with_the_last_tape(tmp_path):
    writer = TapeWriter(lambda: "")
    tape = begun(tmp_path)
    writer.add(tape)
    async with asyncio.timeout(10):
        while not paths_of(tmp_path / "captures", "STREAM"):
            await asyncio.sleep(0.01)
    thread = writer._thread
    tape.note(101, Kind.RECEIVED, "audio", 1, audio(1))
    await writer.finish(tape, erase=False)
    (path,) = paths_of(tmp_path / "captures", "STREAM")
    assert len(read(path)) == 2
    thread.join(10)
    assert not thread.is_alive()


async def test_what_cannot_be_erased_is_said(tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "captures" / "STREAM.rtmscap").mkdir(parents=True)  # unlink fails, also for root
    else:
        begun(tmp_path).close()
        (tmp_path / "captures").chmod(0o500)
    writer = TapeWriter(lambda: "")
    tape = Tape(tmp_path / "captures", "STREAM", "none")
    writer.add(tape)
    with pytest.raises(SinkError, match="cannot be deleted"):
        await writer.finish(tape, erase=True)
