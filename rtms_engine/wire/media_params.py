"""``media_params`` and ``media_type``: Zoom's numbers for readable values, and the legal combinations.

The rows here are the tables of V1.md §4.2. `check` names the row that a request misses before Zoom
refuses it; `granted` reads the effective parameters of message 4.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from ..model.media import (
    AudioParams,
    ChatParams,
    MediaKind,
    MediaParams,
    Params,
    ShareParams,
    TranscriptParams,
    VideoParams,
)
from .json_codec import integer

MEDIA_TYPE: dict[MediaKind, int] = {
    MediaKind.AUDIO: 1,
    MediaKind.VIDEO: 2,
    MediaKind.SHARE: 4,
    MediaKind.TRANSCRIPT: 8,
    MediaKind.CHAT: 16,
}
"""MEDIA_DATA_TYPE (V1.md §9.8). One at a time: OR-ed values are refused with status 14 (V1.md §4.1)."""
MEDIA_TYPE_ALL = 32

PARAMS_KEY: dict[MediaKind, str] = {
    MediaKind.AUDIO: "audio",
    MediaKind.VIDEO: "video",
    MediaKind.SHARE: "deskshare",
    MediaKind.TRANSCRIPT: "transcript",
    MediaKind.CHAT: "chat",
}

RAW_AUDIO, RAW_VIDEO, TEXT = 2, 3, 5
"""MEDIA_CONTENT_TYPE (V1.md §9.8)."""

CODEC = {"l16": 1, "g711": 2, "g722": 3, "opus": 4, "jpg": 5, "png": 6, "h264": 7}
"""MEDIA_PAYLOAD_TYPE."""
SAMPLE_RATE = {8000: 0, 16000: 1, 32000: 2, 48000: 3}
AUDIO_MODE = {"mixed": 1, "per_participant": 2}
"""MEDIA_DATA_OPTION of audio."""
VIDEO_MODE = {"active_speaker": 3, "single_participant": 4}
"""MEDIA_DATA_OPTION of video."""
RESOLUTION = {"sd": 1, "hd": 2, "fhd": 3, "qhd": 4}

LANGUAGE = {
    "none": -1, "ar": 0, "bn": 1, "yue": 2, "ca": 3, "zh-Hans": 4, "zh-Hant": 5, "cs": 6, "da": 7,
    "nl": 8, "en": 9, "et": 10, "fi": 11, "fr-CA": 12, "fr": 13, "de": 14, "he": 15, "hi": 16,
    "hu": 17, "id": 18, "it": 19, "ja": 20, "ko": 21, "ms": 22, "fa": 23, "pl": 24, "pt": 25,
    "ro": 26, "ru": 27, "es": 28, "sv": 29, "tl": 30, "ta": 31, "te": 32, "th": 33, "tr": 34,
    "uk": 35, "vi": 36,
}  # fmt: skip
"""RTMS_TRANSCRIPT_LANGUAGE (V1.md §9.14) by BCP 47 tag; ``fr`` is the French of France."""

_LANGUAGE_TAG = {number: tag for tag, number in LANGUAGE.items() if number >= 0}

_SEND_RATES_MS = range(20, 1001, 20)


class _AudioRow(NamedTuple):
    codec: str
    sample_rates: tuple[int, ...]
    channels: tuple[int, ...]
    send_rates_ms: range


_AUDIO_ROWS = (
    _AudioRow("l16", (8000, 16000, 32000, 48000), (1,), _SEND_RATES_MS),
    # The rates of G.711 and G.722 are not published; these are the codecs' own (V1.md §4.2.1).
    _AudioRow("g711", (8000,), (1,), _SEND_RATES_MS),
    _AudioRow("g722", (16000,), (1,), _SEND_RATES_MS),
    # How Opus is packed for more than 20 ms is not published (V1.md §6.3, Q14).
    _AudioRow("opus", (48000,), (1, 2), range(20, 21)),
)


class _PictureRow(NamedTuple):
    codecs: tuple[str, ...]
    fps: range


_VIDEO_ROWS = (_PictureRow(("jpg", "png"), range(1, 6)), _PictureRow(("h264",), range(6, 31)))
# Zoom's pages disagree whether the threshold for share is 1 or 5; both accept these (V1.md §4.2.3).
_SHARE_ROWS = (_PictureRow(("jpg", "png"), range(1, 2)), _PictureRow(("h264",), range(6, 31)))


def language_tag(number: int | None) -> str:
    """The BCP 47 tag of a language number; empty if it is unknown."""
    return "" if number is None else _LANGUAGE_TAG.get(number, "")


def check(params: MediaParams) -> dict[str, str]:
    """What Zoom would refuse, by key (``"audio.sample_rate"``), with what is allowed; empty if nothing."""
    problems = _check_audio(params.audio)
    problems |= _check_picture("video", params.video, _VIDEO_ROWS)
    problems |= _check_picture("share", params.share, _SHARE_ROWS)
    if params.transcript.language not in LANGUAGE:
        problems["transcript.language"] = f"must be one of {', '.join(sorted(LANGUAGE))}"
    return problems


def _check_audio(audio: AudioParams) -> dict[str, str]:
    row = next(row for row in _AUDIO_ROWS if row.codec == audio.codec)
    problems = {}
    if audio.sample_rate not in row.sample_rates:
        problems["audio.sample_rate"] = f"{row.codec} needs {_either(row.sample_rates)}"
    if audio.channels not in row.channels:
        problems["audio.channels"] = f"{row.codec} needs {_either(row.channels)}"
    if audio.send_rate_ms not in row.send_rates_ms:
        allowed = "20" if len(row.send_rates_ms) == 1 else "a multiple of 20 from 20 to 1000"
        problems["audio.send_rate_ms"] = f"{row.codec} needs {allowed}"
    return problems


def _check_picture(
    name: str, params: VideoParams | ShareParams, rows: tuple[_PictureRow, ...]
) -> dict[str, str]:
    row = next(row for row in rows if params.codec in row.codecs)
    if params.fps in row.fps:
        return {}
    allowed = f"{row.fps[0]} to {row.fps[-1]}" if len(row.fps) > 1 else f"{row.fps[0]}"
    return {f"{name}.fps": f"{params.codec} needs {allowed}"}


def _either(values: tuple[int, ...]) -> str:
    return " or ".join(map(str, values))


def requested(params: Params) -> dict[str, Any]:
    """The sub-object of ``media_params`` that asks for ``params``."""
    match params:
        case AudioParams():
            return {
                "content_type": RAW_AUDIO,
                "sample_rate": SAMPLE_RATE[params.sample_rate],
                "channel": params.channels,
                "codec": CODEC[params.codec],
                "data_opt": AUDIO_MODE[params.mode],
                "send_rate": params.send_rate_ms,
            }
        case VideoParams():
            return {
                "content_type": RAW_VIDEO,
                "codec": CODEC[params.codec],
                "resolution": RESOLUTION[params.resolution],
                "data_opt": VIDEO_MODE[params.mode],
                "fps": params.fps,
            }
        case ShareParams():
            return {
                "content_type": RAW_VIDEO,
                "codec": CODEC[params.codec],
                "resolution": RESOLUTION[params.resolution],
                "fps": params.fps,
            }
        case TranscriptParams():
            return {
                "content_type": TEXT,
                "src_language": LANGUAGE[params.language],
                "enable_lid": params.detect_language,
            }
        case ChatParams():
            return {"content_type": TEXT}


_P = TypeVar("_P", bound=Params)

_READABLE: dict[str, tuple[str, dict[int, Any]]] = {
    "sample_rate": ("sample_rate", {n: hz for hz, n in SAMPLE_RATE.items()}),
    "channel": ("channels", {1: 1, 2: 2}),
    "codec": ("codec", {n: name for name, n in CODEC.items()}),
    "send_rate": ("send_rate_ms", {n: n for n in range(1, 1001)}),
    "resolution": ("resolution", {n: name for name, n in RESOLUTION.items()}),
    "fps": ("fps", {n: n for n in range(1, 31)}),
    "src_language": ("language", {n: tag for tag, n in LANGUAGE.items()}),
    "language": ("language", {n: tag for tag, n in LANGUAGE.items()}),
    "enable_lid": ("detect_language", {0: False, 1: True}),
}
"""Zoom's key and numbers, and ours; what is not in a row is left as it was asked for."""

