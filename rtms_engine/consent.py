"""The hook ``before_media``: a function or an HTTP address that is asked before any media are received."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import msgspec

from .errors import ConfigError
from .outbound.addresses import reach_of
from .outbound.connector import guarded_session
from .sinks.base import StreamInfo
from .stream.consent import Answer, Ask, NoAnswerError

LARGEST_ANSWER = 64 * 1024
"""Bytes."""
_OK = 200
_decode_answer = msgspec.json.Decoder(Answer).decode


def facts(stream: StreamInfo) -> dict[str, Any]:
    """What is asked about: ids, and what would be received."""
    return {
        "rtms_stream_id": stream.stream_id,
        "app": stream.app,
        "product": stream.product.name,
        "entity_id": stream.entity_id,
        "meeting_id": stream.meeting_id,
        "account_id": stream.account_id,
        "operator_id": stream.operator_id,
        "started_ms": stream.started_ms,
        "kinds": sorted(stream.kinds),
        "resumed": stream.resumed,
    }


def hook(url: str, function: str, *, allow_private: bool, timeout_s: float) -> Ask | None:
    """Whom to ask; None if neither is given. Raises ConfigError."""
    if url and function:
        raise ConfigError(["consent: give url or function, not both"])
    if url:
        return _http(url, allow_private=allow_private, timeout_s=timeout_s)
    return _function(function) if function else None


def _http(url: str, *, allow_private: bool, timeout_s: float) -> Ask:
    try:
        reach = reach_of(url, allow_private=allow_private)
    except ValueError as error:
        raise ConfigError([f"consent.{error}"]) from error

    async def ask(stream: StreamInfo) -> Answer:
        try:
            async with (
                guarded_session(reach, timeout_s) as session,
                session.post(url, json=facts(stream), allow_redirects=False) as response,
            ):
                if response.status != _OK:
                    raise NoAnswerError(f"the hook answered with HTTP {response.status}")
                body = await response.content.read(LARGEST_ANSWER)
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(f"the hook cannot be asked: {type(error).__name__}") from error
        return read_answer(body)

    return ask


def read_answer(body: bytes) -> Answer:
    """What the hook said. Raises NoAnswerError."""
    try:
        return _decode_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoAnswerError('the hook\'s answer is not {"allow": true} or {"allow": false}') from error


def _function(path: str) -> Ask:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError([f'consent.function: there is no {path!r}; write "module:function"']) from error
    call = cast(Callable[[dict[str, Any]], Any], found)

    async def ask(stream: StreamInfo) -> Answer:
        said = call(facts(stream))
        if inspect.isawaitable(said):
            said = await said
        try:
            return msgspec.convert({"allow": said} if isinstance(said, bool) else said, Answer)
        except msgspec.ValidationError as error:
            raise NoAnswerError("the hook's answer is neither a bool nor has it a bool allow") from error

    return ask
