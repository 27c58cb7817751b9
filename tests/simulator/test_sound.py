"""Sound: resampling, made sound, the mix."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.simulator import sound


@given(
    user_id=st.integers(1, 2**32 - 1),
    block=st.integers(0, 2**31),
    rate_hz=st.sampled_from([8000, 16000, 48000]),
)
def test_made_sound_says_who_and_when(user_id: int, block: int, rate_hz: int) -> None:
    """Every 20 ms of it, at every rate."""
    pcm = sound.stamped_pcm(user_id, block * 20, block * 20 + 50, rate_hz)
    assert len(pcm) == rate_hz * 50 // 1000
    step = rate_hz // 50
    assert sound.stamp_of(pcm[step:].tobytes()) == (user_id, block * 20 + 20)


def test_another_rate_is_just_as_long() -> None:
    """To the sample."""
    pcm = sound.stamped_pcm(1, 0, 1234, 16000)
    assert [len(sound.resampled(pcm, 16000, hz)) for hz in (8000, 32000, 48000)] == [9872, 39488, 59232]


def test_the_mix_is_clipped() -> None:
    """Not wrapped."""
    loud = np.full(10, 30000, np.int16)
    assert (
        sound.mixed([(0, loud), (5, loud)], 20).tolist() == [30000] * 5 + [32767] * 5 + [30000] * 5 + [0] * 5
    )


def test_fitting() -> None:
    """Cut, or followed by silence."""
    pcm = np.arange(4, dtype=np.int16)
    assert sound.fitted(pcm, 2).tolist() == [0, 1]
    assert sound.fitted(pcm, 6).tolist() == [0, 1, 2, 3, 0, 0]
