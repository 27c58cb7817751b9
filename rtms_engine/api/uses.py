"""Which uses of the API are written down in the audit log.

What steers and what deletes: each time, with its outcome, before the answer. What shows media or what is said
just now: once in a while for each viewer and stream, before anything is shown. Who is denied: counted, and said
once a minute, since anybody can knock.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

from ..telemetry.spoken import Spoken
from .operation import Call, Operation
from .problem import Problem
from .tokens import Scope

ACTING = frozenset({Scope.CONTROL, Scope.DELETE})
DENIALS = frozenset({401, 403, 429})
VIEW_S = 600.0
"""A dashboard asks for a picture every second: one line tells of ten minutes."""
DENIED_S = 60.0
_MOST_VIEWS = 10_000

About = Mapping[str, str | int]


class Book(Protocol):
    """Where lines go."""

    def note(self, action: str, about: About) -> None:
        """A line; it is on the disk a moment later."""

    async def write(self, action: str, about: About) -> None:
        """A line; it is on the disk when this returns."""


class Uses:
    """Writes them down. Close it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._seen_until: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._denied = Spoken(self._say_denied, DENIED_S)
        self._denial = (0, "", "")

    def close(self) -> None:
        """Say what has not been said."""
        self._denied.close()

    async def begins(self, operation: Operation, call: Call) -> None:
        """Somebody let in is about to be served."""
        if not operation.is_noted:
            return
        about = _about(operation, call)
        now, view = asyncio.get_running_loop().time(), (operation.name, about["stream_id"], about["by"])
        if now >= self._seen_until.get(view, now):
            self._seen_until[view] = now + VIEW_S
            self._seen_until.move_to_end(view)
            if len(self._seen_until) > _MOST_VIEWS:
                self._seen_until.popitem(last=False)
            await self._book.write("api_used", about)

    async def ended(self, operation: Operation, call: Call, status: int, stream_id: str = "") -> None:
        """They were; ``stream_id``: where the answer tells it."""
        if operation.scope in ACTING:
            about = _about(operation, call)
            what: About = {**about, "stream_id": about["stream_id"] or stream_id, "status": status}
            await self._book.write("api_used", what)

    def refused(self, problem: Problem, peer: str) -> None:
        """Somebody got an error."""
        if problem.status in DENIALS:
            self._denial = (problem.status, problem.detail, peer)
            self._denied.note(asyncio.get_running_loop())

    def _say_denied(self, count: int) -> None:
        status, reason, peer = self._denial
        about: About = {"count": count, "last_status": status, "last_reason": reason, "last_from": peer}
        self._book.note("api_denied", about)


def _about(operation: Operation, call: Call) -> dict[str, str]:
    stream_id = call.path.get("stream_id", "")
    return {"operation": operation.name, "stream_id": stream_id[:200], "by": call.token.name}
