"""What the media server accepts, and with which status it refuses (V1.md §4.1, §4.2, §9.4).

Zoom's numbers throughout. These are the tables of V1.md once more, on purpose apart from
`rtms_engine.wire.media_params`: the simulator must not share the engine's mistakes.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, NamedTuple

from ..model.media import MediaKind
from ..model.reasons import StatusCode

ALL_MEDIA = 32
KIND_OF = {
    1: MediaKind.AUDIO,
    2: MediaKind.VIDEO,
    4: MediaKind.SHARE,
    8: MediaKind.TRANSCRIPT,
    16: MediaKind.CHAT,
}
"""MEDIA_DATA_TYPE (V1.md §9.8)."""
BIT_OF = {kind: bit for bit, kind in KIND_OF.items()}
KEY_OF = {
    MediaKind.AUDIO: "audio",
    MediaKind.VIDEO: "video",
    MediaKind.SHARE: "deskshare",
    MediaKind.TRANSCRIPT: "transcript",
    MediaKind.CHAT: "chat",
}
"""The kinds' names in ``media_params`` and ``server_urls``."""

Params = dict[str, Any]


class Refused(Exception):
    """A handshake is answered with this status."""

    def __init__(self, status: StatusCode, reason: str = "") -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason or status.name


class _Key(NamedTuple):
    name: str
    default: Any
    allowed: Container[Any]
    status: StatusCode


class _Rules(NamedTuple):
    keys: tuple[_Key, ...]
    malformed: StatusCode
    not_granted: StatusCode
    together: Callable[[Params, Params], Params]
    """Rules between keys: gets what was asked for and what that means, gives what is in effect."""


def requested_kinds(media_type: Any, granted: Iterable[MediaKind]) -> frozenset[MediaKind]:
    """The kinds that a socket delivers. Raises Refused."""
    if not isinstance(media_type, int) or isinstance(media_type, bool) or not 0 < media_type < 64:
        raise Refused(StatusCode.INVALID_MEDIA_TYPE)
    if media_type == ALL_MEDIA:
        return frozenset(granted)
    if media_type not in KIND_OF:
        raise Refused(StatusCode.MEDIA_TYPE_INVALID_VALUE, "Media type invalid value")
    kind = KIND_OF[media_type]
    if kind not in granted:
        raise Refused(_RULES[kind].not_granted)
    return frozenset([kind])


def effective_params(kinds: Iterable[MediaKind], asked: Any) -> dict[MediaKind, Params]:
    """The parameters in effect: those asked for, and defaults for the rest. Raises Refused."""
    if asked is not None and not isinstance(asked, Mapping):
        raise Refused(StatusCode.INVALID_MEDIA_PARAMS)
    given = asked or {}
    return {kind: _effective(_RULES[kind], given.get(KEY_OF[kind], {})) for kind in kinds}


def _effective(rules: _Rules, asked: Any) -> Params:
    if not isinstance(asked, dict):
        raise Refused(rules.malformed)
    params = {key.name: asked.get(key.name, key.default) for key in rules.keys}
    params = rules.together(asked, params)
    for key in rules.keys:
        value = params[key.name]
        if type(value) is not type(key.default) or value not in key.allowed:
            raise Refused(key.status)
    return params


_L16, _G711, _G722, _OPUS = 1, 2, 3, 4
_JPG, _H264 = 5, 7

_AUDIO_ROWS: dict[int, tuple[Container[int], Container[int], Container[int]]] = {
    _L16: (range(4), (1,), range(20, 1001, 20)),
    _G711: ((0,), (1,), range(20, 1001, 20)),
    _G722: ((1,), (1,), range(20, 1001, 20)),
    _OPUS: ((3,), (1, 2), (20,)),
}
"""Sample rates, channels and send rates of each codec. Those of G.711 and G.722, and Opus in
packets of more than 20 ms, are not published; what is here is the safe side (V1.md §4.2.1, §6.3)."""


def _audio_together(asked: Params, params: Params) -> Params:
    if isinstance(params["send_rate"], int) and params["send_rate"] > 1000:
        params["send_rate"] = 1000  # V1.md §4.2.1: clamped
    row = _AUDIO_ROWS.get(params["codec"]) if isinstance(params["codec"], int) else None
    for (name, status), allowed in zip(_AUDIO_COLUMNS, row or (), strict=False):
        if params[name] not in allowed:
            raise Refused(status, f"{name} {params[name]} does not go with codec {params['codec']}")
    return params


_AUDIO_COLUMNS = (
    ("sample_rate", StatusCode.INVALID_MEDIA_AUDIO_SAMPLE_RATE),
    ("channel", StatusCode.INVALID_MEDIA_AUDIO_CHANNEL),
    ("send_rate", StatusCode.INVALID_MEDIA_AUDIO_SEND_RATE),
)


