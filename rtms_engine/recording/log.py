"""What was said, written and done in a stream: its files of text, and what they come to.

Everything that must be known of a stream to go on with it after the engine was killed is in these
files, and is read from them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..model.events import MediaGranted, MediaRefused, ParticipantJoined, ParticipantLeft, StreamEvent
from ..model.frames import AudioFrame, ChatMessage, ShareFrame, Speaker, TranscriptSegment, VideoFrame
from ..model.media import MediaKind
from ..sinks.base import Item
from .folder import Folder
from .interruptions import Interruptions
from .participants import Participants
from .text import Sentence, Transcript, chat_line, json_lines
from .video import PictureSourceChanged

EVENTS, TRANSCRIPT, CHAT = "events.jsonl", "transcript.jsonl", "chat.jsonl"

Happened = StreamEvent | PictureSourceChanged
"""A line of ``events.jsonl``."""


class Log:
    """The texts of one recording; those that are in the folder already are continued.

    What blocks raises OSError.
    """

    def __init__(self, folder: Folder) -> None:
        self.participants = Participants()
        self.interruptions = Interruptions()
        self.granted: dict[MediaKind, dict[str, Any]] = {}
        self.refused: dict[MediaKind, str] = {}
        self.newest_ms: dict[MediaKind, int] = {}
        """Unix milliseconds of the newest sentence and the newest message."""
        self._folder = folder
        self._transcript = Transcript()
        self._lines: defaultdict[str, list[Any]] = defaultdict(list)
        for event in _read(folder, EVENTS, Happened):
            self._hear(event)
        for sentence in _read(folder, TRANSCRIPT, Sentence):
            self._transcript.read(sentence)
            self._hear_sentence(sentence)
        for message in _read(folder, CHAT, _Message):
            self._hear_message(message)
        folder.append(EVENTS, b"")

    def take(self, item: Item | PictureSourceChanged) -> None:
        """Take notice of an item. Its line is in a file after the next `flush`."""
        match item:
            case AudioFrame():
                self.participants.notice(item.speaker, speaking=not item.mixed)
            case VideoFrame() | ShareFrame():
                self.participants.notice(item.speaker, speaking=False)
            case TranscriptSegment():
                sentence = self._transcript.take(item)
                self._hear_sentence(sentence)
                self._lines[TRANSCRIPT].append(sentence)
            case ChatMessage():
                self._hear_message(item)
                self._lines[CHAT].append(chat_line(item))
            case _:
                self._hear(item)
                self._lines[EVENTS].append(item)

    def flush(self, t0_ms: int) -> None:
        """Write what was taken; once per batch. Blocks."""
        lines, self._lines = self._lines, defaultdict(list)
        for name, values in lines.items():
            self._folder.append(name, json_lines(values))
        if TRANSCRIPT in lines:
            self.save_subtitles(t0_ms)

    def save_subtitles(self, t0_ms: int) -> None:
        """Make them anew, if there is a transcript: corrections are in, and names that came late. Blocks."""
        if self._transcript.begun:
            name_of = self.participants.name_of
            for name, make in (("vtt", self._transcript.vtt), ("srt", self._transcript.srt)):
                text = make(t0_ms, name_of).encode()
                self._folder.replace(f"transcript.{name}", text, lasting=False)

    def save_participants(self) -> None:
        """Write who was there. Blocks."""
        persons = msgspec.json.encode(self.participants.persons())
        self._folder.replace("participants.json", msgspec.json.format(persons, indent=2))

    def _hear(self, event: Happened) -> None:
        match event:
            case ParticipantJoined() | ParticipantLeft():
                self.participants.hear(event)
            case PictureSourceChanged(participant=who):
                self.participants.notice(Speaker(who.user_id, who.name), speaking=False)
            case MediaGranted(kind=kind, params=params):
                self.granted[kind] = params
            case MediaRefused(kind=kind, reason=reason):
                self.refused[kind] = reason
            case _:
                self.interruptions.hear(event)

    def _hear_sentence(self, sentence: Sentence) -> None:
        self.participants.notice(sentence.speaker, speaking=True)
        self._learn(MediaKind.TRANSCRIPT, sentence.ts_zoom)

    def _hear_message(self, message: "ChatMessage | _Message") -> None:
        self.participants.notice(message.speaker, speaking=False)
        self._learn(MediaKind.CHAT, message.timestamp_ms)

    def _learn(self, kind: MediaKind, at_ms: int) -> None:
        self.newest_ms[kind] = max(self.newest_ms.get(kind, at_ms), at_ms)


def events_in(folder: Folder) -> Iterator[Happened]:
    """What happened in a recorded stream. Blocks; raises OSError."""
    yield from _read(folder, EVENTS, Happened)


def _read(folder: Folder, name: str, kind: Any) -> Iterator[Any]:
    """The lines of a file; what another version wrote, and this one does not know, is left out."""
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    for line in folder.lines(name):
        try:
            yield decode(line)
        except msgspec.DecodeError:
            continue


class _Message(msgspec.Struct):
    """What must be known of a line of ``chat.jsonl``."""

    speaker: Speaker
    timestamp_ms: int