_TRUTHS = {"true": True, "false": False}
_MODE: dict[type, dict[int, str]] = {
    AudioParams: {n: mode for mode, n in AUDIO_MODE.items()},
    VideoParams: {n: mode for mode, n in VIDEO_MODE.items()},
}


def granted(kind: MediaKind, asked: _P, media_params: Mapping[str, Any] | None) -> _P:
    """The effective parameters of message 4; a key that is absent or unknown keeps what was asked for.

    The result describes what arrives, so it may be a combination that `check` refuses.
    """
    given = (media_params or {}).get(PARAMS_KEY[kind])
    if not isinstance(given, Mapping):
        return asked
    changes: dict[str, Any] = {}
    for key, (field, values) in _READABLE.items():
        number = _number(given.get(key))
        if field in asked.__struct_fields__ and number in values:
            changes[field] = values[number]
    modes = _MODE.get(type(asked), {})
    mode = _number(given.get("data_opt"))
    if mode in modes:
        changes["mode"] = modes[mode]
    return msgspec.structs.replace(asked, **changes)


def _number(value: Any) -> int | None:
    """A number of Zoom's, also as a string; a truth as well, since one key has those (V1.md, appendix C)."""
    if isinstance(value, str):
        value = _TRUTHS.get(value.strip().lower(), value)
    return int(value) if isinstance(value, bool) else integer(value)


PROTOCOL_DEFAULTS = MediaParams(
    audio=AudioParams(send_rate_ms=20, mode="mixed"),
    video=VideoParams(codec="jpg", fps=5),
)
"""What Zoom delivers when a request leaves ``media_params`` out (V1.md §4.2)."""
