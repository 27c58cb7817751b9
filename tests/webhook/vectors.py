"""The test vectors of V1.md §1.3, §1.4, and deliveries signed as Zoom signs them."""

import hashlib
import hmac
import json
from typing import Any

SECRET_TOKEN = "DyBoLm8OZoJT2Pi3-kY2px"
TIMESTAMP = "1626230692"
NOW_S = 1626230692.0
BODY = (
    b'{"event":"meeting.rtms_started","event_ts":1626230691572,"payload":{"meeting_uuid":'
    b'"4444AAAiAAAAAiAiAiiAii==","operator_id":"30R7kT7bTIKSNUFEuH_Qlg","rtms_stream_id":'
    b'"609340fb2a7946909659956c8aa9250c","server_urls":"wss://127.0.0.1:443"}}'
)
SIGNATURE = "v0=7d168a32aa1ea1e652f8cc5ad6b84373a45d57f22325aeb9b93cbabcbe9ee43c"

PLAIN_TOKEN = "qgg8vlvZRS6UYooatFL8Aw"
ENCRYPTED_TOKEN = "8ecc7afd608f0efe9070c4339b3e01da680e8d41f27cf1fb0218cb2733528357"

MEETING_UUID = "4444AAAiAAAAAiAiAiiAii=="
STREAM_ID = "609340fb2a7946909659956c8aa9250c"


def body_of(event: str, payload: Any, **envelope: Any) -> bytes:
    """A webhook's body."""
    return json.dumps({"event": event, "event_ts": 1626230691572, "payload": payload, **envelope}).encode()


def headers_for(body: bytes, secret_token: str = SECRET_TOKEN, timestamp: str = TIMESTAMP) -> dict[str, str]:
    """The headers with which Zoom would deliver it (written down once more, from V1.md §1.3)."""
    message = f"v0:{timestamp}:".encode() + body
    signature = hmac.new(secret_token.encode(), message, hashlib.sha256).hexdigest()
    return {"x-zm-request-timestamp": timestamp, "x-zm-signature": f"v0={signature}"}
