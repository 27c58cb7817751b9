"""The transcript and the chat: logs of everything that was said about them, and what is made from those.

Pure. Of the transcript come subtitles and the words as Recall's users know them; of the chat, the
messages as they stand.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ..model.frames import (
    ChatMessage,
    ChatOperation,
    Speaker,
    SpeakerSource,
    TranscriptOperation,
    TranscriptSegment,
)

_SHORTEST_MS, _LONGEST_MS, _PER_CHARACTER_MS = 1000, 7000, 60
"""How long a sentence is shown whose end Zoom did not say: about as long as it takes to say it."""
_LAST_DAY_MS = 253_402_300_799_999
"""The end of the year 9999: no calendar has more."""

NameOf = Callable[[Speaker], str]
Placed = Literal["zoom", "message", "neighbours"]


class Voice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who said a sentence."""

    id: int
    """Zoom's ``user_id``: of a connection, not of a person."""
    name: str
    source: SpeakerSource
    """How that is known, as of a frame (`rtms_engine.model.frames.Speaker`)."""
    channel_id: str = ""
    """Contact Center only."""

    @property
    def speaker(self) -> Speaker:
        """The same as the frames have it."""
        return Speaker(self.id, self.name, self.source, self.channel_id)


class Sentence(msgspec.Struct, frozen=True):
    """One utterance as it is known now: a line of ``transcript.jsonl``. Times are Unix milliseconds."""

    id: str
    """Zoom's ``sentence_id``; where it has none, ``#`` and a running number."""
    rev: int
    """1 for the first line with this id, then counting; the highest one holds."""
    operation: TranscriptOperation
    """``delete``: there is no such sentence any more."""
    speaker: Voice
    text: str
    lang: str
    start_ms: int
    end_ms: int | None
    """None: Zoom did not say."""
    placed: Placed
    """What ``start_ms`` comes from: Zoom said it (``zoom``); the time of the message (``message``), which
    may lie behind the utterance (V1.md §6.6); or, since Zoom gave no time at all, the newest medium that
    had come before it (``neighbours``)."""
    ts_zoom: int
    """Zoom's timestamp of the message; where there is none, our clock when it came."""
    final: bool = True
    """Zoom sends whole utterances and no guesses in progress; a later ``rev`` may still correct one."""


class Transcript:
    """All sentences of the stream with their corrections applied."""

    def __init__(self) -> None:
        self._sentences: dict[int, Sentence] = {}
        """By a running number, in the order in which they came first."""
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)
        """Of the sentences that an id has at present."""
        self._revisions: dict[str, int] = {}
        self.taken = 0
        """How many messages there were."""

    def __len__(self) -> int:
        return len(self._sentences)

    def take(self, segment: TranscriptSegment, neighbours_ms: int) -> Sentence:
        """Apply a message, and return it as a line of the log.

        Only a message that says so, and names its sentence, changes an earlier one. Every other is
        a sentence of its own (V1.md §6.6); so is an update whose sentence was never seen.

        Args:
            segment: the message.
            neighbours_ms: Unix milliseconds of the newest medium; for a message without a time.
        """
        sentence_id = segment.sentence_id or f"#{self.taken + 1}"
        numbers = self._numbers.get(sentence_id)
        earlier = self._sentences[numbers[-1]] if numbers else None
        start_ms, placed = _start_of(segment, earlier, neighbours_ms)
        end_ms = segment.end_ms
        if end_ms is None and earlier:
            end_ms = earlier.end_ms
        speaker = segment.speaker
        sentence = Sentence(
            id=sentence_id,
            rev=self._revisions.get(sentence_id, 0) + 1,
            operation=segment.operation,
            speaker=Voice(speaker.user_id, speaker.name, speaker.source, speaker.channel_id),
            text=segment.text,
            lang=segment.language,
            start_ms=start_ms,
            end_ms=end_ms,
            placed=placed,
            ts_zoom=segment.timestamp_ms,
        )
        self.read(sentence)
        return sentence

    def read(self, sentence: Sentence) -> None:
        """Apply a line of the log."""
        self.taken += 1
        self._revisions[sentence.id] = sentence.rev
        numbers = self._numbers[sentence.id]
        match sentence.operation:
            case TranscriptOperation.DELETE:
                for number in numbers:
                    del self._sentences[number]
                del self._numbers[sentence.id]
            case TranscriptOperation.UPDATE if numbers:
                self._sentences[numbers[-1]] = sentence
            case _:
                numbers.append(self.taken)
                self._sentences[self.taken] = sentence

    def in_order(self) -> list[Sentence]:
        """The sentences that hold, by their start."""
        return sorted(self._sentences.values(), key=lambda sentence: sentence.start_ms)


