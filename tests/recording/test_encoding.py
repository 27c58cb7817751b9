"""Sound is made what was asked for when the stream is over; nothing is lost if that fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from rtms_engine.model.frames import Speaker
from rtms_engine.recording.encoding import Sound, Span, finish
from rtms_engine.recording.label import Label
from rtms_engine.recording.recovery import recover
from rtms_engine.recording.sink import SPEC, RecordingConfig
from rtms_engine.recording.wav import WavFile
from rtms_engine.sinks.base import Ending
from tests.recording.support import ANA, CEM, END, STREAM, T0, folder_in, manifest_of, ramp, sound

TONES = {
    rate: (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("<i2")
    for rate in (8000, 16_000, 32_000, 48_000)
}


def wav_of(folder: Path, rate: int, channels: int, *at_s: float) -> WavFile:
    """A second of tone at each time."""
    wav = WavFile.create(folder / "a.wav", Label(T0, "audio", 7, "Ana"), rate, channels)
    data = np.repeat(TONES[rate], channels).tobytes()
    wav.write([(wav.samples_at(T0 + round(1000 * second)), data) for second in at_s])
    return wav


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16_000, 32_000, 48_000])
def test_flac_is_the_wav_bit_by_bit(tmp_path: Path, rate: int, channels: int) -> None:
    wav = wav_of(tmp_path, rate, channels, 0.25, 7)
    before = wav.samples(wav.samples_at(T0), wav.samples_at(T0 + 9500))
    path = finish(wav, Sound("flac"), Span(T0, T0 + 9500))
    heard, heard_rate = soundfile.read(path, dtype="int16")
    assert (path.name, heard_rate, heard.tobytes()) == ("a.flac", rate, before)
    assert [file.name for file in tmp_path.iterdir()] == ["a.flac"]
    with av.open(str(path)) as file:
        assert json.loads(file.metadata["comment"])["name"] == "Ana"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16_000, 32_000, 48_000])
def test_opus_is_in_time_to_the_sample(tmp_path: Path, rate: int, channels: int) -> None:
    """Also behind an hour of silence, which takes no time."""
    wav = wav_of(tmp_path, rate, channels, 0.25, 3600.5)
    path = finish(wav, Sound("opus"), Span(T0, T0 + 3_602_003))
    with soundfile.SoundFile(path) as file:
        heard_rate = file.samplerate
        assert (path.name, file.channels, file.frames / heard_rate) == ("a.opus", channels, 3602.003)
        for second in (0.25, 3600.5):
            file.seek(round(second * heard_rate))
            heard = file.read(heard_rate, "int16", always_2d=True)
            tone = TONES[heard_rate]
            middle = slice(heard_rate // 10, -heard_rate // 10)
            assert np.abs(heard[middle, 0] - tone[middle]).max() < 800
        file.seek(10 * heard_rate)
        assert np.abs(file.read(20 * heard_rate, "int16")).max() < 10
    with av.open(str(path)) as file:
        assert json.loads(file.streams[0].metadata["comment"])["user_id"] == 7


@pytest.mark.parametrize("form", ["flac", "opus"])
@pytest.mark.parametrize("length_ms", [7, 20, 1000, 1234])
def test_a_file_holds_as_many_samples_as_were_asked_for(tmp_path: Path, form: Any, length_ms: int) -> None:
    """What two decoders give out; that the container of Opus seems 6.5 ms longer is its pre-skip (RFC 7845 §4.2)."""
    path = finish(wav_of(tmp_path, 16_000, 1, 0), Sound(form), Span(T0, T0 + length_ms))
    info = soundfile.info(path)
    assert info.frames * 1000 == length_ms * info.samplerate
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    assert sum(frame.samples for frame in frames) * 1000 == length_ms * frames[0].sample_rate


@pytest.mark.parametrize("form", ["wav", "flac", "opus"])
def test_trimmed_and_full(tmp_path: Path, form: Any) -> None:
    """Ana speaks in the middle, Cem to the end."""
    for align, offsets, lengths in (
        ("full", [0, 0, 0], [4000, 4000, 4000]),
        ("trimmed", [1500, 2000, 1500], [300, 2000, 2500]),
    ):
        folder = record_as(tmp_path / align, form, align)
        artefacts = [a for a in manifest_of(folder)["artefacts"] if a["kind"].startswith("audio")]
        assert [a["path"] for a in artefacts] == [
            f"audio/{name}.{form}" for name in (ANA.user_id, CEM.user_id, "mixed")
        ]
        assert [a.get("offset_ms", 0) for a in artefacts] == offsets
        assert [a["start_ms"] - T0 for a in artefacts] == [1500, 2000, 1500]
        infos = [soundfile.info(folder / a["path"]) for a in artefacts]
        assert [round(1000 * info.frames / info.samplerate) for info in infos] == lengths
        assert manifest_of(folder)["state"] == "done"
        assert sorted(p.name for p in (folder / "audio").iterdir()) == sorted(
            a["path"][6:] for a in artefacts
        )


def record_as(root: Path, form: Any, align: Any) -> Path:
    sink = SPEC.factory(RecordingConfig(str(root), form, align))
    run(
        sink,
        [sound(1500 + 20 * n, ramp(1)) for n in range(15)]
        + [sound(2000 + 20 * n, ramp(400), CEM) for n in range(100)],
    )
    return folder_in(root)


def run(sink: Any, *batches: Any, ending: Ending | None = END, stream: Any = STREAM) -> None:
    import asyncio

    async def all_of_it() -> None:
        await sink.open(stream)
        for batch in batches:
            await sink.write(batch)
        if ending:
            await sink.close(ending)

    asyncio.run(all_of_it())


def test_a_crash_leaves_wav_and_recovery_does_the_rest(tmp_path: Path) -> None:
    """It was asked for in the manifest, whatever the configuration says by then."""
    run(SPEC.factory(RecordingConfig(str(tmp_path), "flac", "trimmed")), [sound(500, ramp(1))], ending=None)
    folder = folder_in(tmp_path)
    assert [p.name for p in sorted((folder / "audio").iterdir())] == [f"{ANA.user_id}.wav", "mixed.wav"]
    (folder / f"audio/.{ANA.user_id}.flac.new").write_bytes(b"half")
    found = recover(folder)
    assert found
    assert [p.name for p in sorted((folder / "audio").iterdir())] == [f"{ANA.user_id}.flac", "mixed.flac"]
    assert (soundfile.read(folder / f"audio/{ANA.user_id}.flac", dtype="int16")[0] == ramp(1)).all()


def test_a_stream_that_goes_on_after_all_gets_new_names(tmp_path: Path) -> None:
    from tests.recording.test_resume import AGAIN

    run(SPEC.factory(RecordingConfig(str(tmp_path), "flac")), [sound(500, ramp(1))])
    run(
        SPEC.factory(RecordingConfig(str(tmp_path), "opus")),
        [sound(900, ramp(1)), sound(-90, ramp(1))],
        stream=AGAIN,
    )
    folder = folder_in(tmp_path)
    content = manifest_of(folder)
    names = [a["path"][6:] for a in content["artefacts"] if a["kind"].startswith("audio")]
    assert names == [f"{ANA.user_id}.flac", "mixed.flac", f"{ANA.user_id}-2.opus", "mixed-2.opus"]
    assert content["t0_ms"] == T0, "what is finished cannot move"
    assert content["skipped"]["impossible_timestamps"] == 1


def test_a_stream_that_is_let_go_of_stays_wav(tmp_path: Path) -> None:
    """Another engine goes on with it."""
    ending = Ending(END.stop_reason, END.timestamp_ms, is_released=True)
    run(SPEC.factory(RecordingConfig(str(tmp_path), "flac")), [sound(500, ramp(1))], ending=ending)
    assert {p.suffix for p in (folder_in(tmp_path) / "audio").iterdir()} == {".wav"}


FULL_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from rtms_engine.errors import SinkError
from rtms_engine.recording.sink import SPEC, RecordingConfig
from tests.recording.support import sound, STREAM, END
import asyncio
async def main():
    noise = np.random.default_rng(1).integers(-3000, 3000, 320_000).astype("<i2")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sink = SPEC.factory(RecordingConfig(sys.argv[1], sys.argv[2]))
    await sink.open(STREAM)
    await sink.write([sound(20 * n, noise[320*n:320*n+320]) for n in range(1000)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        await sink.close(END)
    except SinkError as error:
        print(error)
asyncio.run(main())
"""


