import base64
import json
import os
import stat

import msgspec
import pytest

from rtms_engine.errors import SinkError
from rtms_engine.sinks.jsonl import JsonlConfig, JsonlSink
from tests.sinks.items import AUDIO, FINISHED, ITEMS, REVOKED, STREAM, STREAM_ID

pytestmark = pytest.mark.virtual_clock


async def written(directory, *batches, media=False, ending=FINISHED, stream=STREAM):
    """The lines of a stream of these batches."""
    sink = JsonlSink(JsonlConfig(directory, media))
    await sink.open(stream)
    for batch in batches:
        await sink.write(batch)
    await sink.close(ending)
    [path] = directory.iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_every_item_is_a_line_with_a_type(tmp_path):
    lines = await written(tmp_path, ITEMS[:3], ITEMS[3:])
    assert [line["type"] for line in lines] == [
        "stream",
        "stream_state_changed",
        "participant_joined",
        "audio",
        "video",
        "share",
        "transcript",
        "chat",
        "ending",
    ]
    assert lines[6]["text"] == "Good morning."
    assert lines[6]["speaker"]["name"] == "Ada"


async def test_the_first_and_the_last_line(tmp_path):
    first, last = await written(tmp_path)
    assert (first["stream_id"], first["product"], first["started_ms"]) == (
        STREAM_ID,
        "meeting",
        1790000000000,
    )
    assert (last["stop_reason"], last["outcome"]) == ("MEETING_ENDED", "finish")


@pytest.mark.parametrize(
    ("media", "expected"),
    [(False, {"payload_bytes": 3200}), (True, {"payload": base64.b64encode(bytes(3200)).decode()})],
)
async def test_bytes_are_counted_or_kept(tmp_path, media, expected):
    line = (await written(tmp_path, [AUDIO], media=media))[1]
    assert {key: value for key, value in line.items() if key.startswith("payload")} == expected


async def test_the_file_is_named_after_the_stream_and_stays_below_the_directory(tmp_path):
    stream = msgspec.structs.replace(STREAM, stream_id="../../etc/passwd")
    await written(tmp_path / "a" / "b", stream=stream)
    [path] = (tmp_path / "a" / "b").iterdir()
    assert path.parent == tmp_path / "a" / "b"
    assert path.suffix == ".jsonl"


async def test_nobody_else_may_read_it(tmp_path):
    await written(tmp_path / "new")
    [path] = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_stream_that_comes_back_is_appended(tmp_path):
    await written(tmp_path, [AUDIO])
    lines = await written(tmp_path, [AUDIO])
    assert [line["type"] for line in lines] == ["stream", "audio", "ending"] * 2


async def test_the_file_is_complete_between_two_batches(tmp_path):
    sink = JsonlSink(JsonlConfig(tmp_path))
    await sink.open(STREAM)
    await sink.write([AUDIO])
    [path] = tmp_path.iterdir()
    assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == ["stream", "audio"]


async def test_a_revoked_stream_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="not enough values"):
        await written(tmp_path, ITEMS, ending=REVOKED)
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_does_not_let_us(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"cannot write .*: (Not a directory|File exists)"):
        await JsonlSink(JsonlConfig(tmp_path / "file")).open(STREAM)


async def test_a_batch_that_failed_half_way_leaves_no_half(tmp_path, monkeypatch):
    """It is written again, and then stands there once."""
    failing = [True, False]
    real = os.pwrite

    def half(file, data, offset):
        if failing and failing.pop():
            raise OSError(28, "No space left on device")
        return real(file, data[: len(data) // 2] if failing else data, offset)

    sink = JsonlSink(JsonlConfig(tmp_path))
    await sink.open(STREAM)
    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(SinkError, match="No space left"):
        await sink.write(ITEMS)
    await sink.write(ITEMS)
    await sink.close(FINISHED)
    [path] = tmp_path.iterdir()
    types = [json.loads(line)["type"] for line in path.read_text().splitlines()]
    assert len(types) == len(ITEMS) + 2
