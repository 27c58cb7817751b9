"""The script of a meeting: who is there, who says, shows and writes what, and when.

A script is data. It is read from JSON whose files are relative to it, comes with the package
(`demo_script`), or is made (`synthetic_script`). All times are milliseconds from the meeting's
start. What it leaves out is derived: participants from who speaks, transcript lines and active
speakers from the utterances.
"""

from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import ConfigError
from .chaos import Plan


class Participant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody in the meeting, from ``join_ms`` until ``leave_ms`` (None: the end)."""

    user_id: int
    user_name: str
    join_ms: int = 0
    leave_ms: int | None = None


class Utterance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody speaks. Without ``file`` the sound is made: see `rtms_engine.simulator.sound.stamped_pcm`."""

    user_id: int
    user_name: str
    start_ms: int
    end_ms: int
    file: str = ""
    text: str = ""
    """The transcript line; empty: there is none."""
    language: int = 9
    """V1.md §9.14; 9 is English."""


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody's camera is on: H.264 in Annex B, beginning with a key frame."""

    user_id: int
    user_name: str
    start_ms: int
    file: str
    fps: int
    end_ms: int | None = None
    """The file is repeated until then; None: it is shown once."""


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody shares a screen: pictures, each for an even part of the span, or one ``.h264`` file."""

    user_id: int
    user_name: str
    start_ms: int
    end_ms: int
    files: tuple[str, ...]
    fps: int = 1


class ChatLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody writes. ``extra`` are further keys of the message (V1.md §6.7)."""

    user_id: int
    user_name: str
    at_ms: int
    text: str
    extra: dict[str, Any] = {}


class ScriptEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something else happens; ``event`` is the inner object of a message 6 for ``type`` "event"."""

    at_ms: int
    type: Literal["pause", "resume", "event"]
    event: dict[str, Any] = {}


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole meeting."""

    duration_ms: int
    utterances: tuple[Utterance, ...] = ()
    topic: str = ""
    participants: tuple[Participant, ...] = ()
    video: tuple[Camera, ...] = ()
    share: tuple[Share, ...] = ()
    chat: tuple[ChatLine, ...] = ()
    events: tuple[ScriptEvent, ...] = ()
    stop_reason: int = 6
    """V1.md §9.5; 6 is MEETING_ENDED."""
    chaos: Plan = Plan()
    """What goes wrong."""
    sample_rate: int = 16000
    """Hertz of the clips, for people; what counts is what the clips say themselves."""
    channels: int = 1
    folder: str = ""
    """Where the files are."""

    def path(self, file: str) -> Path:
        """Where one of the script's files is."""
        return Path(self.folder) / file


_decode_script = msgspec.json.Decoder(Script).decode


