"""Whose camera to ask for in single-participant video (V1.md §5.9)."""

from ..model.events import (
    ActiveSpeakerChanged,
    ParticipantJoined,
    ParticipantLeft,
    StreamEvent,
    VideoStarted,
    VideoStopped,
)

ACTIVE_SPEAKER = "active_speaker"
FIRST_CAMERA = "first_camera"
USER_PREFIX = "user:"


class VideoChoice:
    """Hears the events of a stream and says whom to subscribe to.

    ``follow`` is the policy: ``active_speaker`` (the active speaker while their camera is on, else
    who is shown stays), ``first_camera`` (the camera that went on first, for as long as it is on) or
    ``user:`` and a name or user id (nobody else, ever).
    """

    def __init__(self, follow: str) -> None:
        self._follow = follow
        self._cameras: list[int] = []
        self._names: dict[int, str] = {}
        self._active_speaker = 0
        self._shown = 0

    def hear(self, event: StreamEvent) -> int | None:
        """The user id to subscribe to now, or None if nothing changes."""
        self._note(event)
        return self._changed(self._wanted())

    def choose(self, follow: str) -> int | None:
        """Somebody wants another policy from now on."""
        self._follow = follow
        return self._changed(self._wanted())

    def again(self) -> int | None:
        """Whom to subscribe to after a reconnect, when Zoom may have forgotten (V1.md §12, Q19)."""
        self._shown = 0
        return self._changed(self._wanted())

    def _note(self, event: StreamEvent) -> None:
        match event:
            case ParticipantJoined(participant=who):
                self._names[who.user_id] = who.name
            case ParticipantLeft(participant=who) | VideoStopped(participant=who):
                if who.user_id in self._cameras:
                    self._cameras.remove(who.user_id)
                if self._shown == who.user_id:
                    # Nothing says that the subscription outlives the camera: ask again (V1.md §5.9).
                    self._shown = 0
            case VideoStarted(participant=who):
                if who.user_id not in self._cameras:
                    self._cameras.append(who.user_id)
            case ActiveSpeakerChanged(participant=who):
                self._active_speaker = who.user_id
            case _:
                pass

    def _wanted(self) -> int:
        if self._follow.startswith(USER_PREFIX):
            wanted = self._follow.removeprefix(USER_PREFIX)
            return next((c for c in self._cameras if wanted in (str(c), self._names.get(c))), 0)
        if self._follow == ACTIVE_SPEAKER and self._active_speaker in self._cameras:
            return self._active_speaker
        if self._shown in self._cameras:
            return self._shown
        return self._cameras[0] if self._cameras else 0

    def _changed(self, wanted: int) -> int | None:
        if not wanted or wanted == self._shown:
            return None
        self._shown = wanted
        return wanted
