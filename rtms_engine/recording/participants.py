"""Who was there, from when to when, and who was heard."""

from typing import Final

import msgspec

from ..model.events import ParticipantJoined, ParticipantLeft
from ..model.frames import Speaker

_UNNOTICED_MS: Final = 60_000
"""How long Zoom may take to notice that somebody's connection is lost, while they are back already."""


class Attendance(msgspec.Struct):
    """One participant of the stream. Times are Unix milliseconds."""

    user_id: int
    channel_id: str = ""
    name: str = ""
    joined_ms: int | None = None
    """None for somebody of whom only media came."""
    left_ms: int | None = None
    """None while the participant is there."""
    spoke: bool = False


class Presence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of time in which somebody was there, under one number. Times are Unix milliseconds."""

    user_id: int
    channel_id: str = ""
    joined_ms: int | None = None
    """None for somebody of whom only media came."""
    left_ms: int | None = None
    """None if nobody said that they left."""


class Person(msgspec.Struct):
    """Somebody, as ``participants.json`` has them: who rejoins gets a new number, and is the same person."""

    name: str
    spoke: bool
    user_ids: list[int]
    """In the order in which they came; each has tracks of its own."""
    presences: list[Presence]


class Participants:
    """Everybody who was noticed in the stream, in that order."""

    def __init__(self) -> None:
        self._noticed: dict[tuple[int, str], Attendance] = {}
        self._before: dict[int, list[Presence]] = {}
        """What is over of those who came again under the same number."""
        self._since: dict[int, int] = {}
        """When they came again, in Unix milliseconds."""

    def hear(self, event: ParticipantJoined | ParticipantLeft) -> None:
        """Somebody came or went. Who comes again under the same number has never left."""
        attendance = self._of(event.participant.user_id, "", event.participant.name)
        if isinstance(event, ParticipantLeft):
            attendance.left_ms = event.timestamp_ms
        else:
            if attendance.left_ms is not None:
                self._go_on(attendance, event.timestamp_ms)
            attendance.left_ms = None
            if attendance.joined_ms is None:
                attendance.joined_ms = event.timestamp_ms

    def notice(self, speaker: Speaker, *, speaking: bool) -> None:
        """Something of somebody's came; nothing happens if nobody knows whose it is."""
        if speaker.user_id or speaker.channel_id:
            attendance = self._of(speaker.user_id, speaker.channel_id, speaker.name)
            attendance.spoke = attendance.spoke or speaking

    def name_of(self, speaker: Speaker) -> str:
        """The name on the frame, or the one that became known otherwise; empty if none did."""
        known = self._noticed.get((speaker.user_id, speaker.channel_id))
        return speaker.name or (known.name if known else "")

    def everybody(self) -> list[Attendance]:
        """All of them as they are known now."""
        return list(self._noticed.values())

    def persons(self) -> list[Person]:
        """The same people, where a new number continues somebody who had left.

        That is so if the name is the same, and nobody of that name was there under another number at
        the same time, but for the moments in which a lost connection was not noticed yet.
        """
        persons: list[Person] = []
        open_by_name: dict[str, list[Person]] = {}
        for attendance in self._noticed.values():
            presences = self._presences_of(attendance)
            namesakes = open_by_name.setdefault(attendance.name, [])
            person = next((known for known in namesakes if _continues(presences[0], known)), None)
            if person is None:
                person = Person(attendance.name, attendance.spoke, [], [])
                persons.append(person)
                namesakes += [person] if attendance.name else []
            person.spoke = person.spoke or attendance.spoke
            if attendance.user_id:
                person.user_ids.append(attendance.user_id)
            person.presences += presences
        return persons

    def _presences_of(self, attendance: Attendance) -> list[Presence]:
        before = self._before.get(attendance.user_id, []) if not attendance.channel_id else []
        since_ms = self._since.get(attendance.user_id, attendance.joined_ms)
        return [*before, Presence(attendance.user_id, attendance.channel_id, since_ms, attendance.left_ms)]

    def _go_on(self, attendance: Attendance, again_ms: int) -> None:
        """Close the stretch that is over, and begin another."""
        since_ms = self._since.get(attendance.user_id, attendance.joined_ms)
        over = Presence(attendance.user_id, "", since_ms, attendance.left_ms)
        self._before.setdefault(attendance.user_id, []).append(over)
        self._since[attendance.user_id] = again_ms

    def _of(self, user_id: int, channel_id: str, name: str) -> Attendance:
        attendance = self._noticed.setdefault((user_id, channel_id), Attendance(user_id, channel_id))
        attendance.name = name or attendance.name
        return attendance


def _continues(presence: Presence, person: Person) -> bool:
    """Whether somebody of the same name may have come again."""
    last = person.presences[-1]
    if presence.joined_ms is None or last.left_ms is None:
        return False
    return presence.joined_ms >= last.left_ms - _UNNOTICED_MS
