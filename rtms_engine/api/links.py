"""Links that open one file for a while without a token, for those who cannot send one.

A link is a secret of whoever has it. It names one operation and one of its addresses, ends at a time that is part
of what is signed (HMAC-SHA256), and only reads. Whoever makes one must be allowed what it allows. To take back all
links, delete ``links.key`` in the state directory and start the engine again.
"""

import hashlib
import hmac
import os
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

from .problem import Refused
from .tokens import Scope, Token

FILE = "links.key"
LIFE_S = 6 * 3600
"""Of a link: as long as those of the services that people come from."""
LINK = Token("link", "link", frozenset({Scope.READ, Scope.MEDIA}), 0)
"""Whoever comes with one."""
_KEY_BYTES = 32
_SECONDS = re.compile(r"[0-9]{1,15}")


class Links:
    """Makes and checks links.

    Args:
        key: secret, `_KEY_BYTES` long; see `key_of`.
        unix_s: the wall clock.
    """

    def __init__(self, key: bytes, unix_s: Callable[[], float]) -> None:
        self._key = key
        self._unix_s = unix_s

    def query(self, operation: str, address: Sequence[str]) -> str:
        """What makes the URL of an operation a link; ``address``: the variables of its path, and the part."""
        expires = int(self._unix_s()) + LIFE_S
        return f"expires={expires}&signature={self._sign(operation, address, expires)}"

    def check(self, operation: str, address: Sequence[str], expires: str, signature: str) -> Token:
        """Who comes with a link. Raises Refused."""
        until = int(expires) if _SECONDS.fullmatch(expires) else 0
        wanted = self._sign(operation, address, until)
        if not hmac.compare_digest(wanted.encode(), signature.encode(errors="surrogateescape")):
            raise Refused.of(
                403,
                "The link is none of ours, or was changed.",
                "Ask for a new one.",
                field="query.signature",
            )
        if self._unix_s() >= until:
            raise Refused.of(403, "The link has expired.", "Ask for a new one.", field="query.expires")
        return LINK

    def _sign(self, operation: str, address: Sequence[str], expires: int) -> str:
        signed = "\0".join(("v1", operation, *address, str(expires))).encode(errors="surrogateescape")
        return urlsafe_b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode().rstrip("=")


def key_of(directory: Path | None) -> bytes:
    """The key of a state directory, made when there is none; without one, of this process alone.

    Blocks; raises OSError.
    """
    if directory is None:
        return secrets.token_bytes(_KEY_BYTES)
    path = directory / FILE
    directory.mkdir(0o700, parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) == _KEY_BYTES:
            return key
        path.unlink()  # it was being written when the process was killed
        return key_of(directory)
    with os.fdopen(file, "wb") as writer:
        writer.write(key := secrets.token_bytes(_KEY_BYTES))
    return key