def vtt(sentences: Iterable[Sentence], t0_ms: int, name_of: NameOf) -> str:
    """WebVTT cues with a voice tag each, their time counted from ``t0_ms``; `VTT_HEADER` goes before."""
    return "".join(
        f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n{_voice(name)}{_escaped(text)}\n"
        for start, end, name, text in _cues(sentences, t0_ms, name_of)
    )


VTT_HEADER = "WEBVTT\n"


def srt(sentences: Iterable[Sentence], t0_ms: int, name_of: NameOf, first: int = 1) -> str:
    """SubRip, ``Name: text``, its time counted from ``t0_ms``; ``first`` is the number of the first cue."""
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{name + ': ' if name else ''}{text}\n"
        for number, (start, end, name, text) in enumerate(_cues(sentences, t0_ms, name_of), first)
    ]
    return "\n".join(cues)


# --- as Recall's users know it ---


def recall_words(sentences: Iterable[Sentence], t0_ms: int, name_of: NameOf) -> list[dict[str, Any]]:
    """The content of ``transcript.recall.json``: Recall's shape, an entry for each utterance.

    Zoom times utterances and not words, so each has one "word", and says so by ``granularity``. What
    Zoom does not tell of a participant is null.
    """
    return [
        {
            "participant": _recall_participant(sentence.speaker.speaker, name_of),
            "language_code": sentence.lang or None,
            "granularity": "utterance",
            "words": [
                {
                    "text": sentence.text,
                    "start_timestamp": _recall_time(sentence.start_ms, t0_ms),
                    "end_timestamp": _recall_time(sentence.end_ms, t0_ms),
                }
            ],
        }
        for sentence in sentences
    ]


def speaker_timeline(
    changes: Iterable[tuple[int, Speaker]], ended_ms: int, t0_ms: int, name_of: NameOf
) -> list[dict[str, Any]]:
    """The content of ``speaker_timeline.json``: who was the active speaker from when to when.

    Args:
        changes: Unix milliseconds and who speaks from then on, in any order; consecutive ones of the same
            speaker are one.
        ended_ms: Unix milliseconds at which the last one stops.
        t0_ms: where relative times begin.
        name_of: of the participants.
    """
    turns: list[tuple[int, Speaker]] = []
    for at_ms, speaker in sorted(changes, key=lambda change: change[0]):
        if not turns or turns[-1][1].user_id != speaker.user_id:
            turns.append((at_ms, speaker))
    ends = [at_ms for at_ms, _ in turns[1:]] + [ended_ms]
    return [
        {
            "participant": _recall_participant(speaker, name_of),
            "start_timestamp": _recall_time(start_ms, t0_ms),
            "end_timestamp": _recall_time(max(end_ms, start_ms), t0_ms),
        }
        for (start_ms, speaker), end_ms in zip(turns, ends, strict=True)
        if speaker.user_id
    ]


def _recall_participant(speaker: Speaker, name_of: NameOf) -> dict[str, Any]:
    return {
        "id": speaker.user_id,
        "name": name_of(speaker) or None,
        "is_host": None,
        "platform": None,
        "extra_data": {"zoom": {"channel_id": speaker.channel_id}} if speaker.channel_id else None,
        "email": None,
    }


def _recall_time(unix_ms: int | None, t0_ms: int) -> dict[str, Any] | None:
    """Seconds from the recording's t0, and ISO 8601 in UTC."""
    if unix_ms is None:
        return None
    moment = datetime.fromtimestamp(min(max(unix_ms, 0), _LAST_DAY_MS) / 1000, UTC)
    absolute = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"relative": (unix_ms - t0_ms) / 1000, "absolute": absolute}


# --- chat ---


class ChatLine(msgspec.Struct, frozen=True):
    """A line of ``chat.jsonl``: a message, or a change to an earlier one, as Zoom sent it."""

    speaker: Speaker
    timestamp_ms: int
    text: str
    operation: ChatOperation = ChatOperation.NEW
    message_id: str = ""
    parent_message_id: str = ""
    session_type: str = ""
    session_id: str = ""
    receiver: Speaker | None = None
    files: tuple[dict[str, Any], ...] = ()
    deleted_file_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: ChatMessage) -> "ChatLine":
        """The message without what means nothing outside of the engine."""
        return cls(**{name: getattr(message, name) for name in cls.__struct_fields__})


