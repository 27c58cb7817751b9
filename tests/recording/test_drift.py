"""Clocks are compared to a few parts per million, whatever else happens to media."""

import random

import pytest

from rtms_engine.model.frames import AudioFrame, ShareFrame, VideoFrame
from rtms_engine.model.media import AudioParams
from rtms_engine.recording.audio import Voice
from rtms_engine.recording.drift import ClockDrift, SampleDrift
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.label import Label
from rtms_engine.recording.manifest import Skipped
from rtms_engine.recording.recorder import Recorder
from rtms_engine.recording.wav import WavFile
from tests.recording.support import ANA, END, STREAM, T0, manifest_of, sound


def voice_of(tmp_path, first: AudioFrame) -> Voice:
    return Voice(WavFile(tmp_path / "a.wav", Label(T0, "audio"), 16_000, 1), first, 0)


@pytest.mark.parametrize(
    ("ppm", "loss"), [(-80.0, 0.001), (0.0, 0.001), (30.0, 0.001), (-80.0, 0.02), (0.0, 0.05), (30.0, 0.02)]
)
def test_a_voice_whose_samples_are_fast_or_slow(tmp_path, ppm, loss) -> None:
    """Ten minutes in turns of 30 s, with jitter, lost packets and a wild stamp now and then."""
    random_ = random.Random(7)
    silence = bytes(3200)
    packets = []
    for number in range(6000):
        jitter = random_.gauss(0, 2) + (15 if random_.random() < 0.02 else 0)
        stamp = round(number * 100 / (1 + ppm / 1e6) + number // 300 * 5000 + jitter)
        if random_.random() > loss:
            packets.append(sound(stamp, silence, ANA))
    voice = voice_of(tmp_path, packets[0])
    for at in range(0, len(packets), 10):
        voice.place(packets[at : at + 10], Skipped())
    assert voice.drift.ppm == pytest.approx(ppm, abs=12 if loss < 0.01 else 20)


def test_nothing_is_said_of_a_few_seconds() -> None:
    drift = SampleDrift()
    assert drift.ppm is None
    for second in range(10):
        drift.note(second * 1000.0, 0.0)
    assert drift.ppm is None
    for second in range(10, 60):
        drift.note(second * 1000.0, 0.0)
    assert drift.ppm == 0


@pytest.mark.parametrize("ppm", [-150, 0, 20])
def test_zooms_clock_against_ours(ppm) -> None:
    """Two hours on a busy network, with an outage whose media come in a burst; flat in memory."""
    random_, clock, most = random.Random(3), ClockDrift(), 0
    for second in range(7200):
        late_s = random_.expovariate(20) + (60 - (second - 3000) if 3000 <= second < 3060 else 0)
        clock.note(T0 + round(second * 1000 * (1 + ppm / 1e6)), second + late_s)
        most = max(most, len(clock._windows))
    assert clock.ppm == pytest.approx(ppm, abs=2)
    assert most <= 129


def test_little_says_nothing_about_a_clock() -> None:
    clock = ClockDrift()
    for second in range(30):
        clock.note(T0 + second * 1000, float(second))
    assert clock.ppm is None


def test_how_media_drift_apart_is_in_the_manifest(tmp_path) -> None:
    """Ten minutes of sound, camera and shared screen, whose clocks at the sender run at three speeds."""
    drift = {"audio": 0.0, "video": 60.0, "share": -40.0}
    recorder = Recorder(Folder.create(tmp_path, STREAM), STREAM)
    for second in range(0, 600, 2):
        at_ms = {kind: T0 + round(1000 * second * (1 + ppm / 1e6)) for kind, ppm in drift.items()}
        recorder.write(
            [
                AudioFrame(STREAM.stream_id, ANA, at_ms["audio"], float(second), AudioParams(), bytes(640)),
                VideoFrame(STREAM.stream_id, ANA, at_ms["video"], float(second), "h264", b"\0\0\1\x09\x10"),
                ShareFrame(STREAM.stream_id, ANA, at_ms["share"], float(second), "h264", b"\0\0\1\x09\x10"),
            ]
        )
    recorder.close(END, "")
    found = manifest_of(recorder.folder.path)["clock_drift_ppm"]
    assert found == {kind: pytest.approx(ppm, abs=5) for kind, ppm in drift.items()}
