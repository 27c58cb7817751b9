"""Subtitles and chapters: who speaks when, and what. Pure."""

import html
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ..model.events import ActiveSpeakerChanged, ParticipantJoined, ParticipantLeft
from ..model.frames import Speaker
from ..recording.log import Happened
from ..recording.participants import Participants
from ..recording.video import PictureSourceChanged

_SHORTEST_CHAPTER_MS = 1_000
"""Who is seen for less is between two chapters, not one."""
_BEFORE_ANYBODY = "Start"
_MOST_LINES, _LONGEST_LINE, _LONGEST_TITLE = 4, 2_000, 200
_TIMING = re.compile(r"(\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d+):(\d\d):(\d\d)\.(\d{3})")
_VOICE = re.compile(r"<v ([^>]*)>")


class Cue(msgspec.Struct, frozen=True):
    """A sentence; times in milliseconds from the recording's time 0."""

    start_ms: int
    end_ms: int
    name: str
    text: str


class Screen(msgspec.Struct, frozen=True):
    """What is to be read for a while: nothing, a sentence, or several that are said at once."""

    at_ms: int
    duration_ms: int
    text: str


class Chapter(msgspec.Struct, frozen=True):
    """Somebody's part of the meeting."""

    start_ms: int
    end_ms: int
    title: str


def read_vtt(text: str) -> list[Cue]:
    """The cues of the recorder's own WebVTT; what is something else is passed over."""
    cues = []
    for block in text.split("\n\n"):
        timing, _, said = block.strip("\n").partition("\n")
        if found := _TIMING.match(timing):
            numbers = list(map(int, found.groups()))
            voice = _VOICE.match(said)
            said = said[voice.end() :] if voice else said
            name = html.unescape(voice[1]) if voice else ""
            cues.append(Cue(_ms(*numbers[:4]), _ms(*numbers[4:]), name, html.unescape(said)))
    return sorted(cues, key=lambda cue: cue.start_ms)


def screens(cues: Sequence[Cue], duration_ms: int) -> Iterator[Screen]:
    """Cues in order of their start, without a gap from 0 to the end of the last one.

    Args:
        cues: sorted by their start.
        duration_ms: of everything; nothing is shown longer.
    """
    shown: list[Cue] = []
    waiting = [cue for cue in cues if cue.start_ms < duration_ms]
    ends = (min(cue.end_ms, duration_ms) for cue in waiting)
    times = sorted({0, *(cue.start_ms for cue in waiting), *ends})
    waiting.reverse()
    for at_ms, until_ms in itertools.pairwise(times):
        while waiting and waiting[-1].start_ms <= at_ms:
            shown.append(waiting.pop())
        shown = [cue for cue in shown if cue.end_ms > at_ms][-_MOST_LINES:]
        yield Screen(at_ms, until_ms - at_ms, "\n".join(map(_line, shown)))


def chapters(
    happened: Iterable[Happened], cues: Sequence[Cue], t0_ms: int, duration_ms: int
) -> list[Chapter]:
    """Whose picture it is, who was the active speaker, or who said something: whatever names most people."""
    participants = Participants()
    seen: list[tuple[int, Speaker]] = []
    active: list[tuple[int, Speaker]] = []
    for event in happened:
        match event:
            case ParticipantJoined() | ParticipantLeft():
                participants.hear(event)
            case PictureSourceChanged(timestamp_ms=at_ms, kind="camera", participant=who):
                seen.append((at_ms - t0_ms, Speaker(who.user_id, who.name)))
            case ActiveSpeakerChanged(timestamp_ms=at_ms, participant=who):
                active.append((at_ms - t0_ms, Speaker(who.user_id, who.name)))
            case _:
                pass
    named = [[(at_ms, participants.name_of(who)) for at_ms, who in changes] for changes in (seen, active)] + [
        [(cue.start_ms, cue.name) for cue in cues]
    ]
    best = max(named, key=lambda changes: len({name for _, name in changes if name}))
    return _chapters(sorted(one for one in best if one[1] and one[0] < duration_ms), duration_ms)


def _chapters(changes: Sequence[tuple[int, str]], duration_ms: int) -> list[Chapter]:
    worth: list[tuple[int, str]] = []
    for (at_ms, name), (next_ms, _) in itertools.pairwise([*changes, (duration_ms, "")]):
        start_ms = max(at_ms, 0)
        if next_ms - start_ms >= _SHORTEST_CHAPTER_MS and (not worth or worth[-1][1] != name):
            worth.append((start_ms, name))
    if worth and worth[0][0] > 0:
        worth.insert(0, (0, _BEFORE_ANYBODY))  # a player begins the first chapter at 0 in any case
    return [
        Chapter(start_ms, end_ms, _printable(name)[:_LONGEST_TITLE])
        for (start_ms, name), (end_ms, _) in itertools.pairwise([*worth, (duration_ms, "")])
    ]


def _line(cue: Cue) -> str:
    text = f"{cue.name}: {cue.text}" if cue.name else cue.text
    return _printable(text)[:_LONGEST_LINE]


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _ms(hours: int, minutes: int, seconds: int, milliseconds: int) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
