"""Master keys, and the directory of data keys.

A *data key* encrypts one recording (or log, raw folder, capture). It lies in ``{directory}/{id}.key``, wrapped by a
*master key*: JSON with the ids of both, a nonce, and the key encrypted with AES-256-GCM. Files of content name
their data key by its id. Whoever deletes a key file has deleted what it encrypts.

Several master keys may be configured: the first one wraps new keys, the others only open what they wrapped. All
that blocks raises OSError.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import VaultError
from .format import ID_BYTES, KEY_BYTES, NONCE_BYTES, DataKey

SUFFIX = ".key"
MAKE_ONE = "openssl rand -base64 32"
"""How to make a master key."""
_NEW = ".new"
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{64}")
_ABOUT = b"rtms-engine data key 1 "


class MasterKey(NamedTuple):
    """A key that wraps others."""

    id: str
    """Says which one it is, and nothing about it."""
    secret: bytes

    @classmethod
    def spelled(cls, text: str) -> Self:
        """From Base64 or hexadecimal. Raises ValueError, without the text, if it is no key."""
        try:
            secret = (
                bytes.fromhex(text)
                if _HEXADECIMAL.fullmatch(text)
                else base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
            )
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise ValueError(f"must be 32 random bytes, in Base64 or hexadecimal; make one with: {MAKE_ONE}")
        return cls(hashlib.blake2b(secret, digest_size=8, person=b"rtms master id").hexdigest(), secret)


class _Wrapped(msgspec.Struct, frozen=True):
    """What a key file says."""

    version: int
    id: str
    master: str
    nonce: bytes
    wrapped: bytes


_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode
_VERSION = 1


class KeyDirectory:
    """The data keys of an engine.

    Args:
        path: made when the first key is, for its owner alone.
        masters: the first one wraps; none at all: nothing can be opened, only destroyed.
    """

    def __init__(self, path: Path, masters: Iterable[MasterKey]) -> None:
        self.path = path
        self._masters = {master.id: master for master in masters}

    def __repr__(self) -> str:
        return f"<KeyDirectory {self.path} masters={list(self._masters)}>"

    def make(self) -> DataKey:
        """A new key, which is on the disk when this returns, also if the power fails."""
        key = DataKey(os.urandom(ID_BYTES), os.urandom(KEY_BYTES))
        with contextlib.suppress(FileExistsError):  # if it is no directory, writing will say so
            self.path.mkdir(0o700, parents=True)
        self._write(key)
        return key

    def get(self, key_id: bytes, for_whom: Path) -> DataKey:
        """The key with this id.

        Args:
            key_id: of the key.
            for_whom: what it encrypts, for the error.

        Raises:
            VaultError: it was deleted, or its master key is not there.
        """
        path = self.path_of(key_id)
        try:
            wrapped = _decode_wrapped(path.read_bytes())
        except FileNotFoundError:
            why = (
                f"its key {path} does not exist: who deleted that has deleted this, unless it lies elsewhere"
            )
            raise VaultError(for_whom, f"{why} ([encryption] directory)", is_gone=True) from None
        except msgspec.DecodeError as error:
            raise VaultError(for_whom, f"its key {path} is damaged") from error
        master = self._masters.get(wrapped.master)
        if master is None:
            raise VaultError(for_whom, self._why_locked(wrapped.master))
        try:
            about = _ABOUT + key_id + wrapped.master.encode()
            return DataKey(key_id, AESGCM(master.secret).decrypt(wrapped.nonce, wrapped.wrapped, about))
        except (InvalidTag, ValueError) as error:
            raise VaultError(for_whom, f"its key {path} is damaged") from error

    def has(self, key_id: bytes) -> bool:
        """Whether there is such a key, whoever can open it."""
        return self.path_of(key_id).exists()

    def destroy(self, key_id: bytes) -> bool:
        """Delete a key, for good when this returns; whether there was one."""
        path = self.path_of(key_id)
        try:
            # Some disks write over what was there. Where they do not, it was wrapped.
            with path.open("r+b") as file:
                file.write(os.urandom(os.fstat(file.fileno()).st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        except FileNotFoundError:
            return False
        _sync(self.path)
        return True

    def rewrap(self) -> tuple[int, int]:
        """Wrap by the first master key what another one wraps; how many that were, and how many cannot be opened."""
        done = locked = 0
        for wrapped in self._all():
            if self._masters and wrapped.master != next(iter(self._masters)):
                try:
                    self._write(self.get(bytes.fromhex(wrapped.id), self.path))
                    done += 1
                except VaultError:
                    locked += 1
        return done, locked

    def masters_in_use(self) -> dict[str, int]:
        """By id, how many keys each master key wraps."""
        count: dict[str, int] = {}
        for wrapped in self._all():
            count[wrapped.master] = count.get(wrapped.master, 0) + 1
        return count

    def path_of(self, key_id: bytes) -> Path:
        """Of a key, whether it is there or not."""
        return self.path / f"{key_id.hex()}{SUFFIX}"

    def _all(self) -> Iterator[_Wrapped]:
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                yield _decode_wrapped(path.read_bytes())

    def _write(self, key: DataKey) -> None:
        master = next(iter(self._masters.values()))
        nonce = os.urandom(NONCE_BYTES)
        about = _ABOUT + key.id + master.id.encode()
        sealed = AESGCM(master.secret).encrypt(nonce, key.secret, about)
        path = self.path_of(key.id)
        beside = path.with_name(f".{path.name}{_NEW}")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as writer:
            writer.write(msgspec.json.encode(_Wrapped(_VERSION, key.id.hex(), master.id, nonce, sealed)))
            writer.flush()
            os.fsync(writer.fileno())
        beside.replace(path)
        _sync(self.path)

    def _why_locked(self, master: str) -> str:
        given = ", ".join(self._masters) or "none"
        return (
            f"it is encrypted, and the master key {master} that opens it is not given (given: {given}): set "
            "[encryption] key_file or RTMS_ENGINE__ENCRYPTION__KEY_FILE"
        )


def _sync(directory: Path) -> None:
    """Make the names in a directory last, also if the power fails."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
