"""Who was there, from when to when, and who was heard."""

import msgspec

from ..model.events import ParticipantJoined, ParticipantLeft
from ..model.frames import Speaker


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


class Participants:
    """Everybody who was noticed in the stream, in that order."""

    def __init__(self) -> None:
        self._noticed: dict[tuple[int, str], Attendance] = {}

    def hear(self, event: ParticipantJoined | ParticipantLeft) -> None:
        """Somebody came or went. Who comes again under the same number has never left."""
        attendance = self._of(event.participant.user_id, "", event.participant.name)
        if isinstance(event, ParticipantLeft):
            attendance.left_ms = event.timestamp_ms
        else:
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

    def _of(self, user_id: int, channel_id: str, name: str) -> Attendance:
        attendance = self._noticed.setdefault((user_id, channel_id), Attendance(user_id, channel_id))
        attendance.name = name or attendance.name
        return attendance
