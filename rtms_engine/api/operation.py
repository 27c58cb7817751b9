"""One operation of the API as a row: everything that the routes, the checks and the description need."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from aiohttp import web

from .problem import misfit
from .tokens import Scope, Token


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation that is told nothing in its query."""


class Call(msgspec.Struct, frozen=True):
    """One request, checked."""

    path: Mapping[str, str]
    """The variables of the path."""
    query: Any
    """Of the operation's ``query`` type."""
    body: Any
    """Of the operation's ``body`` type; None if it has none."""
    token: Token
    request: web.Request
    """For those that answer with more than a value."""


Handle = Callable[[Call], Awaitable[Any]]
"""Answers a call with a value of the operation's ``answer`` type, or a response of its own. Raises Refused."""


class Operation(msgspec.Struct, frozen=True):
    """What can be asked of the API."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """With its variables in braces: ``/api/v1/streams/{stream_id}``."""
    name: str
    """``operationId`` of the description."""
    summary: str
    """A sentence."""
    handle: Handle
    scope: Scope | None = Scope.READ
    """Needed to call it; None: anybody may who is let in at all."""
    is_open: bool = False
    """Whether it may be called by who is not let in at all: it has no content."""
    by_link: bool = False
    """Whether a link opens it too; see `links`."""
    is_noted: bool = False
    """Whether the audit log tells of it though it changes nothing: it shows what happens in a meeting."""
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    """The type of the body; None: there is none."""
    answer: Any = None
    """The type of the answer's body, or a tuple of those that it may have; None: it has none."""
    status: int = 200
    other_statuses: Mapping[int, str] = {}
    """Further statuses below 400, with what they mean."""
    aliases: tuple[str, ...] = ()
    """Other paths at which it is found too, and which nobody is told of."""
    also_head: bool = False
    """Whether HEAD is answered too, with the headers alone."""
    media_type: str = "application/json"
    media_types: tuple[str, ...] = ()
    """All that a response of its own may have, if it is not always the same."""
    problems: tuple[int, ...] = ()
    """Statuses from 400 on that it may answer with, besides those that all share."""
    description: str = ""


def read_query(operation: Operation, query: Mapping[str, str]) -> Any:
    """The query as its type. Raises Refused."""
    try:
        return msgspec.convert(dict(query), operation.query, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(error, "query") from error


def read_body(operation: Operation, body: bytes) -> Any:
    """The body as its type. Raises Refused."""
    if operation.body is None:
        return None
    try:
        try:
            return msgspec.json.decode(body, type=operation.body)
        except msgspec.ValidationError:
            return msgspec.convert(_with_integers(msgspec.json.decode(body)), operation.body)
    except msgspec.ValidationError as error:
        raise misfit(error, "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise misfit(msgspec.ValidationError("The body is not JSON"), "body") from error


def _with_integers(value: Any) -> Any:
    """``7.0`` is an integer to JSON Schema, by which the API describes itself."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _with_integers(one) for key, one in value.items()}
        case list():
            return [_with_integers(one) for one in value]
        case _:
            return value
