"""What a webhook says, once verified and understood (V1.md §1)."""

import msgspec

from .ids import StreamId
from .products import Product


class StreamStarted(msgspec.Struct, frozen=True):
    """``*.rtms_started``: a stream begins, or moves to other servers (V1.md §1.9.1, §8.2)."""

    app: str
    """Name of the app whose secret token verified the webhook."""
    product: Product
    entity_id: str
    """The id that the RTMS signature covers: meeting UUID, session id, engagement id …"""
    stream_id: StreamId
    server_urls: tuple[str, ...]
    """Signaling URLs, at least one; the first is used."""
    event_ts_ms: int
    meeting_id: str = ""
    """The number people dial, where Zoom sends it."""
    account_id: str = ""
    operator_id: str = ""
    """Zoom user id of the user whose app started the stream."""
    is_original_host: bool | None = None
    session_key: str = ""
    signature: str = ""
    """Of the handshakes, where somebody else holds the client secret; empty: the engine makes it."""


class StreamInterrupted(msgspec.Struct, frozen=True):
    """``*.rtms_interrupted``: Zoom lost our signaling connection (V1.md §8.3)."""

    app: str
    product: Product
    entity_id: str
    stream_id: StreamId
    event_ts_ms: int
    server_urls: tuple[str, ...] = ()
    """Empty unless Zoom sends new ones; then the known ones hold."""


class StreamStopped(msgspec.Struct, frozen=True):
    """``*.rtms_stopped``: the stream is over (V1.md §1.9.2)."""

    app: str
    product: Product
    entity_id: str
    """May be empty: streams are looked up by ``stream_id``."""
    stream_id: StreamId
    event_ts_ms: int
    stop_reason: int = 0
    """V1.md §9.5; 0 if Zoom did not say."""


class ConcurrencyNearLimit(msgspec.Struct, frozen=True):
    """``rtms.concurrency_near_limit``: more than 80 % of the account's streams are in use."""

    app: str
    event_ts_ms: int
    limit: int
    number: int
    percentage: int


class ConcurrencyLimited(msgspec.Struct, frozen=True):
    """``rtms.concurrency_limited``: a stream could not start, the account has no more."""

    app: str
    event_ts_ms: int
    number: int
    entity_id: str
    operator_id: str = ""


class StartFailed(msgspec.Struct, frozen=True):
    """``rtms.start_failed``; Zoom has not published its payload (V1.md §1.9.5)."""

    app: str
    event_ts_ms: int
    reason: str


class AppDeauthorized(msgspec.Struct, frozen=True):
    """``app_deauthorized``: the app was removed from an account, and what it has stored of it must go."""

    app: str
    event_ts_ms: int
    account_id: str
    user_id: str = ""
    """Who removed it."""


class UrlValidation(msgspec.Struct, frozen=True):
    """``endpoint.url_validation``: to be answered in the same response (V1.md §1.4)."""

    plain_token: str


class Ignored(msgspec.Struct, frozen=True):
    """An event that is acknowledged, counted, and otherwise left alone."""

    event: str
    why: str


class Unusable(msgspec.Struct, frozen=True):
    """An event of RTMS that lacks what is needed to act on it: acknowledged, and logged as an error."""

    app: str
    event: str
    why: str
    """What is missing."""


StreamSignal = StreamStarted | StreamInterrupted | StreamStopped
"""A signal about one stream."""
AccountSignal = ConcurrencyNearLimit | ConcurrencyLimited | StartFailed | AppDeauthorized
"""A signal about the account or the app."""
Signal = StreamSignal | AccountSignal | UrlValidation | Ignored | Unusable
