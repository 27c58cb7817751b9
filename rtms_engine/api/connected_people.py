"""Who was in a recorded meeting, and what they did, in Recall.ai's shapes: beside `direct_connect`.

Theirs are ``{id, name, is_host, platform, extra_data, email}`` and ``{participant, action, timestamp: {relative,
absolute}}`` (docs.recall.ai, participant events).
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..model.ids import StreamId
from ..model.products import MEETING
from ..recording import manifest
from ..recording.folder import Folder
from ..recording.library import Library, Recorded
from ..recording.log import events_in
from ..recording.manifest import Manifest
from ..recording.video import PictureSourceChanged
from ..sinks.base import StreamInfo
from ..sinks.recall import RecallEvents, participant
from .operation import Call, Operation
from .problem import Refused, not_found
from .recordings import LinkQuery, Roots, chosen, locked

_EVENT = "participant_events."


class ConnectedParticipant(msgspec.Struct, frozen=True):
    """Somebody, as Recall has them. Zoom's RTMS says neither who is host nor anybody's address."""

    id: int
    name: str | None
    is_host: bool | None
    platform: str
    extra_data: dict[str, Any]
    email: str | None


class RecallTime(msgspec.Struct, frozen=True):
    """A time."""

    relative: float
    """Seconds since the recording began."""
    absolute: str | None
    """ISO 8601."""


class ParticipantAction(msgspec.Struct, frozen=True):
    """Somebody did something."""

    participant: ConnectedParticipant
    action: str
    """``join``, ``leave``, ``speech_on``, ``speech_off``, ``webcam_on`` …"""
    timestamp: RecallTime
    data: Any = None


class ConnectedPeople:
    """The operations.

    Args:
        library: the index of recordings.
        roots: where they lie.
    """

    def __init__(self, library: Library, roots: Roots) -> None:
        self._library = library
        self._roots = roots

    def operations(self) -> list[Operation]:
        """The rows."""
        one = "/api/v1/meeting_direct_connect/{id}"
        return [
            Operation(
                "GET",
                f"{one}/participants",
                "getConnectedParticipants",
                "Who was in a recorded meeting, in Recall's shape.",
                self._participants,
                by_link=True,
                query=LinkQuery,
                answer=list[ConnectedParticipant],
                problems=(404, 410),
            ),
            Operation(
                "GET",
                f"{one}/participant_events",
                "getConnectedEvents",
                "What the people in a recorded meeting did, in Recall's shape.",
                self._events,
                by_link=True,
                query=LinkQuery,
                answer=list[ParticipantAction],
                problems=(404, 410),
            ),
        ]

    async def _participants(self, call: Call) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._people_of, call)

    async def _events(self, call: Call) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._actions_of, call)

    def _people_of(self, call: Call) -> list[dict[str, Any]]:
        _, described = self._found(call)
        return [participant(one.user_id, one.name) for one in described.participants]

    def _actions_of(self, call: Call) -> list[dict[str, Any]]:
        one, described = self._found(call)
        try:
            return list(actions(one.folder, described))
        except OSError as error:
            raise locked(error) from error

    def _found(self, call: Call) -> tuple[Recorded, Manifest]:
        parts = self._library.of_stream(self._roots(), call.path["id"])
        _, one = chosen(parts, call.query.part)
        if one.card.state == "deleted":
            raise Refused.of(410, "The recording was deleted.", "What is left is in its manifest.")
        try:
            described = manifest.load(one.folder)
        except OSError as error:
            raise locked(error) from error
        if described is None:
            raise not_found("manifest that can be read")
        return one, described


def actions(folder: Path, described: Manifest) -> Iterator[dict[str, Any]]:
    """What the people did, in order. Blocks; raises OSError."""
    stream = StreamInfo(
        StreamId(described.rtms_stream_id), described.app, MEETING, described.entity_id, described.t0_ms
    )
    told = RecallEvents(stream, "")
    for event in events_in(Folder(folder)):
        for one in () if isinstance(event, PictureSourceChanged) else told.of(event):
            if one.name.startswith(_EVENT):
                said = one.document["data"]["data"]
                yield {
                    "participant": said["participant"],
                    "action": one.name.removeprefix(_EVENT),
                    "timestamp": said["timestamp"],
                    "data": said.get("data"),
                }
