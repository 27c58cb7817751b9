"""Who is in the meeting and who is speaking, as far as Zoom has told.

`user_id` is a number of one connection inside one stream (V1.md §6.2), so every stream has a roster of
its own.
"""

from ..model.events import ActiveSpeakerChanged, ParticipantJoined, StreamEvent
from ..model.frames import Speaker

_NOBODY = Speaker(source="unknown")
_MOST_SPEAKERS = 10_000
"""More distinct speakers than any meeting has: beyond it, hostile input is not remembered."""


class Roster:
    """Hears the events of a stream and attributes its frames."""

    def __init__(self, most_speakers: int = _MOST_SPEAKERS) -> None:
        """``most_speakers``: how many are remembered."""
        self._most_speakers = most_speakers
        self._names: dict[int, str] = {}
        self._speakers: dict[tuple[int, str, str], Speaker] = {}
        self._mixed = _NOBODY

    def hear(self, event: StreamEvent) -> None:
        """Take note of names and of the active speaker."""
        match event:
            case ParticipantJoined(participant=who) if who.name:
                self._names[who.user_id] = who.name
            case ActiveSpeakerChanged(participant=who):
                if who.name:
                    self._names[who.user_id] = who.name
                name = who.name or self._names.get(who.user_id, "")
                self._mixed = Speaker(who.user_id, name, "active_speaker")
            case _:
                pass

    def speaker(self, user_id: int, name: str, channel_id: str) -> Speaker:
        """The one a packet names; a name that the packet lacks is taken from the roster."""
        known = name or self._names.get(user_id, "")
        key = (user_id, known, channel_id)
        speaker = self._speakers.get(key)
        if speaker is None:
            speaker = Speaker(user_id, known, "packet", channel_id)
            if len(self._speakers) < self._most_speakers:
                self._speakers[key] = speaker
        return speaker

    def mixed_speaker(self) -> Speaker:
        """The active speaker, for sound that is everybody's; unknown before the first event."""
        return self._mixed