def _picture_together(
    most_as_image: int, least_as_video: int, fallback_above: int, status: StatusCode
) -> Callable[[Params, Params], Params]:
    def together(asked: Params, params: Params) -> Params:
        fps = params["fps"]
        if not isinstance(fps, int):
            return params
        if "codec" not in asked and fps > fallback_above:
            return {**params, "codec": _JPG, "fps": fallback_above}  # V1.md §4.2.2, §4.2.3
        is_video = params["codec"] == _H264
        if fps < least_as_video if is_video else fps > most_as_image:
            raise Refused(status, f"{fps} fps does not go with codec {params['codec']}")
        return params

    return together


def _as_asked(asked: Params, params: Params) -> Params:
    return params


_RULES: dict[MediaKind, _Rules] = {
    MediaKind.AUDIO: _Rules(
        (
            _Key("content_type", 2, (1, 2), StatusCode.INVALID_MEDIA_AUDIO_CONTENT_TYPE),
            _Key("sample_rate", 1, range(4), StatusCode.INVALID_MEDIA_AUDIO_SAMPLE_RATE),
            _Key("channel", 1, (1, 2), StatusCode.INVALID_MEDIA_AUDIO_CHANNEL),
            _Key("codec", 1, range(1, 5), StatusCode.INVALID_MEDIA_AUDIO_CODEC),
            _Key("data_opt", 1, (1, 2), StatusCode.INVALID_MEDIA_AUDIO_DATA_OPT),
            _Key("send_rate", 20, range(20, 1001, 20), StatusCode.INVALID_MEDIA_AUDIO_SEND_RATE),
        ),
        StatusCode.INVALID_MEDIA_AUDIO_PARAMS,
        StatusCode.MEDIA_TYPE_AUDIO_NOT_SUPPORT,
        _audio_together,
    ),
    MediaKind.VIDEO: _Rules(
        (
            _Key("content_type", 3, (3,), StatusCode.INVALID_MEDIA_VIDEO_CONTENT_TYPE),
            _Key("codec", 5, (5, 6, 7), StatusCode.INVALID_MEDIA_VIDEO_CODEC),
            _Key("resolution", 2, range(1, 5), StatusCode.INVALID_MEDIA_VIDEO_RESOLUTION),
            _Key("data_opt", 3, (3, 4), StatusCode.INVALID_MEDIA_VIDEO_DATA_OPT),
            _Key("fps", 5, range(1, 31), StatusCode.INVALID_MEDIA_VIDEO_FPS),
        ),
        StatusCode.INVALID_MEDIA_VIDEO_PARAMS,
        StatusCode.MEDIA_TYPE_VIDEO_NOT_SUPPORT,
        _picture_together(5, 6, 5, StatusCode.INVALID_MEDIA_VIDEO_FPS),
    ),
    MediaKind.SHARE: _Rules(
        (
            _Key("content_type", 3, (3,), StatusCode.INVALID_MEDIA_DESKSHARE_CONTENT_TYPE),
            _Key("codec", 5, (5, 6, 7), StatusCode.INVALID_MEDIA_DESKSHARE_CODEC),
            _Key("resolution", 3, range(1, 5), StatusCode.INVALID_MEDIA_DESKSHARE_RESOLUTION),
            _Key("fps", 1, range(1, 31), StatusCode.INVALID_MEDIA_DESKSHARE_FPS),
        ),
        StatusCode.INVALID_MEDIA_DESKSHARE_PARAMS,
        StatusCode.MEDIA_TYPE_DESKSHARE_NOT_SUPPORT,
        # Zoom's pages put the border at 1 or at 5 fps; only what both refuse is refused (V1.md §4.2.3).
        _picture_together(5, 2, 1, StatusCode.INVALID_MEDIA_DESKSHARE_FPS),
    ),
    MediaKind.TRANSCRIPT: _Rules(
        (
            _Key("content_type", 5, (5,), StatusCode.INVALID_MEDIA_TRANSCRIPT_CONTENT_TYPE),
            _Key("src_language", 9, range(-1, 37), StatusCode.INVALID_MEDIA_TRANSCRIPT_SOURCE_LANGUAGE),
            _Key("enable_lid", True, (True, False), StatusCode.INVALID_MEDIA_TRANSCRIPT_PARAMS),
        ),
        StatusCode.INVALID_MEDIA_TRANSCRIPT_PARAMS,
        StatusCode.MEDIA_TYPE_TRANSCRIPT_NOT_SUPPORT,
        _as_asked,
    ),
    MediaKind.CHAT: _Rules(
        (_Key("content_type", 5, (5,), StatusCode.INVALID_MEDIA_CHAT_CONTENT_TYPE),),
        StatusCode.INVALID_MEDIA_CHAT_PARAMS,
        StatusCode.MEDIA_TYPE_CHAT_NOT_SUPPORT,
        _as_asked,
    ),
}
