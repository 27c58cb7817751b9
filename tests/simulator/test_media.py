"""Media as timed messages: sound in every codec, pictures in every codec, who is shown and heard."""

import base64
import json
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import demo_script, sound, synthetic_script
from rtms_engine.simulator.media import Frame, Media
from rtms_engine.simulator.script import Camera, Script, Utterance

AUDIO = {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 2, "send_rate": 20}
VIDEO = {"content_type": 3, "codec": 7, "resolution": 2, "data_opt": 3, "fps": 25}
SHARE = {"content_type": 3, "codec": 5, "resolution": 3, "fps": 1}
EPOCH_MS = 1_790_000_000_000


def content(frame: Frame) -> dict[str, Any]:
    """What is on the wire."""
    message: dict[str, Any] = json.loads(frame.encode(EPOCH_MS))
    return message["content"]  # type: ignore[no-any-return]


def payload(frame: Frame) -> bytes:
    """Decoded."""
    return base64.b64decode(content(frame)["data"])


def test_an_audio_message() -> None:
    """Exactly the documented keys (V1.md §6.1)."""
    frame = Media(synthetic_script()).frames(MediaKind.AUDIO, AUDIO)[1]
    message = json.loads(frame.encode(EPOCH_MS))
    assert message["msg_type"] == 14
    assert message["content"].pop("data")
    assert message["content"] == {
        "user_id": 16778240,
        "user_name": "Speaker 1",
        "length": 640,
        "timestamp": EPOCH_MS + 20,
    }


def test_sound_is_due_at_its_end_and_the_last_packet_may_be_short() -> None:
    """2000 ms in steps of 60."""
    frames = Media(synthetic_script()).frames(MediaKind.AUDIO, {**AUDIO, "send_rate": 60})[:34]
    assert [frame.timestamp_ms for frame in frames] == list(range(0, 2000, 60))
    assert [frame.due_ms for frame in frames] == [*range(60, 2000, 60), 2000]
    assert frames[-1].size == 20 * 32


def test_a_clip_is_sent_as_it_is() -> None:
    """The bytes of the file, at the utterance's times."""
    media = Media(demo_script())
    first = media.script.utterances[0]
    frames = [
        f for f in media.frames(MediaKind.AUDIO, AUDIO) if first.start_ms <= f.timestamp_ms < first.end_ms
    ]
    assert b"".join(map(payload, frames)) == sound.read_pcm(media.script.path(first.file), 16000).tobytes()


def test_every_20_ms_of_made_sound_can_be_told_apart() -> None:
    """By speaker and time."""
    frames = Media(synthetic_script(3, overlap=True)).frames(MediaKind.AUDIO, AUDIO)
    assert all(sound.stamp_of(payload(f)) == (f.user_id, f.timestamp_ms) for f in frames)


def test_at_most_three_are_heard() -> None:
    """Of five who speak at once, the first three."""
    frames = Media(synthetic_script(5, 2000, overlap=True)).frames(MediaKind.AUDIO, AUDIO)
    assert len(frames) == 300
    assert len({frame.user_id for frame in frames}) == 3


def test_the_mix() -> None:
    """Continuous, user 0, no name; the sum of who speaks."""
    media = Media(synthetic_script(2, 4000, overlap=True))
    mixed = media.frames(MediaKind.AUDIO, {**AUDIO, "data_opt": 1, "send_rate": 100})
    assert [frame.timestamp_ms for frame in mixed] == list(range(0, 4000, 100))
    assert content(mixed[0])["user_id"] == 0
    assert "user_name" not in content(mixed[0])
    one, other = (
        np.concatenate([sound.stamped_pcm(n, t, t + 2000, 16000) for t in (0, 2000)])
        for n in (16778240, 16779264)
    )
    total = (one.astype(int) + other).clip(-32768, 32767).astype("<i2")
    assert b"".join(map(payload, mixed)) == total.tobytes()


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"sample_rate": 0}, 320),
        ({"sample_rate": 3}, 1920),
        ({"sample_rate": 2, "send_rate": 100}, 6400),
        ({"codec": 2, "sample_rate": 0}, 160),
        ({"codec": 3}, 160),
    ],
)
def test_sizes_of_sound(params: dict[str, int], size: int) -> None:
    """V1.md §4.2.1; as many packets as of L16, just as long."""
    frames = Media(demo_script()).frames(MediaKind.AUDIO, {**AUDIO, **params})
    assert frames[0].size == size
    ends: dict[int, int] = {}
    for frame in frames:
        ends[frame.user_id] = max(ends.get(frame.user_id, 0), frame.due_ms)
    assert sorted(ends.values()) == [20_400, 21_800]


