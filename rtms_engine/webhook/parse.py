"""What a webhook's body says (V1.md §1.2, §1.7 to §1.10). Pure.

Tolerant in what Zoom's pages and samples disagree about: fields lie in ``payload`` or in
``payload.object``; names are spelled ``.rtms_`` or ``.rtms.``; integers come as text; ``null`` is
the same as absent. An event that is not known is `Ignored`; one of RTMS that does not say enough to
act on is `Unusable`, because a stream may be lost by it.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from ..errors import WebhookRejected
from ..model.ids import StreamId
from ..model.products import ID_FIELDS, Product, product_of_prefix
from ..model.reasons import StopReason
from ..model.signals import (
    AppDeauthorized,
    ConcurrencyLimited,
    ConcurrencyNearLimit,
    Ignored,
    Signal,
    StartFailed,
    StreamInterrupted,
    StreamStarted,
    StreamStopped,
    Unusable,
    UrlValidation,
)
from ..wire.server_urls import url_list

_Fields: TypeAlias = dict[str, Any]

_DEEPEST = 16
"""Levels of nesting that are read; Zoom's own payloads have four."""
_LARGEST = 2**53
_FIRST_MS = 10**11
"""A smaller ``event_ts`` is in seconds (V1.md Appendix C)."""
_LONGEST_NOTE = 200
_LONGEST_NUMBER = 19
"""Digits; it has 64 bits."""


def parse(body: bytes, app: str, received_ms: int) -> Signal:
    """Read the verified body of a webhook.

    Args:
        body: as it came, JSON in UTF-8.
        app: name of the app whose secret token verified it.
        received_ms: Unix milliseconds; stands in where ``event_ts`` is absent or unreadable.

    Raises:
        WebhookRejected: with status 400, if it is not JSON or not shaped as a webhook.
    """
    envelope = _decode(body)
    event = envelope.get("event")
    if not isinstance(event, str):
        return _without_event(envelope)
    read = _reader(event.replace(".rtms.", ".rtms_"))
    if read is None:
        return Ignored(_short(event), "not an event of RTMS that this version knows")
    fields = _fields(envelope)
    try:
        return read(fields, app, _event_ts_ms(envelope, received_ms))
    except _IncompleteError as missing:
        return Unusable(app, _short(event), f"missing: {missing}")


class _IncompleteError(Exception):
    """Fields without which nothing can be done; their names are the message."""


def _decode(body: bytes) -> _Fields:
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookRejected(400, "not JSON") from error
    if not isinstance(envelope, dict):
        raise WebhookRejected(400, "not a JSON object")
    if not _shallow(envelope, _DEEPEST):
        raise WebhookRejected(400, "nested too deeply")
    return envelope


def _shallow(value: Any, levels: int) -> bool:
    match value:
        case dict():
            children = list(value.values())
        case list():
            children = value
        case _:
            return True
    return levels > 0 and all(_shallow(child, levels - 1) for child in children)


def _without_event(envelope: _Fields) -> Ignored:
    if "event_code" in envelope:
        return Ignored(f"event_code {_short(envelope['event_code'])}", "an event of protocol V2")
    raise WebhookRejected(400, "event is missing")


def _fields(envelope: _Fields) -> _Fields:
    """The payload's fields; those of ``payload`` go before those of ``payload.object`` (V1.md §1.7)."""
    payload = envelope.get("payload")
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise WebhookRejected(400, "payload is not an object")
    nested = payload.get("object")
    return (_present(nested) if isinstance(nested, dict) else {}) | _present(payload)


def _present(table: _Fields) -> _Fields:
    return {key: value for key, value in table.items() if value not in (None, "")}


# --- single fields ---


