"""Commands as real processes."""

import asyncio
import shutil
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import ConfigError, SinkError
from rtms_engine.model.events import Participant, ParticipantLeft
from rtms_engine.sinks import registry
from rtms_engine.sinks.registry import SinkConfig
from tests.sinks.items import AUDIO, FINISHED, ITEMS, REVOKED, STREAM, STREAM_ID, T0_MS, VIDEO
from tests.support.media import MEDIA, needs_media

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg here")


def made(tmp_path, command, **options):
    given = {"command": command, "directory": str(tmp_path), "stop_s": 5.0, **options}
    ready = registry.build(SinkConfig("exec", options=given))
    return ready.spec.factory(ready.config)


def python(program, *arguments):
    return [sys.executable, "-c", program, *arguments]


def packet(n, user_id=1, value=1000):
    speaker = msgspec.structs.replace(AUDIO.speaker, user_id=user_id)
    sound = np.full(320, value, "<i2").tobytes()
    return msgspec.structs.replace(AUDIO, speaker=speaker, timestamp_ms=T0_MS + 20 * n, payload=sound)


def sound_of(path):
    return np.fromfile(path, "<i2")[::320].tolist()


async def fed(sink, *batches, stream=STREAM, ending=FINISHED):
    await sink.open(stream)
    for batch in batches:
        await sink.write(batch)
    await sink.close(ending)


async def test_all_voices_mixed_with_silence_between(tmp_path):
    sink = made(tmp_path, ["tee", "{stream}-{participant}-{sample_rate}.raw"])
    await fed(sink, [packet(0), packet(0, 2), packet(3)])
    path = tmp_path / STREAM_ID / f"{STREAM_ID}-0-16000.raw"
    assert sound_of(path) == [2000, 0, 0, 1000]


async def test_a_process_for_each_voice(tmp_path):
    sink = made(tmp_path, ["tee", "{participant}.raw"], input="per_participant", silence=False)
    mixed = msgspec.structs.replace(AUDIO, mixed=True)
    await fed(sink, [packet(0, 1, 100), packet(5, 2, 200), packet(9, 1, 300), mixed])
    assert sound_of(tmp_path / STREAM_ID / "1.raw") == [100, 300]
    assert sound_of(tmp_path / STREAM_ID / "2.raw") == [200]
    assert len(list((tmp_path / STREAM_ID).glob("[!.]*"))) == 2


async def test_the_process_of_somebody_who_leaves_ends(tmp_path):
    sink = made(tmp_path, ["tee", "{participant}.raw"], input="per_participant")
    await sink.open(STREAM)
    await sink.write([packet(0)])
    await sink.write([ParticipantLeft(T0_MS, Participant(1))])
    [feeder] = sink._ending
    async with asyncio.timeout(5):
        await asyncio.wait({feeder.task})
    await sink.write([packet(0, 2)])
    assert sink._ending == []
    await sink.close(FINISHED)


async def test_ids_are_safe_in_paths_and_there_is_no_shell(tmp_path):
    stream = msgspec.structs.replace(STREAM, stream_id="../../$(touch x)", entity_id="; rm -rf /")
    sink = made(tmp_path / "exec", ["tee", "{meeting}.raw"])
    await fed(sink, [packet(0)], stream=stream)
    [path] = (tmp_path / "exec").rglob("*.raw")
    assert path.parent.parent == tmp_path / "exec"
    assert len(list(tmp_path.rglob("x"))) == 0


async def test_the_environment_is_a_chosen_one(tmp_path, monkeypatch):
    monkeypatch.setenv("ZM_RTMS_SECRET", "hidden")
    program = "import os, sys; open('env', 'w').write(repr(dict(os.environ))); sys.stdin.buffer.read()"
    await fed(made(tmp_path, python(program)), [packet(0)])
    said = (tmp_path / STREAM_ID / "env").read_text()
    assert "PATH" in said
    assert "hidden" not in said


async def test_a_process_that_dies_is_started_again(tmp_path):
    program = "import os, sys; n = len(os.listdir()) - 1; open(f'run{n}', 'w').close(); n or sys.exit('first'); sys.stdin.buffer.read()"
    sink = made(tmp_path, python(program))
    await sink.open(STREAM)
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            n = 0
            while not (tmp_path / STREAM_ID / "run1").exists():
                await sink.write([packet(n)])
                await asyncio.sleep(0.02)
                n += 1
    await sink.close(FINISHED)
    assert logs[0]["event"] == "CommandFailed"
    assert "last words: first" in logs[0]["reason"]


