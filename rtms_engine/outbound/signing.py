"""Signatures of Standard Webhooks (the specification of standardwebhooks.com). Pure.

``webhook-signature`` holds one ``v1,{base64}`` for each secret, separated by spaces: HMAC-SHA256 of
``{webhook-id}.{webhook-timestamp}.{body}``. A receiver accepts the message if one of them is right, so
that a secret can be replaced without losing a message.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
TOLERANCE_S = 300
"""How old, or how far ahead, a message may be that is still accepted."""
_BYTES = range(24, 65)
"""How long a key may be, in bytes."""
_VERSION = "v1,"


def key_of(secret: str) -> bytes:
    """The key that a secret spells: Base64, usually behind ``whsec_``. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _BYTES:
        raise ValueError("a secret must be whsec_ and the Base64 of 24 to 64 random bytes")
    return key


def headers(keys: Sequence[bytes], message_id: str, sent_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message.

    Args:
        keys: of `key_of`; two while one replaces the other.
        message_id: the same for every try to deliver the message.
        sent_s: Unix seconds of this try.
        body: as it is sent.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_s),
        "webhook-signature": " ".join(_signature(key, message_id, str(sent_s), body) for key in keys),
    }


def verify(keys: Sequence[bytes], received: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether a received message is genuine and recent: for receivers.

    Args:
        keys: any of which may have signed it.
        received: its headers, with names in lower case.
        body: as it was received.
        now_s: Unix seconds.
    """
    message_id, sent = received.get("webhook-id", ""), received.get("webhook-timestamp", "")
    if not message_id or not sent.isascii() or not sent.isdigit() or abs(now_s - int(sent)) > TOLERANCE_S:
        return False
    given = received.get("webhook-signature", "").split()
    expected = [_signature(key, message_id, sent, body) for key in keys]
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected]
    return any(matches)


def _signature(key: bytes, message_id: str, sent: str, body: bytes) -> str:
    signed = b".".join([message_id.encode(), sent.encode(), body])
    return _VERSION + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