def _text(value: Any) -> str:
    """An id, verbatim: never trimmed or re-encoded (V1.md §11, trap 11). Numbers become text."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _short(value: Any) -> str:
    return _text(value)[:_LONGEST_NOTE]


def _count(value: Any) -> int:
    """A non-negative integer, perhaps as text; 0 if it is neither."""
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else 0


def _event_ts_ms(envelope: _Fields, received_ms: int) -> int:
    event_ts = _count(envelope.get("event_ts"))
    if not 0 < event_ts < _LARGEST:
        return received_ms
    return event_ts * 1000 if event_ts < _FIRST_MS else event_ts


def _entity_id(fields: _Fields) -> str:
    return next((found for field in ID_FIELDS if (found := _text(fields.get(field)))), "")


def _stream_id(fields: _Fields) -> StreamId:
    return StreamId(_text(fields.get("rtms_stream_id")))


def _urls(fields: _Fields) -> tuple[str, ...]:
    urls = url_list(fields.get("server_urls"))
    return tuple(url for url in urls if url.lower().startswith(("wss://", "ws://")))


def _stop_reason(value: Any) -> int:
    named = StopReason.named(value) if isinstance(value, str) else None
    return _count(value) if named is None else int(named)


def _need(values: dict[str, object]) -> None:
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise _IncompleteError(", ".join(missing))


# --- events ---

_Reader: TypeAlias = Callable[[_Fields, str, int], Signal]
_StreamReader: TypeAlias = Callable[[Product, _Fields, str, int], Signal]


def _started(product: Product, fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    entity_id, stream_id, urls = _entity_id(fields), _stream_id(fields), _urls(fields)
    _need({product.id_field: entity_id, "rtms_stream_id": stream_id, "a wss:// URL in server_urls": urls})
    original_host = fields.get("is_original_host")
    return StreamStarted(
        app=app,
        product=product,
        entity_id=entity_id,
        stream_id=stream_id,
        server_urls=urls,
        event_ts_ms=event_ts_ms,
        meeting_id=_text(fields.get("meeting_id")) or _text(fields.get("webinar_id")),
        account_id=_text(fields.get("account_id")),
        operator_id=_text(fields.get("operator_id")),
        is_original_host=original_host if isinstance(original_host, bool) else None,
        session_key=_text(fields.get("session_key")),
    )


def _interrupted(product: Product, fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    stream_id = _stream_id(fields)
    _need({"rtms_stream_id": stream_id})
    return StreamInterrupted(app, product, _entity_id(fields), stream_id, event_ts_ms, _urls(fields))


def _stopped(product: Product, fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    stream_id = _stream_id(fields)
    _need({"rtms_stream_id": stream_id})
    stop_reason = _stop_reason(fields.get("stop_reason"))
    return StreamStopped(app, product, _entity_id(fields), stream_id, event_ts_ms, stop_reason)


def _near_limit(fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    return ConcurrencyNearLimit(
        app,
        event_ts_ms,
        limit=_count(fields.get("concurrency_limit")),
        number=_count(fields.get("concurrency_number")),
        percentage=_count(fields.get("percentage")),
    )


def _limited(fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    id_field = fields.get("id_field")
    return ConcurrencyLimited(
        app,
        event_ts_ms,
        number=_count(fields.get("concurrency_number")),
        entity_id=_entity_id(id_field if isinstance(id_field, dict) else fields),
        operator_id=_text(fields.get("operator_id")),
    )


def _start_failed(fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    reasons = (_short(fields.get(key)) for key in ("reason", "error_message", "message"))
    return StartFailed(app, event_ts_ms, next(filter(None, reasons), ""))


def _deauthorized(fields: _Fields, app: str, event_ts_ms: int) -> Signal:
    account_id = _text(fields.get("account_id"))
    _need({"account_id": account_id})
    return AppDeauthorized(app, event_ts_ms, account_id, _text(fields.get("user_id")))


def _url_validation(fields: _Fields, _app: str, _event_ts_ms: int) -> Signal:
    plain_token = _text(fields.get("plainToken"))
    if not plain_token:
        raise WebhookRejected(400, "plainToken is missing")
    return UrlValidation(plain_token)


_READERS: dict[str, _Reader] = {
    "app_deauthorized": _deauthorized,
    "endpoint.url_validation": _url_validation,
    "rtms.concurrency_near_limit": _near_limit,
    "rtms.concurrency_limited": _limited,
    "rtms.start_failed": _start_failed,
}
_STREAM_READERS: dict[str, _StreamReader] = {
    "started": _started,
    "interrupted": _interrupted,
    "stopped": _stopped,
}


def _reader(event: str) -> _Reader | None:
    prefix, _, verb = event.rpartition("rtms_")
    product = product_of_prefix(prefix)
    read = _STREAM_READERS.get(verb)
    if product is None or read is None:
        return _READERS.get(event)
    return lambda fields, app, event_ts_ms: read(product, fields, app, event_ts_ms)
