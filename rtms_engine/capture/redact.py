"""What never reaches a capture: signatures, secrets, keys, tokens, passphrases. Pure.

Media (messages 14 to 18) carry none and are kept byte for byte; of every other message each value
whose key sounds like a secret is replaced, and in every URL the user info and the values of the query.
What needs no replacing stays byte for byte too. URLs are replaced in the same way wherever they occur, so that
a connection of the capture can still be told by its URL.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import msgspec

from ..model.signals import StreamInterrupted, StreamSignal, StreamStarted

REDACTED = "redacted"

_SECRET = re.compile(
    r"(?i:signature|secret|token|pass(?:word|phrase|code)|credential|authorization|cookie)"
    r"|(?i:^(?:auth|pwd|iv|salt|nonce|jwt|zak|sas)$)"
    r"|(?i:(?:^|[_\W])keys?$)|[a-z]Keys?$"
)
_URL = re.compile(r"(?i)\b(?:wss?|https?|srt)://[^\s\"'<>\\,]+")
_IN_BYTES = re.compile(
    rb"(?i)(\"[a-z_]*(?:signature|secret|token|password|passphrase|passcode|key)\"\s*:\s*)\"(?:[^\"\\]|\\.)*\"?"
)
_MEDIA = range(14, 19)
_USUAL = re.compile(rb'\{"msg_type":(1[4-6]),"content":\{')
"""How Zoom spells what is nearly all of the traffic: it need not be parsed."""


class _Peek(msgspec.Struct):
    msg_type: Any = None


_peek = msgspec.json.Decoder(_Peek)
_encoder = msgspec.json.Encoder()


def msg_type_of(message: bytes) -> int:
    """Zoom's number of a message, without reading the rest; -1 if it has none."""
    if usual := _USUAL.match(message):
        return int(usual[1])
    try:
        number = _peek.decode(message).msg_type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return -1
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 4:  # noqa: PLR2004
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**31 else -1


def redact_message(message: bytes) -> bytes:
    """A message of any direction, without secrets."""
    if msg_type_of(message) in _MEDIA:
        return message
    try:
        fields = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _IN_BYTES.sub(rb'\1"redacted"', message)
    try:
        clean = redact_value(fields)
    except RecursionError:
        return b'{"msg_type":-1,"redacted":"nested too deeply"}'
    return message if clean == fields else _encoder.encode(clean)


def redact_value(value: Any, key: str = "") -> Any:
    """A JSON value; ``key`` is the name under which it stands."""
    match value:
        case Mapping():
            return {name: redact_value(inner, str(name)) for name, inner in value.items()}
        case list():
            return [redact_value(inner, key) for inner in value]
        case str() if key and _SECRET.search(key) and value:
            return REDACTED
        case int() | float() if key and _SECRET.search(key) and not isinstance(value, bool):
            return 0
        case str() if "://" in value:
            return redact_urls(value)
        case _:
            return value


def redact_urls(text: str) -> str:
    """A text with every URL in it without user info and values of its query."""
    return _URL.sub(lambda found: redact_url(found[0]), text)


def redact_url(url: str) -> str:
    """A URL without user info, fragment and the values of its query."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return REDACTED
    if not (parts.query or parts.fragment or "@" in parts.netloc):
        return url
    names = urlencode([(name, REDACTED) for name, _ in query]) if query else ""
    kept = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, names, "")
    return kept.geturl()


def redact_signal(signal: StreamSignal) -> StreamSignal:
    """A webhook of the stream, without secrets."""
    if isinstance(signal, StreamStarted):
        return msgspec.structs.replace(
            signal,
            server_urls=tuple(map(redact_url, signal.server_urls)),
            session_key=REDACTED if signal.session_key else "",
            signature=REDACTED if signal.signature else "",
        )
    if isinstance(signal, StreamInterrupted):
        return msgspec.structs.replace(signal, server_urls=tuple(map(redact_url, signal.server_urls)))
    return signal
