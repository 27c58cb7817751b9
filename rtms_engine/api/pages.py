"""The dashboard's files: what a browser may have of them, and what it may do with them.

They lie in ``dashboard/`` beside this module, and hold nothing of any stream: whoever may call the API by
name may have them. What they show they ask of the API like everybody else.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

from aiohttp import web

_TYPES: Mapping[str, str] = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
_ALLOWED: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' blob:",  # a picture that was fetched
    "media-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",  # forms are sent by script
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",  # no text becomes HTML, whatever a script does
    "trusted-types": "'none'",
}
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(f"{what} {by_whom}" for what, by_whom in _ALLOWED.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
"""Of every file."""
_FIRST = "index.html"


class _File(NamedTuple):
    media_type: str
    content: bytes
    tag: str


class Pages:
    """The files, by the path under which they are served."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        for found in files(__package__).joinpath("dashboard").iterdir():
            if media_type := _TYPES.get(found.name.rpartition(".")[2]):
                content = found.read_bytes()
                path = "/" if found.name == _FIRST else f"/dashboard/{found.name}"
                self._files[path] = _File(media_type, content, hashlib.sha256(content).hexdigest()[:32])

    @property
    def paths(self) -> list[str]:
        """All of them."""
        return list(self._files)

    def answer(self, request: web.Request) -> web.Response:
        """A file, or that the browser has it already."""
        file = self._files[request.path]
        headers = {**PAGE_HEADERS, "ETag": f'"{file.tag}"'}
        if any(tag.value == file.tag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.content, content_type=file.media_type, charset="utf-8", headers=headers)
