"""The signatures of V1.md Appendix D."""

import pytest

from rtms_engine.wire.signature import encrypted_token, handshake_signature, webhook_signature

CLIENT_ID = "XkWfgHHASGOQC9b95AkIxB"
CLIENT_SECRET = "YZnKVUufg7N18Oej6gHHqNWc7CG5jQ6N"
SECRET_TOKEN = "DyBoLm8OZoJT2Pi3-kY2px"
BODY = (
    b'{"event":"meeting.rtms_started","event_ts":1626230691572,"payload":{"meeting_uuid":'
    b'"4444AAAiAAAAAiAiAiiAii==","operator_id":"30R7kT7bTIKSNUFEuH_Qlg","rtms_stream_id":'
    b'"609340fb2a7946909659956c8aa9250c","server_urls":"wss://127.0.0.1:443"}}'
)


@pytest.mark.parametrize(
    ("entity_id", "stream_id", "signature"),
    [
        (
            "TNhvT3WEBT6Srse3TgWRGr",
            "rtms_TN3WEBT6SrTgWRGr_001",
            "8da2206b6a3679c74cdc454b6c44d002ef5c717e899e9d830ef4a9546cd23daf",
        ),
        (
            "4444AAAiAAAAAiAiAiiAii==",
            "609340fb2a7946909659956c8aa9250c",
            "b627a9ebb3496d253cf8bbda4fe1ebc362fb8e085be5db1b61ec228a251a6210",
        ),
    ],
)
def test_handshake_signature(entity_id, stream_id, signature):
    """Commas without spaces, the id verbatim, lower-case hex."""
    assert handshake_signature(CLIENT_ID, CLIENT_SECRET, entity_id, stream_id) == signature


def test_encrypted_token():
    """The answer to a URL validation."""
    assert encrypted_token(SECRET_TOKEN, "qgg8vlvZRS6UYooatFL8Aw") == (
        "8ecc7afd608f0efe9070c4339b3e01da680e8d41f27cf1fb0218cb2733528357"
    )


def test_webhook_signature():
    """Over the raw body."""
    assert len(BODY) == 238
    assert webhook_signature(SECRET_TOKEN, "1626230692", BODY) == (
        "v0=7d168a32aa1ea1e652f8cc5ad6b84373a45d57f22325aeb9b93cbabcbe9ee43c"
    )
