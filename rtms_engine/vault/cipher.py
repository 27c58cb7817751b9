"""The key of one encrypted file: makes its records, and reads them. Pure. See `rtms_engine.vault.format`."""

import hashlib
import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .format import (
    CHECK_BYTES,
    FILE,
    HEAD,
    HEAD_BYTES,
    HEADER_BYTES,
    KEY_BYTES,
    MAGIC,
    NONCE_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    VERSION,
    Begin,
    Damaged,
    DataKey,
    Kind,
    Record,
    Tail,
)


class FileCipher:
    """The key of one file."""

    def __init__(self, data_key: bytes, begin: Begin) -> None:
        text = b"rtms-engine file %d " % VERSION
        derived = HKDF(SHA256(), 2 * KEY_BYTES, begin.salt, text + begin.key_id).derive(data_key)
        self._aead = AESGCM(derived[:KEY_BYTES])
        self._head_key = derived[KEY_BYTES:]
        self._begin = begin

    def header(self) -> bytes:
        """The beginning of a file."""
        start = FILE.pack(MAGIC, VERSION, 0, 0, self._begin.key_id, self._begin.salt)
        return start + self._check(start, TAG_BYTES)

    def begin(self, header: bytes) -> Tail:
        """The tail of a file that has nothing but its header. Raises Damaged if that is not what was written."""
        start, check = header[: FILE.size], header[FILE.size : HEADER_BYTES]
        if not hmac.compare_digest(self._check(start, TAG_BYTES), check):
            raise Damaged(0, "its header was changed")
        return Tail(HEADER_BYTES, check, 0, 0, is_final=False)

    def seal(
        self, tail: Tail, kind: Kind, offset: int, data: bytes | memoryview, size: int, nonce: bytes
    ) -> tuple[bytes, Tail]:
        """The bytes of the next record, and the tail behind it.

        Args:
            tail: of the file.
            kind: of the record.
            offset: where the data go.
            data: at most `RECORD_BYTES`.
            size: of the plain file from then on.
            nonce: never used before with this file.
        """
        start = HEAD.pack(kind, tail.sequence, len(data), offset, size, nonce)
        head = start + self._check(tail.tag + start, CHECK_BYTES)
        body = self._aead.encrypt(nonce, data, head)
        at = tail.at + HEAD_BYTES + len(body)
        return head + body, Tail(at, body[-TAG_BYTES:], tail.sequence + 1, size, kind is Kind.FINAL)

    def next_record(self, read: Callable[[int, int], bytes], tail: Tail, end: int) -> Record | None:
        """The record behind a tail; None if none, or only a part of one, is there.

        Args:
            read: so many bytes at an offset, of the file as it is on the disk.
            tail: where to look.
            end: of the file on the disk.

        Raises:
            Damaged: there is something else.
        """
        if end - tail.at < HEAD_BYTES:
            return None
        head = read(HEAD_BYTES, tail.at)
        start, check = head[: HEAD.size], head[HEAD.size :]
        if not hmac.compare_digest(self._check(tail.tag + start, CHECK_BYTES), check):
            if not any(head):
                return None  # the machine went down before its disk had what follows
            raise Damaged(tail.at, "a record was changed, left out or put there")
        number, sequence, length, offset, size, _ = HEAD.unpack(start)
        body_at = tail.at + HEAD_BYTES
        if end - body_at < length + TAG_BYTES:
            return None
        tag = read(TAG_BYTES, body_at + length)
        behind = Tail(body_at + length + TAG_BYTES, tag, sequence + 1, size, number == Kind.FINAL)
        return Record(tail.at, Kind(number), offset, length, behind)

    def open(self, at: int, raw: bytes) -> bytes:
        """The data of a whole record, of which its bytes are given. Raises Damaged if they were changed."""
        head = raw[:HEAD_BYTES]
        nonce = head[HEAD.size - NONCE_BYTES : HEAD.size]
        try:
            return self._aead.decrypt(nonce, raw[HEAD_BYTES:], head)
        except InvalidTag:
            raise Damaged(at, "a record was changed") from None

    def _check(self, data: bytes, size: int) -> bytes:
        return hashlib.blake2b(data, digest_size=size, key=self._head_key).digest()


_HIDDEN = b"rtms-engine hidden 1 "


def hide(key: DataKey, data: bytes, salt: bytes) -> bytes:
    """Encrypt some bytes that are no file: a salt, never used before, and what is encrypted."""
    return salt + _hiding(key, salt).encrypt(bytes(NONCE_BYTES), data, _HIDDEN)


def reveal(key: DataKey, hidden: bytes) -> bytes:
    """What `hide` was given. Raises Damaged."""
    salt = hidden[:SALT_BYTES]
    try:
        return _hiding(key, salt).decrypt(bytes(NONCE_BYTES), hidden[SALT_BYTES:], _HIDDEN)
    except InvalidTag:
        raise Damaged(0, "it is not what was encrypted") from None


def _hiding(key: DataKey, salt: bytes) -> AESGCM:
    """A key that is used once, so its nonce need not change."""
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, _HIDDEN + key.id).derive(key.secret))