def chat_as_it_stands(lines: Iterable[ChatLine], name_of: NameOf) -> list[dict[str, Any]]:
    """The content of ``chat.json``: every message once, with what became of it.

    A deleted message keeps its place, so that answers to it have one, and loses its content. What speaks
    of a message that never came is left to the log.
    """
    messages: list[dict[str, Any]] = []
    known: dict[str, dict[str, Any]] = {}
    for line in lines:
        target = known.get(line.message_id) if line.message_id else None
        if target is None and line.operation in _MAKES_A_MESSAGE:
            target = _message(line, name_of)
            messages.append(target)
            if line.message_id:
                known[line.message_id] = target
        elif target is not None and (change := _CHANGES.get(line.operation)):
            change(target, line, name_of)
    return messages


_MAKES_A_MESSAGE = (ChatOperation.NEW, ChatOperation.UPDATE, ChatOperation.UNKNOWN)
"""An update of a message that nobody saw is what is left of it; so is a message of an unknown kind."""


def _message(line: ChatLine, name_of: NameOf) -> dict[str, Any]:
    return {
        "id": line.message_id or None,
        "sent_ms": line.timestamp_ms,
        "sender": _person(line.speaker, name_of),
        "receiver": line.receiver and _person(line.receiver, name_of),
        "session_type": line.session_type or None,
        "session_id": line.session_id or None,
        "thread_id": line.parent_message_id or None,
        "text": line.text,
        "edited_ms": line.timestamp_ms if line.operation is ChatOperation.UPDATE else None,
        "deleted_ms": None,
        "reactions": [],
        "files": [dict(file) for file in line.files],
    }


def _edit(message: dict[str, Any], line: ChatLine, _name_of: NameOf) -> None:
    if message["deleted_ms"] is not None:
        return
    gone = set(line.deleted_file_ids)
    kept = [file for file in message["files"] if file.get("file_id") not in gone]
    message["files"] = kept + [dict(file) for file in line.files if file not in kept]
    if line.text or not gone:
        message["text"] = line.text
    message["edited_ms"] = line.timestamp_ms


def _delete(message: dict[str, Any], line: ChatLine, _name_of: NameOf) -> None:
    """Of the whole message, or of some of its files if it names them."""
    if line.deleted_file_ids:
        _edit(message, msgspec.structs.replace(line, text=""), _name_of)
    else:
        message.update(text=None, deleted_ms=line.timestamp_ms, reactions=[], files=[])


def _react(message: dict[str, Any], line: ChatLine, name_of: NameOf) -> None:
    """One reaction of each kind a person."""
    if message["deleted_ms"] is None:
        _unreact(message, line, name_of)
        message["reactions"].append(
            {"emoji": line.text, "by": _person(line.speaker, name_of), "at_ms": line.timestamp_ms}
        )


def _unreact(message: dict[str, Any], line: ChatLine, _name_of: NameOf) -> None:
    message["reactions"] = [
        reaction
        for reaction in message["reactions"]
        if (reaction["emoji"], reaction["by"]["id"]) != (line.text, line.speaker.user_id)
    ]


_CHANGES: Mapping[ChatOperation, Callable[[dict[str, Any], ChatLine, NameOf], None]] = {
    ChatOperation.UPDATE: _edit,
    ChatOperation.DELETE: _delete,
    ChatOperation.ADD_REACTION: _react,
    ChatOperation.REMOVE_REACTION: _unreact,
}


def _person(speaker: Speaker, name_of: NameOf) -> dict[str, Any]:
    return {"id": speaker.user_id, "name": name_of(speaker) or None}


def json_lines(values: Iterable[Any]) -> bytes:
    """One line of JSON each."""
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


# --- subtitles ---


def _start_of(segment: TranscriptSegment, earlier: Sentence | None, neighbours_ms: int) -> tuple[int, Placed]:
    if segment.start_ms is not None:
        return segment.start_ms, "zoom"
    if earlier:
        return earlier.start_ms, earlier.placed
    if segment.is_timed:
        return segment.timestamp_ms, "message"
    return neighbours_ms, "neighbours"


def _cues(sentences: Iterable[Sentence], t0_ms: int, name_of: NameOf) -> Iterator[tuple[int, int, str, str]]:
    """Start and end in milliseconds from t0, name, text, each in one line."""
    for sentence in sentences:
        text = _one_line(sentence.text)
        end_ms = sentence.end_ms
        if end_ms is None or end_ms <= sentence.start_ms:
            spoken_ms = _PER_CHARACTER_MS * len(text)
            end_ms = sentence.start_ms + min(max(spoken_ms, _SHORTEST_MS), _LONGEST_MS)
        start = max(sentence.start_ms - t0_ms, 0)
        if text:
            yield start, max(end_ms - t0_ms, start + 1), _one_line(name_of(sentence.speaker.speaker)), text


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal_mark}{rest:03}"


def _one_line(text: str) -> str:
    """An empty line would end the cue, and other control characters have no place in one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _voice(name: str) -> str:
    return f"<v {_escaped(name)}>" if name else ""
