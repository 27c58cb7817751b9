"""Whether media may be received at all, and whose may not. Pure but for waiting for the answer.

Until somebody has allowed it, no media connection is opened, and what comes over signaling is dropped.
Whom a meeting's exclusions name is dropped in `reception`, before any sink.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Literal

import msgspec

from ..model.events import ActiveSpeakerChanged, ParticipantJoined, ParticipantLeft, StreamEvent
from ..model.frames import AudioFrame, Frame, ShareFrame, VideoFrame
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

    def __init__(self, whom: Collection[str] = ()) -> None:
        self._ids: set[int] = set()
        self._names: set[str] = set()
        self._asked: set[int] = set()
        """Whom somebody asked to exclude while the stream runs."""
        self._gone: dict[str, int] = {}
        """The names under which those left, with their last number: they stay excluded when they come back."""
        self._returning: set[int] = set()
        """Whose H.264 is let through from the next picture on that needs no other."""
        self.dropped = 0
        """Frames."""
        self.also(whom)

    def also(self, whom: Collection[str]) -> None:
        """By rule: names, or user ids in digits."""
        self._ids |= {int(one) for one in whom if one.isascii() and one.isdigit()}
        self._names |= {_plain(one) for one in whom} - {""}

    def ask(self, user_id: int) -> None:
        """Exclude somebody, until that is taken back."""
        self._asked.add(user_id)

    def take_back(self, user_id: int) -> None:
        """Exclude them no more, unless a rule does."""
        self._asked.discard(user_id)
        self._gone = {name: number for name, number in self._gone.items() if number != user_id}
        self._returning.add(user_id)

    def by(self, user_id: int) -> Literal["rule", "request"]:
        """Why somebody is excluded who is."""
        return "rule" if user_id in self._ids else "request"

    def hear(self, event: StreamEvent) -> int | None:
        """Names come with events too, and before the packets.

        Returns:
            The new number of somebody who was excluded on request and came back.
        """
        match event:
            case ParticipantJoined(participant=who):
                before = self._gone.pop(_plain(who.name), None)
                self._is_excluded(who.user_id, who.name)
                if before is not None and before != who.user_id:
                    self._asked.add(who.user_id)
                    return who.user_id
            case ActiveSpeakerChanged(participant=who):
                self._is_excluded(who.user_id, who.name)
            case ParticipantLeft(participant=who) if who.user_id in self._asked and _plain(who.name):
                self._gone[_plain(who.name)] = who.user_id
            case _:
                pass
        return None

    def covers(self, frame: Frame) -> bool:
        """Whether the frame must be dropped; it is counted then."""
        speaker = frame.speaker
        is_covered = (
            (isinstance(frame, AudioFrame) and frame.mixed and self._is_anybody)
            or self._is_excluded(speaker.user_id, speaker.name)
            or (speaker.user_id in self._returning and self._needs_what_was_dropped(frame))
        )
        self.dropped += is_covered
        return is_covered

    @property
    def _is_anybody(self) -> bool:
        return bool(self._ids or self._names or self._asked)

    def _is_excluded(self, user_id: int, name: str) -> bool:
        if user_id and (user_id in self._ids or user_id in self._asked):
            return True
        if not self._names or _plain(name) not in self._names:
            return False
        self._ids.add(user_id)  # whoever changes the name stays excluded
        return True

    def _needs_what_was_dropped(self, frame: Frame) -> bool:
        """A picture of H.264 is made from those before it; only a key picture is not."""
        if not isinstance(frame, VideoFrame | ShareFrame) or frame.codec != "h264":
            return False
        if not _KEY_PICTURE.search(frame.payload):
            return True
        self._returning.discard(frame.speaker.user_id)
        return False


_KEY_PICTURE = re.compile(rb"\x00\x00\x01[\x05\x07\x25\x27\x45\x47\x65\x67]")
"""An Annex B start code and a NAL unit of type 5 (IDR picture) or 7 (sequence parameter set), ITU-T H.264 7.3.1."""


def _plain(name: str) -> str:
    return name.strip().casefold()
