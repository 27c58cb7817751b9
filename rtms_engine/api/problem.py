"""What went wrong with a request, and what to do (RFC 9457, ``application/problem+json``)."""

from http import HTTPStatus
from typing import Any, Self

import msgspec

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer from 400 on. It never repeats what was sent."""

    title: str
    """The status in words."""
    status: int
    detail: str
    """What is wrong with this request."""
    remedy: str = ""
    """What to do about it."""
    field: str = ""
    """Where in the request: ``query.limit``, ``body.server_urls``."""
    type: str = "about:blank"


class Refused(Exception):
    """Answer with a problem. Raised by handlers and by what stands before them."""

    def __init__(self, problem: Problem, **headers: str) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @classmethod
    def of(cls, status: int, detail: str, remedy: str = "", *, field: str = "", **headers: str) -> Self:
        """With the usual title of the status."""
        return cls(Problem(HTTPStatus(status).phrase, status, detail, remedy, field), **headers)


def misfit(error: msgspec.ValidationError, where: str) -> Refused:
    """What does not fit a type, without what was sent.

    Args:
        error: of msgspec, whose text ends with the place: ``Expected `int` - at `$.limit```.
        where: ``query`` or ``body``.
    """
    what, _, place = str(error).partition(" - at ")
    field = where + place.strip("`").removeprefix("$")
    return Refused.of(
        400, f"{_without_values(what)}.", "See /api/openapi.json for what is allowed.", field=field
    )


def not_found(what: str) -> Refused:
    """There is no such thing."""
    return Refused.of(404, f"There is no {what}.", "List what there is, and take an id from there.")


def _without_values(text: Any) -> str:
    """``Invalid enum value 'x'`` quotes what was sent."""
    head, quote, _ = str(text).partition(" '")
    return head if quote else str(text)
