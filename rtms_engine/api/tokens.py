"""Who may use the API: tokens with scopes, of which only hashes are kept.

A token is 32 random bytes, so a plain SHA-256 of it cannot be guessed back. The file is looked at again
when it has changed: a token that is revoked is refused from the next request on.
"""

import enum
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from ..errors import ConfigError

FILE = "tokens.json"
PREFIX = "rtms_"
_MOST_BYTES = 1_000_000


class Scope(enum.StrEnum):
    """What a token allows."""

    READ = "read"
    """Streams, recordings, stories, texts."""
    MEDIA = "media"
    """Sound and pictures, live and recorded."""
    CONTROL = "control"
    """Start, stop, pause, resume; choose a camera."""
    DELETE = "delete"
    """Delete recordings."""


class Token(msgspec.Struct, frozen=True):
    """What is kept of a token."""

    name: str
    sha256: str
    scopes: frozenset[Scope]
    created_ms: int
    """Unix milliseconds."""


_decode_tokens = msgspec.json.Decoder(tuple[Token, ...]).decode


class TokenFile:
    """The tokens of one state directory. Its methods block; they raise ConfigError."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._read: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> Sequence[Token]:
        """All of them, as the file stands now."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._read, self._tokens = None, ()
            return ()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if (status.st_mtime_ns, status.st_ino) != self._read:
            self._tokens = self._load()
            self._read = (status.st_mtime_ns, status.st_ino)
        return self._tokens

    def new(self, name: str, scopes: Collection[Scope], now_ms: int) -> str:
        """Make a token. Returns it; nobody can tell it again."""
        if any(token.name == name for token in self.tokens()):
            raise ConfigError([f"{self._path}: there is a token named {name!r} already; revoke it first"])
        text = PREFIX + secrets.token_urlsafe(32)
        self._save([*self.tokens(), Token(name, _hash(text), frozenset(scopes), now_ms)])
        return text

    def revoke(self, name: str) -> None:
        """It is not accepted any more."""
        kept = [token for token in self.tokens() if token.name != name]
        if len(kept) == len(self.tokens()):
            raise ConfigError([f"{self._path}: there is no token named {name!r}"])
        self._save(kept)

    def find(self, text: str) -> Token | None:
        """The token that ``text`` is; None if it is none. Takes as long whichever it is."""
        wanted = _hash(text)
        found = None
        for token in self.tokens():
            if hmac.compare_digest(token.sha256, wanted):
                found = token
        return found

    def _load(self) -> tuple[Token, ...]:
        try:
            with self._path.open("rb") as file:
                return _decode_tokens(file.read(_MOST_BYTES))
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._unusable("it is not a list of tokens") from error

    def _save(self, tokens: Sequence[Token]) -> None:
        content = msgspec.json.format(msgspec.json.encode(tokens), indent=2)
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            beside.touch(mode=0o600)
            beside.write_bytes(content)
            beside.replace(self._path)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError([f"{self._path}: cannot be used: {why}"])


Find = Callable[[str], Token | None]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
