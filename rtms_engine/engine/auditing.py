"""What the audit log says besides deletions: who was heard, who owns a stream, which configuration holds, who asked.

===================  ==========================================================================================
line                 about
===================  ==========================================================================================
webhook_accepted     app (whose secret token verified it), event, stream_id; ``is_new`` 0: the same again
webhooks_rejected    how many since the line before, at most one line a minute: anybody can post here
config_in_force      cause (start, reload), SHA-256 of it, the keys that are set, or that changed; no values
stream_owner         stream_id, app, worker (engine, processes), cause (announced, taken up)
stream_event         stream_id, event, what: it was placed in a process, moved, ended or refused
api_used             operation, stream_id, by (name of the token), status: what controls, deletes or shows media
api_denied           how many since the line before (401, 403, 429), at most one line a minute
===================  ==========================================================================================

Ids, causes and counts; no names of people, no content, no secrets.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ..audit.log import AuditLog
from ..audit.writer import AuditWriter
from ..config import Config
from ..config.digest import differing, digest, set_keys
from ..errors import WebhookRejected
from ..model.signals import AccountSignal, StreamSignal, StreamStarted
from ..telemetry.spoken import Spoken
from ..telemetry.story import Entry

REJECTIONS_S = 60.0
"""So often at most there is a line for webhooks that were rejected: some 400 KB a day, whoever posts what."""
STREAM_EVENTS = frozenset(
    {
        "StreamPlaced",
        "StreamMoved",
        "StreamGivenUp",
        "StreamRefused",
        "StreamFailed",
        "StreamEnded",
    }
)
"""Entries of a stream's story that say whose it is."""
_LONGEST = 4_000


class Auditing:
    """Writes while its ``async with`` block runs.

    Args:
        directory: of the state; None: nothing is written.
        unix_ms: the wall clock.
    """

    def __init__(self, directory: Path | None, unix_ms: Callable[[], int]) -> None:
        self._writer = AuditWriter(AuditLog(directory) if directory else None, unix_ms)
        self._rejected = Spoken(self._say_rejected, REJECTIONS_S)
        self._rejection = WebhookRejected(401, "")

    async def __aenter__(self) -> Self:
        await self._writer.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rejected.close()
        await self._writer.__aexit__(exc_type, exc, traceback)

    def note(self, action: str, about: Mapping[str, str | int]) -> None:
        """A line; it is on the disk a moment later."""
        self._writer.note(action, dict(about))

    async def write(self, action: str, about: Mapping[str, str | int]) -> None:
        """A line; it is on the disk when this returns, or could not be written, which is said in the log."""
        self.note(action, about)
        await self._writer.flush()

    def webhook_accepted(self, signal: StreamSignal | AccountSignal, *, is_new: bool) -> None:
        """It was signed by an app of ours, and taken."""
        about: dict[str, str | int] = {
            "app": signal.app,
            "event": type(signal).__name__,
            "is_new": int(is_new),
        }
        if stream_id := getattr(signal, "stream_id", ""):
            about["stream_id"] = stream_id
        self.note("webhook_accepted", about)

    def webhook_rejected(self, rejection: WebhookRejected) -> None:
        """It was not."""
        self._rejection = rejection
        self._rejected.note(asyncio.get_running_loop())

    def config_in_force(self, config: Config, before: Config | None = None) -> None:
        """At the start, or instead of another one."""
        keys = set_keys(config) if before is None else differing(before, config)
        self.note(
            "config_in_force",
            {
                "cause": "start" if before is None else "reload",
                "sha256": digest(config),
                "set" if before is None else "changed": ", ".join(keys)[:_LONGEST],
            },
        )

    def stream_owner(self, start: StreamStarted, worker: str, *, resumed: bool) -> None:
        """Somebody works on a stream from now on."""
        cause = "taken up" if resumed else "announced"
        about = {"stream_id": start.stream_id, "app": start.app, "worker": worker, "cause": cause}
        self.note("stream_owner", about)

    def hear(self, stream_id: str, entry: Entry) -> None:
        """A stream's story goes on."""
        if entry.event in STREAM_EVENTS:
            self.note("stream_event", {"stream_id": stream_id, "event": entry.event, "what": entry.text})

    def _say_rejected(self, count: int) -> None:
        status, reason = self._rejection.status, self._rejection.reason
        self.note("webhooks_rejected", {"count": count, "last_status": status, "last_reason": reason})
