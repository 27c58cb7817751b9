"""Zoom's numbers for media (V1.md §4.2), what is legal, what was granted."""

import pytest

from rtms_engine.model.media import (
    AudioParams,
    ChatParams,
    MediaKind,
    MediaParams,
    ShareParams,
    TranscriptParams,
    VideoParams,
)
from rtms_engine.wire.media_params import (
    LANGUAGE,
    PROTOCOL_DEFAULTS,
    check,
    granted,
    language_tag,
    requested,
)

LEGAL = [
    MediaParams(),
    PROTOCOL_DEFAULTS,
    *(MediaParams(audio=AudioParams(sample_rate=hz)) for hz in (8000, 16000, 32000, 48000)),
    *(MediaParams(audio=AudioParams(send_rate_ms=ms)) for ms in (20, 500, 1000)),
    MediaParams(audio=AudioParams("opus", 48000, 2, 20)),
    MediaParams(audio=AudioParams("opus", 48000, 1, 20)),
    MediaParams(audio=AudioParams("g711", 8000)),
    MediaParams(audio=AudioParams("g722", 16000)),
    *(MediaParams(video=VideoParams(codec, fps=fps)) for codec in ("jpg", "png") for fps in (1, 5)),
    *(MediaParams(video=VideoParams("h264", fps=fps)) for fps in (6, 30)),
    *(MediaParams(share=ShareParams(codec, fps=1)) for codec in ("jpg", "png")),
    *(MediaParams(share=ShareParams("h264", fps=fps)) for fps in (6, 30)),
    *(MediaParams(transcript=TranscriptParams(tag)) for tag in LANGUAGE),
]

ILLEGAL = [
    (MediaParams(audio=AudioParams("opus", 16000, 1, 20)), "audio.sample_rate"),
    (MediaParams(audio=AudioParams("opus", 48000, 1, 100)), "audio.send_rate_ms"),
    (MediaParams(audio=AudioParams("l16", 16000, 2)), "audio.channels"),
    (MediaParams(audio=AudioParams("g711", 16000)), "audio.sample_rate"),
    (MediaParams(audio=AudioParams("g722", 8000)), "audio.sample_rate"),
    *((MediaParams(audio=AudioParams(send_rate_ms=ms)), "audio.send_rate_ms") for ms in (0, 10, 30, 1020)),
    (MediaParams(video=VideoParams("jpg", fps=6)), "video.fps"),
    (MediaParams(video=VideoParams("h264", fps=5)), "video.fps"),
    (MediaParams(video=VideoParams("h264", fps=31)), "video.fps"),
    (MediaParams(share=ShareParams("png", fps=2)), "share.fps"),
    (MediaParams(share=ShareParams("h264", fps=5)), "share.fps"),
    (MediaParams(transcript=TranscriptParams("xx")), "transcript.language"),
]


@pytest.mark.parametrize("params", LEGAL, ids=str)
def test_a_legal_row(params):
    assert check(params) == {}


@pytest.mark.parametrize(("params", "key"), ILLEGAL, ids=str)
def test_an_illegal_row_names_its_key(params, key):
    assert list(check(params)) == [key]


@pytest.mark.parametrize(
    ("params", "wire"),
    [
        (
            AudioParams("l16", 16000, 1, 100, "mixed"),
            {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 1, "send_rate": 100},
        ),
        (
            AudioParams("opus", 48000, 2, 20, "per_participant"),
            {"content_type": 2, "sample_rate": 3, "channel": 2, "codec": 4, "data_opt": 2, "send_rate": 20},
        ),
        (VideoParams(), {"content_type": 3, "codec": 7, "resolution": 2, "data_opt": 3, "fps": 25}),
        (
            VideoParams(mode="single_participant"),
            {"content_type": 3, "codec": 7, "resolution": 2, "data_opt": 4, "fps": 25},
        ),
        (ShareParams(), {"content_type": 3, "codec": 5, "resolution": 3, "fps": 1}),
        (TranscriptParams(), {"content_type": 5, "src_language": 9, "enable_lid": True}),
        (
            TranscriptParams("none", detect_language=False),
            {"content_type": 5, "src_language": -1, "enable_lid": False},
        ),
        (ChatParams(), {"content_type": 5}),
    ],
)
def test_a_request_in_zooms_numbers(params, wire):
    """Equal to the examples of V1.md §4.2; chat has nothing to choose."""
    assert requested(params) == wire


@pytest.mark.parametrize("params", LEGAL, ids=str)
def test_what_was_asked_for_and_granted_is_the_same(params):
    """Every request, mirrored by message 4, reads back as itself, whatever was expected before."""
    for kind in MediaKind:
        key = "deskshare" if kind is MediaKind.SHARE else kind.value
        asked = params.of(kind)
        assert granted(kind, MediaParams().of(kind), {key: requested(asked)}) == asked


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"video": {"codec": 5}},
        {"audio": None},
        {"audio": "l16"},
        {"audio": {"codec": 99, "sample_rate": None, "channel": [], "send_rate": "soon", "data_opt": {}}},
        {
            "audio": {
                "codec": "l 16",
                "sample_rate": "",
                "channel": "1.5",
                "send_rate": "-20",
                "data_opt": "9",
            }
        },
        {"audio": {"data_opt": 3, "content_type": 1, "new_key": 1}},
    ],
)
def test_what_is_not_said_is_as_it_was_asked_for(given):
    asked = AudioParams("opus", 48000, 2, 20)
    assert granted(MediaKind.AUDIO, asked, given) == asked


def test_zoom_may_grant_something_else():
    """Multi-stream may come back mixed, H.264 as JPG (V1.md §4.3)."""
    assert granted(MediaKind.AUDIO, AudioParams(), {"audio": {"data_opt": 1}}).mode == "mixed"
    assert granted(MediaKind.VIDEO, VideoParams(), {"video": {"codec": 5, "fps": 5}}) == VideoParams(
        "jpg", fps=5
    )


@pytest.mark.parametrize("params", LEGAL, ids=str)
def test_numbers_may_come_as_strings(params):
    """V1.md, appendix C."""
    for kind in MediaKind:
        key = "deskshare" if kind is MediaKind.SHARE else kind.value
        asked = params.of(kind)
        spelled = {name: str(value) for name, value in requested(asked).items()}
        assert granted(kind, MediaParams().of(kind), {key: spelled}) == asked


@pytest.mark.parametrize("key", ["src_language", "language"])
def test_the_language_has_two_names(key):
    """Older samples say ``language`` (V1.md §4.2.4)."""
    assert granted(MediaKind.TRANSCRIPT, TranscriptParams(), {"transcript": {key: 14}}).language == "de"


@pytest.mark.parametrize(
    ("number", "tag"), [(9, "en"), (0, "ar"), (36, "vi"), (-1, ""), (99, ""), (None, "")]
)
def test_language_tags(number, tag):
    assert language_tag(number) == tag


def test_there_are_as_many_languages_as_zoom_lists():
    """V1.md §9.14: none, and 0 to 36."""
    assert sorted(LANGUAGE.values()) == list(range(-1, 37))
