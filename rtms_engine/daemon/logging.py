"""What the engine says while it runs: one line per event, to the standard error.

Modules of the engine log events with `structlog`; the libraries below (aiohttp, websockets, asyncio)
log with the standard library, and are let through from WARNING on. Whoever works on a stream binds
``stream_id``, ``meeting``, ``product`` and ``leg`` with `structlog.contextvars`.

Secrets, and what people in a meeting say or are called, are never written: keys that may hold them
are redacted here, whatever the call says.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "***"

_CREDENTIALS = ("secret", "signature", "token", "authorization", "passphrase", "password", "credential")
"""Redacted wherever it is a part of the key."""
_CONTENT = frozenset(
    {"data", "text", "content", "payload", "body", "raw", "message"}
    | {"name", "user_name", "display_name", "speaker", "participant", "email"}
)
"""Redacted as a whole key."""


def is_sensitive(key: str) -> bool:
    """Whether the value of this key must not be shown."""
    key = key.lower()
    return key in _CONTENT or any(part in key for part in _CREDENTIALS)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that hides the values of sensitive keys, however deep they lie."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if is_sensitive(key):
        return REDACTED
    match value:
        case Mapping():
            return {inner: _redacted(str(inner), part) for inner, part in value.items()}
        case list() | tuple():
            return [_redacted("", part) for part in value]
        case bytes():
            return f"<{len(value)} bytes>"
        case _:
            return value


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    style: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Set up logging for the process.

    Args:
        level: the least that is written.
        style: ``console`` for people, ``json`` for machines, an object a line.
        stream: where to; None: the standard error.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    render = _renderers(style, colors=stream.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, _dropping_below(number), *render],
        # What is not written may still be part of a stream's story (`rtms_engine.telemetry.story`).
        wrapper_class=structlog.make_filtering_bound_logger(min(number, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _route_libraries(max(number, logging.WARNING), shared, render, stream)


def _dropping_below(number: int) -> Processor:
    def drop(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if logging.getLevelNamesMapping()[event["level"].upper()] < number:
            raise structlog.DropEvent
        return event

    return drop


def _renderers(style: str, *, colors: bool) -> list[Processor]:
    # Plain tracebacks: the richer ones show local variables, and with them secrets and content.
    if style == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def _route_libraries(level: int, shared: list[Processor], render: list[Processor], stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
