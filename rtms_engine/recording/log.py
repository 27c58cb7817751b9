"""What was said, written and done in a stream: its files of text, and what they come to.

Everything that must be known of a stream to go on with it after the engine was killed is in these
files, and is read from them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..model.events import (
    ActiveSpeakerChanged,
    ItemsDropped,
    MediaGranted,
    MediaRefused,
    ParticipantJoined,
    ParticipantLeft,
    StreamEvent,
)
from ..model.frames import AudioFrame, ChatMessage, ShareFrame, Speaker, TranscriptSegment, VideoFrame
from ..model.media import MediaKind
from ..sinks.base import Item
from .folder import Folder
from .interruptions import Interruptions
from .participants import Participants
from .subtitles import Subtitles
from .text import (
    ChatLine,
    Sentence,
    Transcript,
    chat_as_it_stands,
    json_lines,
    recall_words,
    speaker_timeline,
)
from .video import PictureSourceChanged

EVENTS, TRANSCRIPT, CHAT = "events.jsonl", "transcript.jsonl", "chat.jsonl"
RECALL, SPEAKERS, CHAT_NOW = "transcript.recall.json", "speaker_timeline.json", "chat.json"
PARTICIPANTS = "participants.json"

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
        self.dropped: Counter[tuple[str, str]] = Counter()
        """Of which sink, and of which kind, how many items."""
        self.newest_ms: dict[MediaKind, int] = {}
        """Unix milliseconds of the newest sentence and the newest message."""
        self._folder = folder
        self._transcript = Transcript()
        self._subtitles = Subtitles(folder, self._transcript)
        self._active: list[tuple[int, Speaker]] = []
        """When somebody became the active speaker, and who."""
        self._lines: defaultdict[str, list[Any]] = defaultdict(list)
        for event in _read(folder, EVENTS, Happened):
            self._hear(event)
        for sentence in _read(folder, TRANSCRIPT, Sentence):
            self._transcript.read(sentence)
            self._hear_sentence(sentence)
        for message in _read(folder, CHAT, ChatLine):
            self._hear_message(message)
        folder.append(EVENTS, b"")

    def take(self, item: Item | PictureSourceChanged, neighbours_ms: int = 0) -> None:
        """Take notice of an item. Its line is in a file after the next `flush`.

        Args:
            item: what came.
            neighbours_ms: of a sentence, Unix milliseconds of the newest medium before it.
        """
        match item:
            case AudioFrame():
                self.participants.notice(item.speaker, speaking=not item.mixed)
            case VideoFrame() | ShareFrame():
                self.participants.notice(item.speaker, speaking=False)
            case TranscriptSegment():
                sentence = self._transcript.take(item, neighbours_ms)
                self._hear_sentence(sentence)
                self._lines[TRANSCRIPT].append(sentence)
            case ChatMessage():
                line = ChatLine.of(item)
                self._hear_message(line)
                self._lines[CHAT].append(line)
            case _:
                self._hear(item)
                self._lines[EVENTS].append(item)

    def flush(self, t0_ms: int) -> None:
        """Write what was taken; once per batch. Blocks."""
        lines, self._lines = self._lines, defaultdict(list)
        for name, values in lines.items():
            self._folder.append(name, json_lines(values))
        if TRANSCRIPT in lines:
            self._subtitles.extend(lines[TRANSCRIPT], t0_ms, self.participants.name_of)

    def save_subtitles(self, t0_ms: int) -> None:
        """Make what comes of the transcript, if there is one. Blocks."""
        name_of = self.participants.name_of
        self._subtitles.make(t0_ms, name_of)
        if self._transcript.taken:
            self._save(RECALL, recall_words(self._transcript.in_order(), t0_ms, name_of))

    def save_chat(self) -> None:
        """Write the chat as it stands, if there is one: read from its log, for it may be long. Blocks."""
        if MediaKind.CHAT in self.newest_ms:
            lines = _read(self._folder, CHAT, ChatLine)
            self._save(CHAT_NOW, chat_as_it_stands(lines, self.participants.name_of))

    def save_speakers(self, ended_ms: int, t0_ms: int) -> None:
        """Write who was the active speaker when, if Zoom said so. Blocks."""
        if self._active:
            timeline = speaker_timeline(self._active, ended_ms, t0_ms, self.participants.name_of)
            self._save(SPEAKERS, timeline)

    def save_participants(self) -> None:
        """Write who was there. Blocks."""
        self._save(PARTICIPANTS, self.participants.persons())

    def _save(self, name: str, content: Any) -> None:
        self._folder.replace(name, msgspec.json.format(msgspec.json.encode(content), indent=2))

    def _hear(self, event: Happened) -> None:
        match event:
            case ParticipantJoined() | ParticipantLeft():
                self.participants.hear(event)
            case ActiveSpeakerChanged(timestamp_ms=at_ms, participant=who):
                self._active.append((at_ms, Speaker(who.user_id, who.name)))
            case PictureSourceChanged(participant=who):
                self.participants.notice(Speaker(who.user_id, who.name), speaking=False)
            case ItemsDropped():
                self.dropped[event.sink, event.kind] += event.count
            case MediaGranted(kind=kind, params=params):
                self.granted[kind] = params
            case MediaRefused(kind=kind, reason=reason):
                self.refused[kind] = reason
            case _:
                self.interruptions.hear(event)

    def _hear_sentence(self, sentence: Sentence) -> None:
        self.participants.notice(sentence.speaker.speaker, speaking=True)
        at_ms = sentence.start_ms if sentence.placed == "neighbours" else sentence.ts_zoom
        self._learn(MediaKind.TRANSCRIPT, at_ms)

    def _hear_message(self, message: ChatLine) -> None:
        self.participants.notice(message.speaker, speaking=False)
        self._learn(MediaKind.CHAT, message.timestamp_ms)

    def _learn(self, kind: MediaKind, at_ms: int) -> None:
        self.newest_ms[kind] = max(self.newest_ms.get(kind, at_ms), at_ms)


_DECODERS: Mapping[Any, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Sentence, ChatLine, Happened)
}


def events_in(folder: Folder) -> Iterator[Happened]:
    """What happened in a recorded stream. Blocks; raises OSError."""
    yield from _read(folder, EVENTS, Happened)


def _read(folder: Folder, name: str, kind: Any) -> Iterator[Any]:
    """The lines of a file; what another version wrote, and this one does not know, is left out."""
    decode = _DECODERS[kind].decode
    for line in folder.lines(name):
        try:
            yield decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