@pytest.mark.parametrize("channels", [1, 2])
def test_opus(channels: int) -> None:
    """One packet of 20 ms each, decodable."""
    frames = Media(demo_script()).frames(
        MediaKind.AUDIO, {**AUDIO, "codec": 4, "sample_rate": 3, "channel": channels}
    )
    assert len(frames) == len(Media(demo_script()).frames(MediaKind.AUDIO, AUDIO))
    decoder = av.CodecContext.create("libopus", "r")
    decoded = decoder.decode(av.Packet(payload(frames[5])))
    assert (decoded[0].sample_rate, decoded[0].samples) == (48000, 960)


def test_video_is_split_into_pictures() -> None:
    """One message each; nothing is lost of the file; a key frame a second."""
    media = Media(demo_script())
    frames = media.frames(MediaKind.VIDEO, VIDEO)
    camera = media.script.video[0]
    assert b"".join(map(payload, frames)) == media.script.path(camera.file).read_bytes()
    assert [f.timestamp_ms for f in frames if f.is_key] == list(range(1000, 22_000, 1000))
    assert all(payload(f).startswith(b"\x00\x00\x00\x01\x09") for f in frames)


@pytest.mark.parametrize(("codec", "magic"), [(5, b"\xff\xd8"), (6, b"\x89PNG")])
def test_video_as_images(codec: int, magic: bytes) -> None:
    """Whole files, at the rate that was negotiated."""
    script = msgspec.structs.replace(demo_script(), duration_ms=3000, utterances=(), share=(), chat=())
    frames = Media(script).frames(MediaKind.VIDEO, {**VIDEO, "codec": codec, "fps": 5})
    assert [f.timestamp_ms for f in frames] == list(range(1000, 3000, 200))
    assert all(payload(f).startswith(magic) and f.is_key for f in frames)


def test_a_slide_show() -> None:
    """Each picture for an even part of the span, one a second."""
    media = Media(demo_script())
    share = media.script.share[0]
    files = [media.script.path(file).read_bytes() for file in share.files]
    shown = [files.index(payload(f)) for f in media.frames(MediaKind.SHARE, SHARE)]
    assert shown == [0] * 5 + [1] * 5 + [2] * 4


def test_a_slide_show_as_h264() -> None:
    """Encoded at the rate that was negotiated, decodable, beginning with a key frame."""
    frames = Media(demo_script()).frames(MediaKind.SHARE, {**SHARE, "codec": 7, "fps": 10})
    assert len(frames) == 140
    assert [f.timestamp_ms for f in frames if f.is_key] == list(range(4000, 18_000, 1000))
    decoder = av.CodecContext.create("h264", "r")
    decoded = [p for f in frames for p in decoder.decode(av.Packet(payload(f)))]
    assert (decoded[0].width, decoded[0].height) == (1280, 720)


def test_the_active_speaker_is_shown() -> None:
    """If their camera is on; else who was shown before, else anybody."""
    demo = demo_script()
    a, b, c = ((n, f"Speaker {n}") for n in (1, 2, 3))
    script = Script(
        duration_ms=6000,
        utterances=(Utterance(*b, 1000, 2000), Utterance(*c, 2000, 3000), Utterance(*a, 3000, 4000)),
        video=(
            Camera(*a, 0, "camera.h264", 25, 6000),
            Camera(*b, 500, "camera.h264", 25, 5000),
        ),
        folder=demo.folder,
    )
    frames = Media(script).frames(MediaKind.VIDEO, VIDEO)
    shown = [frame.user_id for frame in frames if frame.timestamp_ms % 1000 < 40]
    assert shown == [1, 2, 2, 1, 1, 1]


def test_text() -> None:
    """A line comes after its utterance; chat has its sender and a message id."""
    media = Media(demo_script())
    lines = media.frames(MediaKind.TRANSCRIPT, {})
    assert [line.due_ms for line in lines][:2] == [3200, 7400]
    assert lines[-1].due_ms == 22_000
    assert "channel_id" in content(media.frames(MediaKind.TRANSCRIPT, {}, channels=True)[0])
    assert content(media.frames(MediaKind.CHAT, {})[3]) == {
        "operation_type": 1,
        "message_id": "message-4",
        "chat_session": {"type": 1, "id": "everyone"},
        "sender": {"user_id": 16779264, "user_name": "Ben Osei"},
        "data": "Thanks, bye! 👋",
        "timestamp": EPOCH_MS + 20_800,
    }


def test_frames_are_made_once() -> None:
    """Streams with the same parameters share them."""
    media = Media(demo_script())
    assert media.frames(MediaKind.AUDIO, AUDIO) is media.frames(MediaKind.AUDIO, dict(AUDIO))
