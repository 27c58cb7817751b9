"""The many shapes of ``server_urls`` (V1.md §3.2)."""

from typing import Any

from ..model.media import MediaKind

ALL = "all"

_KEYS: dict[MediaKind, tuple[str, ...]] = {
    MediaKind.AUDIO: ("audio",),
    MediaKind.VIDEO: ("video",),
    MediaKind.SHARE: ("deskshare", "share", "sharescreen", "screen_share"),
    MediaKind.TRANSCRIPT: ("transcript",),
    MediaKind.CHAT: ("chat",),
}


def url_list(value: Any) -> tuple[str, ...]:
    """URLs in the order given, from a string, a comma list, a list, or objects with ``url``.

    In a list that mixes schemes, ``wss://`` comes first: V1 speaks nothing else.
    """
    match value:
        case str():
            urls = [part.strip() for part in value.split(",") if part.strip()]
        case list() | tuple():
            urls = [url for item in value for url in url_list(item)]
        case {"url": url}:
            urls = list(url_list(url))
        case dict():
            urls = [url for item in value.values() for url in url_list(item)]
        case _:
            urls = []
    return tuple(sorted(urls, key=lambda url: not url.startswith("wss://")))


def media_url(server_urls: Any, kind: MediaKind, *, audio_before_all: bool = False) -> str | None:
    """The URL for one kind of media, or None if there is no URL at all.

    A kind whose key is missing falls back to ``all``, then to ``audio``, then to any URL: if it is
    missing because a scope is, the media server says so with a status (V1.md §1.11, §3.2).

    Args:
        server_urls: in any of their shapes.
        kind: which.
        audio_before_all: fall back to ``audio`` first (`Product.audio_before_all`).
    """
    fallbacks = ("audio", ALL) if audio_before_all else (ALL, "audio")
    return _first_of(server_urls, (*_KEYS[kind], *fallbacks))


def unified_url(server_urls: Any) -> str | None:
    """The URL for all media over one socket: ``all``, else ``audio``, else the first one."""
    return _first_of(server_urls, (ALL, "audio"))


def _first_of(server_urls: Any, keys: tuple[str, ...]) -> str | None:
    candidates = [server_urls.get(key) for key in keys] if isinstance(server_urls, dict) else []
    urls = [url for value in (*candidates, server_urls) for url in url_list(value)]
    return next((url for url in urls if url.startswith("ws")), None)