@pytest.mark.parametrize("form", ["flac", "opus"])
def test_a_disk_that_is_full_when_sound_is_encoded(tmp_path: Path, form: str) -> None:
    """A limit on the size of files stands for it: the WAV files stay, and the manifest says so."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), form],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    folder = folder_in(tmp_path)
    assert sorted(p.name for p in (folder / "audio").iterdir()) == [f"{ANA.user_id}.wav", "mixed.wav"]
    assert soundfile.info(folder / "audio/mixed.wav").frames == 320_000
    content = manifest_of(folder)
    assert (content["state"], "File too large" in content["failure"]) == ("failed", True)
    assert {a["path"] for a in content["artefacts"]} >= {"audio/mixed.wav"}


NAMES = ["../../etc/passwd", "a/b", "..", "\0\n\x1b[2J", "\u202egnp.exe", "x" * 4096, "CON", ""]


@pytest.mark.parametrize("form", ["wav", "flac", "opus"])
def test_no_name_reaches_a_path(tmp_path: Path, form: Any) -> None:
    packets = [sound(0, ramp(1), Speaker(7 + n, name)) for n, name in enumerate(NAMES)]
    packets += [sound(0, ramp(1), Speaker(0, "", channel_id=name or "c")) for name in NAMES]
    run(SPEC.factory(RecordingConfig(str(tmp_path / "root"), form)), packets)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    folder = folder_in(tmp_path / "root")
    files = [path.name for path in (folder / "audio").iterdir()]
    assert len(files) == 2 * len(NAMES) + 1
    for name in files:
        assert name.isascii() and name.isprintable() and len(name) < 128, name
    named = {a["user_id"]: a.get("name", "") for a in manifest_of(folder)["artefacts"] if a.get("user_id", 0)}
    assert named == {7 + n: name for n, name in enumerate(NAMES)}