async def test_one_that_always_dies_is_given_up_with_its_last_words(tmp_path):
    sink = made(tmp_path, python("import sys; sys.exit('cannot encode')"), restarts=0)
    await sink.open(STREAM)

    async def feed():
        async with asyncio.timeout(20):
            for n in range(10_000):
                await sink.write([packet(n)])
                await asyncio.sleep(0.01)

    with pytest.raises(SinkError, match=r"ended with status 1; its last words: cannot encode"):
        await feed()
    with pytest.raises(SinkError):
        await sink.close(FINISHED)


async def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(SinkError, match="cannot start no-such-program: there is no such program"):
        await made(tmp_path, ["no-such-program"]).open(STREAM)


async def test_a_process_that_ends_badly_is_told(tmp_path):
    sink = made(tmp_path, python("import sys; sys.stdin.buffer.read(); sys.exit('disk full')"))
    with pytest.raises(SinkError, match="disk full"):
        await fed(sink, [packet(0)])


async def test_a_slow_process_makes_the_sink_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("rtms_engine.sinks.exec.MOST_WAITING", 100_000)
    program = "import sys, time\nwhile data := sys.stdin.buffer.read(100_000): time.sleep(0.05)"
    sink = made(tmp_path, python(program), input="per_participant", silence=False)
    await sink.open(STREAM)
    for n in range(0, 3000, 100):
        await sink.write([packet(m) for m in range(n, n + 100)])
        assert sink._feeders[1]._source.waiting_bytes < 200_000
    await sink.close(FINISHED)


async def test_a_revoked_stream_leaves_nothing_and_no_process(tmp_path):
    sink = made(tmp_path, ["tee", "out.raw"])
    await sink.open(STREAM)
    await sink.write([packet(n) for n in range(100)])
    [feeder] = sink._feeders.values()
    while feeder._child is None or not list((tmp_path / STREAM_ID).glob("[!.]*")):
        await asyncio.sleep(0.01)
    child = feeder._child
    await sink.close(REVOKED)
    assert list(tmp_path.iterdir()) == []
    assert child._process.returncode is not None


async def test_too_many_processes(tmp_path):
    sink = made(tmp_path, ["tee", "{participant}"], input="per_participant", max_processes=2)
    await sink.open(STREAM)
    with pytest.raises(SinkError, match="max_processes"):
        await sink.write([packet(0, user_id) for user_id in range(1, 4)])
    await sink.close(FINISHED)


async def test_the_kinds_have_to_fit(tmp_path):
    stream = msgspec.structs.replace(STREAM, kinds=frozenset(["audio"]))
    with pytest.raises(SinkError, match=r'input h264 needs kinds = \["video"\]'):
        await made(tmp_path, ["tee", "x"], input="h264").open(stream)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"command": []}, "command: must be a list of words"),
        ({"silence": False}, "silence: must be true with input mixed"),
        ({"sample_rate": 44100}, "sample_rate: must be one of 8000"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path, options, why):
    with pytest.raises(ConfigError, match=why):
        made(tmp_path, options.pop("command", ["tee"]), **options)


@needs_ffmpeg
async def test_ffmpeg_takes_sound(tmp_path):
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "s16le",
        "-ar",
        "{sample_rate}",
        "-ac",
        "1",
        "-i",
        "-",
        "out.flac",
    ]
    await fed(made(tmp_path, command), [packet(n) for n in range(100)])
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", "out.flac"]
    found = subprocess.run(probe, cwd=tmp_path / STREAM_ID, capture_output=True, text=True, check=True).stdout
    assert float(found) == pytest.approx(2.0, abs=0.05)


@needs_ffmpeg
@needs_media
async def test_ffmpeg_takes_video(tmp_path):
    data = (MEDIA / "camera-360p25.h264").read_bytes()[:400_000]
    frames = [
        msgspec.structs.replace(VIDEO, codec="h264", payload=data[n : n + 4000])
        for n in range(0, len(data), 4000)
    ]
    command = ["ffmpeg", "-loglevel", "error", "-f", "h264", "-i", "-", "-c", "copy", "out.mp4"]
    await fed(made(tmp_path, command, input="h264"), frames)
    probe = [
        "ffprobe",
        "-v",
        "error",
        "-count_packets",
        "-show_entries",
        "stream=nb_read_packets",
        "-of",
        "csv=p=0",
        "out.mp4",
    ]
    found = subprocess.run(probe, cwd=tmp_path / STREAM_ID, capture_output=True, text=True, check=True).stdout
    assert int(found.strip().strip(",")) > 10


async def test_events_alone_start_nothing(tmp_path):
    await fed(made(tmp_path, ["tee", "x"]), [item for item in ITEMS if not isinstance(item, type(AUDIO))])
    assert [path.name for path in (tmp_path / STREAM_ID).iterdir()] == [".stream.json"]
