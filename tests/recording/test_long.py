"""Hours of sound: every packet at its time, in memory and on a disk that do not grow with the hours."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.model.frames import AudioFrame, Speaker
from rtms_engine.model.media import AudioParams
from rtms_engine.recording.audio import Voice
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.label import Label
from rtms_engine.recording.manifest import Skipped
from rtms_engine.recording.recorder import Recorder
from rtms_engine.recording.wav import WavFile
from tests.recording.support import ANA, CEM, STREAM, T0, sound

RATES = st.sampled_from([8000, 16_000, 32_000, 48_000])
HOUR_MS = 3_600_000


def voice_of(folder: Path, params: AudioParams) -> Voice:
    wav = WavFile(folder / "none.wav", Label(T0, "audio"), params.sample_rate, params.channels)
    return Voice(wav, AudioFrame(STREAM.stream_id, ANA, T0, 0.0, params, b""), 0)


def packet(number: int, stamp_ms: int, send_ms: int, params: AudioParams) -> AudioFrame:
    """All of its samples say which it is."""
    samples = np.full(send_ms * params.sample_rate // 1000, number % 30_000 + 1, "<i2")
    return AudioFrame(STREAM.stream_id, ANA, stamp_ms, 0.0, params, samples.tobytes())


def placed(voice: Voice, batches: list[list[AudioFrame]]) -> Iterator[tuple[int, int]]:
    """Which packet lies from which sample on, for all whose beginning is there."""
    skipped = Skipped()
    for batch in batches:
        for at, data in voice.place(batch, skipped):
            samples = np.frombuffer(data, "<i2")
            begins = np.flatnonzero(np.diff(samples, prepend=0))
            for begin in begins:
                yield int(samples[begin]) - 1, at + int(begin)


@settings(max_examples=3, deadline=None)
@given(RATES, st.sampled_from([20, 100]))
def test_an_hour_is_exact_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, rate: Any, send_ms: int
) -> None:
    params = AudioParams(sample_rate=rate)
    voice = voice_of(tmp_path_factory.mktemp("hour"), params)
    count = HOUR_MS // send_ms
    silence = bytes(send_ms * rate // 500)
    for first in range(0, count, 1000):
        batch = [
            AudioFrame(STREAM.stream_id, ANA, T0 + send_ms * n, 0.0, params, silence)
            for n in range(first, first + 1000)
        ]
        [(at, data)] = voice.place(batch, Skipped())
        assert at == (T0 + send_ms * first) * rate // 1000
        assert len(data) == 1000 * len(silence)
    assert voice.drift.ppm == 0


@settings(max_examples=3, deadline=None)
@given(RATES, st.integers(0, 2**32), st.floats(-60, 60))
def test_two_bad_hours_are_right_within_20_ms(
    tmp_path_factory: pytest.TempPathFactory, rate: Any, seed: int, drift_ppm: float
) -> None:
    """Jitter, losses, late packets, mutes, and a clock that is wrong; the generator knows the truth."""
    random, params = Random(seed), AudioParams(sample_rate=rate)
    voice = voice_of(tmp_path_factory.mktemp("bad"), params)
    truth: dict[int, float] = {}
    batches: list[list[AudioFrame]] = [[]]
    at_ms, number = float(T0), 0
    while at_ms < T0 + 2 * HOUR_MS:
        if random.random() < 1 / 200:
            at_ms += random.uniform(200, 120_000)
        if random.random() > 0.02:
            jitter = max(-8.0, min(8.0, random.gauss(0, 2.5)))
            batches[-1].append(packet(number, round(at_ms + jitter), 100, params))
            truth[number] = at_ms
            number += 1
            if len(batches[-1]) == 20:
                batches.append([])
        at_ms += 100 / (1 + drift_ppm / 1e6)
    for batch in batches:
        if random.random() < 0.1:
            random.shuffle(batch)
    batches = [batch for batch in batches if batch]
    if len(batches) > 60:
        batches.insert(50, batches.pop(20))  # a second that comes minutes late
    errors, heard = [], set[int]()
    for marked, start in placed(voice, batches):
        near = (n for n in (marked, marked + 30_000) if n in truth)
        error_ms, which = min((abs(start * 1000 / rate - truth[n]), n) for n in near)
        if which not in heard:
            errors.append(error_ms)
        heard.add(which)
    assert len(heard) > 0.98 * len(truth)
    assert max(errors) < 20


def spoken(speaker: Speaker, second: int) -> list[AudioFrame]:
    data = np.full(1600, 100, "<i2").tobytes()
    return [sound(1000 * second + 100 * n, data, speaker) for n in range(10)]


def test_memory_is_flat_however_many_speak(tmp_path: Path) -> None:
    """Fifty participants, two at a time; the second half of it needs no more than the first."""
    recorder = Recorder(Folder.create(tmp_path, STREAM), STREAM)
    speakers = [Speaker(100 + n, f"P{n}") for n in range(50)]
    held = []
    tracemalloc.start()
    try:
        for second in range(300):
            recorder.write(spoken(speakers[second % 50], second) + spoken(speakers[second * 7 % 50], second))
            if second in (99, 199, 299):
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[2] - held[1] < 64 * 1024, held


def test_three_hours_of_silence_cost_nothing(tmp_path: Path) -> None:
    """Neither memory nor disk: Ana says a word at the beginning and one at the end, Cem in between."""
    recorder = Recorder(Folder.create(tmp_path, STREAM), STREAM)
    tracemalloc.start()
    try:
        recorder.write(spoken(ANA, 0))
        for minutes in range(9, 180, 9):
            recorder.write(spoken(CEM, 60 * minutes))
        recorder.write(spoken(ANA, 180 * 60))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    wav = recorder.folder.path / f"audio/{ANA.user_id}.wav"
    assert wav.stat().st_size > 180 * 60 * 32_000
    assert wav.stat().st_blocks * 512 < 200_000
