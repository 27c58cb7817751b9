"""How loud who is."""

import numpy as np
import pytest

from rtms_engine.api.levels import MOST_VOICES, SILENCE_DBFS, Levels
from rtms_engine.model.frames import AudioFrame, Speaker
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams


def sound(user_id: int, peak: int, *, mixed: bool = False, samples: int = 320) -> AudioFrame:
    wave = np.full(samples, peak, "<i2")
    return AudioFrame(StreamId("s"), Speaker(user_id), 0, 0.0, AudioParams(), wave.tobytes(), mixed)


def test_the_loudest_since_the_last_look() -> None:
    levels = Levels()
    for frame in (sound(1, 3277), sound(1, 16384), sound(1, 1), sound(2, 0), sound(7, 32767, mixed=True)):
        levels.hear(frame)
    assert levels.take() == {1: -6.0, 2: SILENCE_DBFS, 0: pytest.approx(0.0)}
    assert levels.take() == {}


def test_what_is_no_sound_is_no_level() -> None:
    levels = Levels()
    levels.hear(sound(1, 5, samples=0))
    assert levels.take() == {}


def test_voices_are_bounded() -> None:
    levels = Levels()
    for user_id in range(MOST_VOICES + 5):
        levels.hear(sound(user_id, 100))
    assert len(levels.take()) == MOST_VOICES