def load_script(path: Path | str) -> Script:
    """Read a script. Raises ConfigError: every problem, with the file and the place in it."""
    path = Path(path)
    try:
        script = _decode_script(path.read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except msgspec.DecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    script = complete(msgspec.structs.replace(script, folder=str(path.parent / script.folder)))
    if problems := [f"{path}: {problem}" for problem in _problems(script)]:
        raise ConfigError(problems)
    return script


def demo_script() -> Script:
    """The meeting that comes with the package."""
    return load_script(Path(str(resources.files(__package__) / "meeting" / "meeting.json")))


def synthetic_script(
    speakers: int = 2,
    duration_ms: int = 10_000,
    utterance_ms: int = 2_000,
    *,
    overlap: bool = False,
    camera: bool = False,
    slides: bool = False,
    chat_every_ms: int = 0,
) -> Script:
    """A meeting of any size whose sound is made: every 20 ms of it can be told from any other.

    Args:
        speakers: how many people take turns.
        duration_ms: of the meeting.
        utterance_ms: how long one of them speaks.
        overlap: all of them speak all the time instead (Zoom lets at most three through).
        camera: the first one's camera is on throughout (the demo's pictures, repeated).
        slides: the last one shares the demo's slides throughout.
        chat_every_ms: how often somebody writes; 0: never.
    """
    people = [Participant(16778240 + 1024 * n, f"Speaker {n + 1}") for n in range(speakers)]
    first, last = people[0], people[-1]
    meeting = Path(str(resources.files(__package__) / "meeting"))
    turns = [(start, n) for n, start in enumerate(range(0, duration_ms, utterance_ms))]
    utterances = tuple(
        Utterance(
            who.user_id,
            who.user_name,
            start,
            min(start + utterance_ms, duration_ms),
            text=f"{who.user_name} speaks from millisecond {start}.",
        )
        for start, turn in turns
        for who in (people if overlap else [people[turn % speakers]])
    )
    cameras = (Camera(first.user_id, first.user_name, 0, "camera.h264", 25, duration_ms),)
    pictures = tuple(f"slide-{n}.jpg" for n in (1, 2, 3))
    shares = (Share(last.user_id, last.user_name, 0, duration_ms, pictures),)
    times = range(0, duration_ms, chat_every_ms) if chat_every_ms else range(0)
    return Script(
        duration_ms=duration_ms,
        utterances=utterances,
        topic="a synthetic meeting",
        participants=tuple(people),
        video=cameras if camera else (),
        share=shares if slides else (),
        chat=tuple(ChatLine(last.user_id, last.user_name, at, f"Message at {at} ms") for at in times),
        folder=str(meeting),
    )


def complete(script: Script) -> Script:
    """The script with the participants that it does not name."""
    named = {participant.user_id for participant in script.participants}
    seen = {who.user_id: who.user_name for who in (*_actors(script),) if who.user_id not in named}
    others = tuple(Participant(user_id, user_name) for user_id, user_name in seen.items())
    return msgspec.structs.replace(script, participants=script.participants + others)


def _actors(script: Script) -> Iterator[Utterance | Camera | Share | ChatLine]:
    yield from script.utterances
    yield from script.video
    yield from script.share
    yield from script.chat


def _problems(script: Script) -> Iterator[str]:
    spans: dict[str, Sequence[Utterance | Share | Camera]] = {
        "utterances": script.utterances,
        "video": script.video,
        "share": script.share,
    }
    moments: dict[str, Sequence[ChatLine | ScriptEvent]] = {"chat": script.chat, "events": script.events}
    for name, rows in spans.items():
        for n, row in enumerate(rows):
            yield from _span_problems(f"$.{name}[{n}]", row, script)
    for name, marks in moments.items():
        for n, moment in enumerate(marks):
            if not 0 <= moment.at_ms <= script.duration_ms:
                yield f"$.{name}[{n}].at_ms: must be from 0 to duration_ms ({script.duration_ms})"
    for n, share in enumerate(script.share):
        if not share.files:
            yield f"$.share[{n}].files: must name at least one file"
    yield from _overlap_problems(script.utterances)


def _span_problems(where: str, row: Utterance | Share | Camera, script: Script) -> Iterator[str]:
    end_ms = script.duration_ms if row.end_ms is None else row.end_ms
    if not 0 <= row.start_ms < end_ms <= script.duration_ms:
        yield (
            f"{where}: start_ms ({row.start_ms}) must be before end_ms ({end_ms}), "
            f"and both from 0 to duration_ms ({script.duration_ms})"
        )
    if not isinstance(row, Utterance) and not 1 <= row.fps <= 30:
        yield f"{where}.fps: must be from 1 to 30"
    files = row.files if isinstance(row, Share) else (row.file,)
    for file in files:
        if file and not script.path(file).is_file():
            yield f"{where}: there is no file {script.path(file)}"


def _overlap_problems(utterances: Sequence[Utterance]) -> Iterator[str]:
    rows = sorted(enumerate(utterances), key=lambda row: (row[1].user_id, row[1].start_ms))
    for _, of_one in groupby(rows, key=lambda row: row[1].user_id):
        said = list(of_one)
        for (_, before), (n, after) in pairwise(said):
            if after.start_ms < before.end_ms:
                yield f"$.utterances[{n}].start_ms: {after.user_name} speaks already, until {before.end_ms}"
