"""What commands are fed with."""

import msgspec
import numpy as np
import pytest

from rtms_engine.sinks.feeding import Sound, Video
from tests.sinks.items import AUDIO, T0_MS, VIDEO
from tests.support.media import MEDIA, needs_media


def packet(n, value=1000):
    sound = np.full(320, value, "<i2").tobytes()
    return msgspec.structs.replace(AUDIO, timestamp_ms=T0_MS + 20 * n, payload=sound)


def test_silence_is_inserted_or_not():
    for silence, expected in [(True, [1000, 0, 0, 1000]), (False, [1000, 1000])]:
        source = Sound(16000, 100, silence=silence)
        source.take(packet(0), 0.0)
        source.take(packet(3), 0.06)
        sound = np.frombuffer(b"".join([*source.due(0.06), *source.rest()]), "<i2")
        assert sound[::320].tolist() == expected
        assert source.waiting_bytes == 0


def pieces(video, count=None):
    data = (MEDIA / "camera-360p25.h264").read_bytes()[:600_000]
    for at in range(0, len(data), 4000):
        video.take(msgspec.structs.replace(VIDEO, codec="h264", payload=data[at : at + 4000]), 0.0)


@needs_media
def test_video_begins_with_parameter_sets_and_a_key_frame():
    video = Video()
    pieces(video)
    assert video.waiting_bytes > 0
    units = [*video.due(0.0), *video.rest()]
    assert units[0][:5] in {b"\0\0\0\1\x67", b"\0\0\0\1\x27"}
    assert video.waiting_bytes == 0
    assert len(units) > 20


@needs_media
def test_another_process_begins_with_a_key_frame_too():
    video = Video()
    pieces(video)
    due = video.due(0.0)
    next(due)
    video.restart()
    assert list(due) == []
    assert video.waiting_bytes == 0
    pieces(video)
    assert next(video.due(0.0))[:5] in {b"\0\0\0\1\x67", b"\0\0\0\1\x27"}


def test_what_is_no_video_is_left_out():
    video = Video()
    for _ in range(5):
        video.take(msgspec.structs.replace(VIDEO, codec="h264", payload=b"\0\0\0\1\x67\xff" * 20), 0.0)
    assert list(video.due(0.0)) == []
    assert list(video.rest()) == []


@pytest.mark.parametrize("silence", [True, False])
def test_mixing(silence):
    source = Sound(16000, 0, silence=silence)
    for n in (1, 2):
        speaker = msgspec.structs.replace(AUDIO.speaker, user_id=n)
        source.take(msgspec.structs.replace(packet(0, n * 1000), speaker=speaker), 0.0)
    sound = np.frombuffer(b"".join([*source.due(0.0), *source.rest()]), "<i2")
    assert sound[::320].tolist() == ([3000] if silence else [1000, 2000])
