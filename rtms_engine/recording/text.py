"""The transcript: a log of everything that was said about it, and subtitles made from it. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ..model.frames import ChatMessage, Speaker, TranscriptOperation, TranscriptSegment

_SHORTEST_MS, _LONGEST_MS, _PER_CHARACTER_MS = 1000, 7000, 60
"""How long a sentence is shown whose end Zoom did not say: about as long as it takes to say it."""

NameOf = Callable[[Speaker], str]


class Sentence(msgspec.Struct, frozen=True):
    """One utterance as it is known now: a line of ``transcript.jsonl``."""

    id: str
    """Zoom's ``sentence_id``; where it has none, ``#`` and a running number."""
    revision: int
    """1 for the first message with this id, then counting."""
    operation: TranscriptOperation
    speaker: Speaker
    text: str
    lang: str
    start_ms: int
    """Unix milliseconds; Zoom's timestamp of the message where it did not say the start."""
    end_ms: int | None
    ts_zoom: int


class Transcript:
    """All sentences of the stream with their corrections applied."""

    def __init__(self) -> None:
        self._sentences: list[Sentence] = []
        self._revisions: Counter[str] = Counter()

    @property
    def begun(self) -> bool:
        """Whether there ever was a sentence, even if all are deleted by now."""
        return bool(self._revisions)

    def take(self, segment: TranscriptSegment) -> Sentence:
        """Apply a message, and return it as a line of the log.

        Only a message that says so, and names its sentence, changes an earlier one. Every other is
        a sentence of its own (V1.md §6.6); so is an update whose sentence was never seen.
        """
        sentence_id = segment.sentence_id or f"#{self._revisions.total() + 1}"
        places = self._places_of(sentence_id)
        sentence = self._sentence(segment, sentence_id, self._sentences[places[-1]] if places else None)
        self.read(sentence)
        return sentence

    def read(self, sentence: Sentence) -> None:
        """Apply a line of the log."""
        self._revisions[sentence.id] += 1
        places = self._places_of(sentence.id)
        match sentence.operation:
            case TranscriptOperation.DELETE:
                self._sentences = [known for known in self._sentences if known.id != sentence.id]
            case TranscriptOperation.UPDATE if places:
                self._sentences[places[-1]] = sentence
            case _:
                self._sentences.append(sentence)

    def vtt(self, t0_ms: int, name_of: NameOf) -> str:
        """WebVTT with a voice tag per cue, its time counted from ``t0_ms``."""
        cues = [
            f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_voice(name)}{_escaped(text)}\n"
            for start, end, name, text in self._cues(t0_ms, name_of)
        ]
        return "\n".join(["WEBVTT\n", *cues])

    def srt(self, t0_ms: int, name_of: NameOf) -> str:
        """SubRip, ``Name: text``, its time counted from ``t0_ms``."""
        cues = [
            f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{name + ': ' if name else ''}{text}\n"
            for number, (start, end, name, text) in enumerate(self._cues(t0_ms, name_of), 1)
        ]
        return "\n".join(cues)

    def _sentence(self, segment: TranscriptSegment, sentence_id: str, earlier: Sentence | None) -> Sentence:
        start_ms, end_ms = segment.start_ms, segment.end_ms
        if start_ms is None:
            start_ms = earlier.start_ms if earlier else segment.timestamp_ms
        if end_ms is None and earlier:
            end_ms = earlier.end_ms
        return Sentence(
            sentence_id,
            self._revisions[sentence_id] + 1,
            segment.operation,
            segment.speaker,
            segment.text,
            segment.language,
            start_ms,
            end_ms,
            segment.timestamp_ms,
        )

    def _places_of(self, sentence_id: str) -> list[int]:
        return [index for index, known in enumerate(self._sentences) if known.id == sentence_id]

    def _cues(self, t0_ms: int, name_of: NameOf) -> Iterable[tuple[int, int, str, str]]:
        """Start and end in milliseconds from t0, name, text: in order, each in one line."""
        for sentence in sorted(self._sentences, key=lambda sentence: sentence.start_ms):
            text = _one_line(sentence.text)
            end_ms = sentence.end_ms
            if end_ms is None or end_ms <= sentence.start_ms:
                spoken_ms = _PER_CHARACTER_MS * len(text)
                end_ms = sentence.start_ms + min(max(spoken_ms, _SHORTEST_MS), _LONGEST_MS)
            start = max(sentence.start_ms - t0_ms, 0)
            if text:
                yield start, max(end_ms - t0_ms, start + 1), _one_line(name_of(sentence.speaker)), text


def chat_line(message: ChatMessage) -> dict[str, Any]:
    """A line of ``chat.jsonl``: the message without what means nothing outside of the engine."""
    line: dict[str, Any] = msgspec.to_builtins(message)
    del line["stream_id"], line["received_at"]
    return line


def json_lines(values: Iterable[Any]) -> bytes:
    """One line of JSON each."""
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


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
