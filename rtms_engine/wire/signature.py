"""The two signatures of RTMS: of handshakes (V1.md §2) and of webhooks (V1.md §1.3, §1.4)."""

import hashlib
import hmac


def _hmac_hex(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def handshake_signature(client_id: str, client_secret: str, entity_id: str, stream_id: str) -> str:
    """Sign the handshakes of a stream; the same value serves signaling and every media socket."""
    return _hmac_hex(client_secret, f"{client_id},{entity_id},{stream_id}".encode())


def webhook_signature(secret_token: str, timestamp: str, body: bytes) -> str:
    """The ``x-zm-signature`` of a webhook: over the header's timestamp, verbatim, and the raw body."""
    return "v0=" + _hmac_hex(secret_token, b"v0:" + timestamp.encode() + b":" + body)


def encrypted_token(secret_token: str, plain_token: str) -> str:
    """The answer to ``endpoint.url_validation``."""
    return _hmac_hex(secret_token, plain_token.encode())
