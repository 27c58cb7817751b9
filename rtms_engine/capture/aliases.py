"""Other names, ids and texts in the place of a meeting's own; the same for the same, in one capture. Pure.

Nothing is let through because it looks harmless, only because it is known to be: numbers that are
Zoom's codes and times, and words that are Zoom's constants.
"""

import itertools
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .redact import REDACTED

_LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore. "
)
_NAME_KEYS = re.compile(
    r"(?i)(^|_)(user|display|first|last|full|participant|sender|receiver|host|agent)?_?name$"
)
_ID_KEYS = re.compile(r"(?i)(^|_)(id|ids|uuid|list)$|(?-i:[a-z](Id|Ids|Uuid)$)")
_TIME_KEYS = re.compile(r"(?i)time|(^|_)ts$|date")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_CODE_KEYS = frozenset(
    {"msg_type", "status_code", "status", "state", "stop_reason", "reason", "event_type", "event"}
)
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_LARGEST_CODE = 100_000
"""A greater number may be the number of a person, a meeting or a telephone, unless its key is a time's."""
_HOSTS = (".zoom.us", ".zoomgov.com")
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+")
_PERSONAL = (
    re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),
    re.compile(r"(?i)\b(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\b"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(r"(?<![\w.])\+?\d[\d ()/-]{6,}\d"),
)
"""E-mail and IP addresses, and telephone numbers, within sentences that are not from Zoom's content."""


class Aliases:
    """The aliases of one capture."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._keys: dict[str, str] = {}
        self._hosts: dict[str, str] = {}

    def name(self, name: str) -> str:
        """``Participant 1`` …; nobody stays nobody."""
        return self._names.setdefault(name, f"Participant {len(self._names) + 1}") if name else ""

    def identifier(self, identifier: str) -> str:
        """An id of the same length and punctuation, unless it is too short for that."""
        if not identifier:
            return ""
        known = self._ids.get(identifier)
        if known is None:
            known = self._ids[identifier] = self._new_id(identifier, len(self._ids) + 1)
        return known

    def number(self, number: int) -> int:
        """The number of a person or a meeting; 0 stays 0."""
        return (
            self._numbers.setdefault(number, 16_000_000 + 1_000 * (len(self._numbers) + 1)) if number else 0
        )

    def text(self, text: str) -> str:
        """As many characters of nothing."""
        return (_LOREM * (len(text) // len(_LOREM) + 1))[: len(text)]

    def url(self, url: str) -> str:
        """Scheme, host and port; of Zoom's hosts also the region that their names tell."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return REDACTED
        if not (host.endswith(_HOSTS) or host in _LOCAL):
            host = self._hosts.setdefault(host, f"host{len(self._hosts) + 1}.invalid")
        host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"

    def sentence(self, sentence: str) -> str:
        """What the engine or a server said of a connection: without addresses, and anything known by now."""
        sentence = _URL.sub(lambda found: self.url(found[0]), sentence)
        for original, alias in itertools.chain(self._names.items(), self._ids.items()):
            if len(original) > 2:  # noqa: PLR2004 - shorter ones are in every word
                sentence = sentence.replace(original, alias)
        for personal in _PERSONAL:
            sentence = personal.sub(REDACTED, sentence)
        return sentence

    def value(self, value: Any, key: str = "") -> Any:
        """Any JSON value, by the key under which it stands."""
        match value:
            case dict():
                return {self._key(name): self.value(inner, name) for name, inner in value.items()}
            case list():
                return [self.value(inner, key) for inner in value]
            case bool() | None:
                return value
            case int():
                kept = _TIME_KEYS.search(key) or (not _ID_KEYS.search(key) and abs(value) < _LARGEST_CODE)
                return value if kept else self.number(value)
            case float():
                return value if _TIME_KEYS.search(key) or abs(value) < _LARGEST_CODE else 0.0
            case str():
                return self._string(value, key)
            case _:
                return None

    def _string(self, value: str, key: str) -> str:
        if value == REDACTED:
            return value
        if key in _CODE_KEYS and (_CONSTANT.fullmatch(value) or (value.isdecimal() and len(value) < 6)):  # noqa: PLR2004
            return value
        if _URL.fullmatch(value.strip()):
            return self.url(value.strip())
        if "://" in value:
            return ",".join(map(self.url, value.split(",")))
        if key == "language" and _LANGUAGE.fullmatch(value):
            return value
        if _TIME_KEYS.search(key) and value.isdecimal():
            return value
        if _NAME_KEYS.search(key):
            return self.name(value)
        if _ID_KEYS.search(key):
            return self.identifier(value)
        return self.text(value)

    def _key(self, key: Any) -> str:
        """Zoom's words; a key that is none of these may be somebody's name."""
        text = str(key)
        if _KEY.fullmatch(text) and text not in self._names and text not in self._ids:
            return text
        return self._keys.setdefault(text, f"key{len(self._keys) + 1}")

    def _new_id(self, identifier: str, number: int) -> str:
        if identifier.isdecimal() and identifier.isascii():
            digits = str(number).rjust(len(identifier) - 1, "0")
            return f"9{digits}"
        positions = [at for at, character in enumerate(identifier) if character.isalnum()]
        alias = f"alias{number}x"
        if len(positions) < len(alias):
            return f"id{number}"
        spelled = list("".join(c if c.isascii() else "-" for c in identifier))
        for at, character in zip(positions, itertools.cycle(alias), strict=False):
            spelled[at] = character
        return "".join(spelled)


def scrub_json(aliases: Aliases, data: bytes) -> bytes:
    """Any JSON document; what is none becomes as many question marks."""
    try:
        return msgspec.json.encode(aliases.value(msgspec.json.decode(data)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b"?" * len(data)
