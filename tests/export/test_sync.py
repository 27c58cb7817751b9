"""Flashes and clicks: what happened at the same time is seen and heard at the same time."""

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtms_engine.model.events import ConnectionLost
from rtms_engine.sinks.base import Item
from tests.export.support import exported, pictures_of, sound_of
from tests.recording.support import CEM, T0, encoded_pictures, picture, record, sound

EVERY_MS, MEETING_MS, WITHIN_MS = 1_600, 24_000, 40
GAP_MS = range(9_000, 12_500)
BEFORE_MS = 500
"""How long before the start of the stream there is sound, which comes late."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash and a click every 1.6 s; jitter, a lost connection, and sound that moves t0 back."""
    root, randomness = tmp_path_factory.mktemp("sync"), random.Random(7)
    brightness = [235 if at % EVERY_MS == 0 else 16 for at in range(0, MEETING_MS, 40)]
    items: list[Item] = [
        picture(40 * number + randomness.randint(-8, 8), unit)
        for number, unit in enumerate(encoded_pictures(brightness))
    ]
    for at_ms in range(-BEFORE_MS, MEETING_MS, 20):
        samples = np.zeros(320, "<i2")
        if at_ms >= 0 and at_ms % EVERY_MS == 0:
            samples[:80:2], samples[1:80:2] = 30_000, -30_000
        items.append(sound(at_ms + randomness.randint(-8, 8), samples, CEM))
    items = [item for item in items if item.timestamp_ms - T0 not in GAP_MS]
    items.sort(key=lambda item: item.timestamp_ms)
    early = [item for item in items if item.timestamp_ms < T0 - 100]
    rest = items[len(early) :]
    lost = next(n for n, item in enumerate(rest) if item.timestamp_ms - T0 >= GAP_MS.stop)
    rest[lost:lost] = [ConnectionLost(T0 + 9000, "video", "went away")]
    batches = (
        [rest[:300], early, *itertools.batched(rest[300:], 100)]
        if hasattr(itertools, "batched")
        else [
            rest[:300],
            early,
            *(rest[n : n + 100] for n in range(300, len(rest), 100)),
        ]
    )
    return record(root, *(list(batch) for batch in batches))


def onsets(times_ms: Any) -> list[int]:
    """The first of each group."""
    return [int(b) for a, b in itertools.pairwise([-10_000, *times_ms]) if b - a > EVERY_MS // 2]


def clicks_in(path: Path) -> list[int]:
    rate, samples = sound_of(path)
    return onsets(np.flatnonzero(np.abs(samples) > 0.3) * 1000 // rate)


def flashes_in(path: Path) -> list[int]:
    return onsets([at_ms for at_ms, brightness, _, _ in pictures_of(path) if brightness > 128])


@pytest.mark.parametrize(
    "wanted", [{}, {"audio": "opus"}, {"reencode": True}], ids=["aac", "opus", "reencode"]
)
def test_flashes_and_clicks_are_together(folder: Path, tmp_path: Path, wanted: dict[str, Any]) -> None:
    target = tmp_path / "meeting.mp4"
    assert not exported(folder, target, **wanted).problems
    truth = [at + BEFORE_MS for at in range(0, MEETING_MS, EVERY_MS)]
    clicks, flashes = clicks_in(target), flashes_in(target)
    heard = [at for at in truth if at - BEFORE_MS not in GAP_MS]
    assert len(clicks) == len(heard)
    assert all(abs(click - at) < WITHIN_MS for click, at in zip(clicks, heard, strict=True))
    seen = [at for at in heard if any(abs(flash - at) < WITHIN_MS for flash in flashes)]
    assert len(seen) == len(flashes)
    assert len(seen) >= len(heard) - 1  # one may wait for the key frame after the gap
    offsets = [flash - click for flash in flashes for click in clicks if abs(flash - click) < EVERY_MS // 2]
    assert len(offsets) == len(flashes)
    assert max(map(abs, offsets)) < WITHIN_MS


def test_the_files_of_the_recording_are_together_too(folder: Path) -> None:
    flashes = [at for path in sorted((folder / "video").glob("*.mp4")) for at in flashes_in(path)]
    clicks = clicks_in(folder / "audio/mixed.wav")
    assert len(flashes) > 10
    assert all(min(abs(flash - click) for click in clicks) < WITHIN_MS for flash in flashes)
