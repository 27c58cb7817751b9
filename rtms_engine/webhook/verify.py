"""Who signed a webhook (V1.md §1.3). Pure; it sees the raw bytes, before anybody has parsed them.

Everything fails closed: without a secret, a header, a readable timestamp, a delivery is refused.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import WebhookRejected
from ..wire.signature import webhook_signature

TOLERANCE_S = 300
"""How far the timestamp may be from our clock, either way; Zoom's samples choose the same."""

LATE_S = 90 * 60
"""How old a timestamp may be for what must not be lost by coming late: Zoom's last retry is made 85
minutes after the first attempt (V1.md §1.5), and losing a revocation is worse than a replayed stop."""

STALE = "timestamp out of tolerance"
_LONGEST_TIMESTAMP = 15


class Signed(NamedTuple):
    """Who signed a delivery."""

    app: str
    secret_token: str
    is_late: bool
    """Its timestamp is older than `TOLERANCE_S`, and not older than `LATE_S`."""


def verify(
    secret_tokens: Iterable[str],
    timestamp_header: str | None,
    signature_header: str | None,
    body: bytes,
    now_s: float,
    *,
    tolerance_s: float = TOLERANCE_S,
    oldest_s: float | None = None,
) -> str:
    """Check a delivery against every secret token that may have signed it.

    Args:
        secret_tokens: of the app; two while one replaces the other. Empty ones sign nothing.
        timestamp_header: ``x-zm-request-timestamp``, Unix seconds as Zoom wrote them.
        signature_header: ``x-zm-signature``.
        body: the request's body, untouched.
        now_s: Unix seconds.
        tolerance_s: how old or how far ahead the timestamp may be, in seconds.
        oldest_s: how old it may be, in seconds, if that is not ``tolerance_s``.

    Returns:
        The secret token that signed it.

    Raises:
        WebhookRejected: with status 401.
    """
    if not timestamp_header or not signature_header:
        raise WebhookRejected(401, "unsigned")
    if not _is_number(timestamp_header) or not signature_header.isascii():
        raise WebhookRejected(401, "signature headers unreadable")
    if not -tolerance_s <= now_s - int(timestamp_header) <= (tolerance_s if oldest_s is None else oldest_s):
        raise WebhookRejected(401, STALE)
    signed = [
        token
        for token in secret_tokens
        if token and hmac.compare_digest(webhook_signature(token, timestamp_header, body), signature_header)
    ]
    if not signed:
        raise WebhookRejected(401, "signature does not match")
    return signed[0]


def signing_app(
    apps: Mapping[str, Sequence[str]],
    timestamp_header: str | None,
    signature_header: str | None,
    body: bytes,
    now_s: float,
) -> Signed:
    """The app that a delivery belongs to: the one whose secret token verifies it.

    Args:
        apps: secret tokens by the name of their app; no two apps share one.
        timestamp_header: as for `verify`; it may be up to `LATE_S` old, for the caller to judge.
        signature_header: as for `verify`.
        body: as for `verify`.
        now_s: as for `verify`.

    Raises:
        WebhookRejected: with status 401, if no app's does.
    """
    app_of = {token: app for app, tokens in apps.items() for token in tokens}
    token = verify(app_of, timestamp_header, signature_header, body, now_s, oldest_s=LATE_S)
    is_late = now_s - int(timestamp_header or 0) > TOLERANCE_S
    return Signed(app_of[token], token, is_late)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_TIMESTAMP
