"""Whether media may be received at all, and whose may not. Pure but for waiting for the answer.

Until somebody has allowed it, no media connection is opened, and what comes over signaling is dropped.
Whom a meeting's exclusions name is dropped in `reception`, before any sink.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Literal

import msgspec

from ..model.events import ActiveSpeakerChanged, ParticipantJoined, StreamEvent
from ..model.frames import AudioFrame, Frame
from ..sinks.base import StreamInfo


class Answer(msgspec.Struct, frozen=True):
    """What was decided about a stream."""

    allow: bool
    notice: str = ""
    """The version of the notice that the participants were shown; it is recorded with the stream."""
    exclude: tuple[str, ...] = ()
    """Names or user ids (in digits) of those whose media are dropped, besides the configured ones."""


class NoAnswerError(Exception):
    """Nobody decided; the message says why, in words fit for a log."""


Ask = Callable[[StreamInfo], Awaitable[Answer]]
"""Raises NoAnswerError."""


class Consent(msgspec.Struct, frozen=True):
    """What a configuration says about consent."""

    ask: Ask | None = None
    """None: media are received without asking."""
    timeout_s: float = 10.0
    otherwise: Literal["deny", "allow"] = "deny"
    """Where there is no answer in time."""
    exclude: tuple[str, ...] = ()

    async def answer(self, stream: StreamInfo) -> tuple[Answer, str]:
        """The answer, and what it is without one: why there is none. Never raises but when cancelled."""
        if self.ask is None:
            return Answer(allow=True), ""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.ask(stream), ""
        except TimeoutError:
            why = f"no answer within {self.timeout_s:g} s"
        except NoAnswerError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - a hook's defect is no answer, whatever it is
            why = f"the hook failed with {type(error).__name__}"
        return Answer(allow=self.otherwise == "allow"), why


class Exclusion:
    """Knows whose frames are not to be had.

    Sound that is mixed holds everybody's: while anybody is excluded, none of it is let through.
    """

    def __init__(self, whom: Collection[str]) -> None:
        self._ids = {int(one) for one in whom if one.isascii() and one.isdigit()}
        self._names = {one.strip().casefold() for one in whom} - {""}
        self.dropped = 0
        """Frames."""

    def hear(self, event: StreamEvent) -> None:
        """Names come with events too, and before the packets."""
        if isinstance(event, ParticipantJoined | ActiveSpeakerChanged):
            self._is_excluded(event.participant.user_id, event.participant.name)

    def covers(self, frame: Frame) -> bool:
        """Whether the frame must be dropped; it is counted then."""
        speaker = frame.speaker
        is_covered = (isinstance(frame, AudioFrame) and frame.mixed) or self._is_excluded(
            speaker.user_id, speaker.name
        )
        self.dropped += is_covered
        return is_covered

    def _is_excluded(self, user_id: int, name: str) -> bool:
        if user_id and user_id in self._ids:
            return True
        if name.strip().casefold() not in self._names:
            return False
        self._ids.add(user_id)  # whoever changes the name stays excluded
        return True
