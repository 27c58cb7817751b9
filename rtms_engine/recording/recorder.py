"""One stream on its way into one folder. Everything here blocks.

The folder can be used at any moment. Its manifest says ``recording`` until the stream has ended.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..model.events import (
    ConnectionLost,
    MediaConnectionInterrupted,
    MediaGranted,
    MediaRefused,
    ParticipantJoined,
    ParticipantLeft,
)
from ..model.frames import AudioFrame, ChatMessage, ShareFrame, TranscriptSegment, VideoFrame
from ..model.ids import path_safe
from ..model.media import ALL_KINDS, MediaKind
from ..model.reasons import Outcome
from ..sinks.base import Ending, Item, StreamInfo
from . import manifest
from .audio import Audio
from .folder import Folder
from .manifest import Artefact, Manifest, Media, Skipped, State, Stop, Tombstone
from .participants import Participants
from .text import Transcript, chat_line, json_lines
from .timeline import Timeline
from .video import Pictures

_TEXTS = {
    "transcript.jsonl": "transcript",
    "transcript.vtt": "subtitles",
    "transcript.srt": "subtitles",
    "chat.jsonl": "chat",
    "events.jsonl": "events",
    "participants.json": "participants",
}
"""The files of text, where there are any, and what they are in the manifest."""
_TIMED = AudioFrame | VideoFrame | ShareFrame | TranscriptSegment
"""What shares the media clock."""


class Recorder:
    """The tracks of one recording. All methods raise OSError."""

    def __init__(self, root: Path, stream: StreamInfo) -> None:
        self.folder = Folder.create(root, stream)
        self._stream = stream
        self._timeline = Timeline(stream.started_ms)
        self._skipped = Skipped()
        self._audio = Audio(self.folder, self._timeline, self._skipped)
        self._camera = Pictures("camera", self.folder, self._timeline, self._skipped)
        self._share = Pictures("share", self.folder, self._timeline, self._skipped)
        self._transcript = Transcript()
        self._participants = Participants()
        requested = {kind: stream.media.of(kind) for kind in MediaKind if kind in stream.kinds}
        self._media = Media(requested, {}, {})
        self.folder.append("events.jsonl", b"")
        self._save_manifest("recording")

    def write(self, batch: Sequence[Item]) -> None:
        """Take a batch: each track opens its files once for all of it."""
        before = (self._timeline.t0_ms, self._media)
        self._timeline.learn([item.timestamp_ms for item in batch if isinstance(item, _TIMED)])
        self._audio.write(item for item in batch if isinstance(item, AudioFrame))
        lines: defaultdict[str, list[Any]] = defaultdict(list)
        for item in batch:
            self._take(item, lines)
        for pictures in (self._camera, self._share):
            pictures.flush()
        for name, values in lines.items():
            self.folder.append(name, json_lines(values))
        if "transcript.jsonl" in lines:
            self._save_subtitles()
        if before != (self._timeline.t0_ms, self._media):
            self._save_manifest("recording")

    def close(self, ending: Ending, failure: str) -> str:
        """Finish everything that can be finished, or erase it if that is how the stream ended.

        Args:
            ending: how the stream ended.
            failure: what went wrong before; empty if nothing did.

        Returns:
            What kept the recording from being complete; empty if it is.
        """
        t0_ms = self._timeline.t0_ms
        problems = _problems_of(
            *(partial(wav.close, t0_ms) for wav in self._audio.files()),
            self._camera.close,
            self._share.close,
        )
        if ending.stop_reason.outcome is Outcome.ERASE:
            self._erase(ending)
            return ""
        problems += _problems_of(self._save_participants, self._save_subtitles)
        incomplete = failure or "; ".join(problems)
        self._save_manifest("failed" if incomplete else "done", ending, incomplete)
        return incomplete

    def _take(self, item: Item, lines: defaultdict[str, list[Any]]) -> None:
        """Whatever of an item is not sound; ``lines`` are what it adds to the files of text."""
        match item:
            case AudioFrame():
                self._participants.notice(item.speaker, speaking=not item.mixed)
            case VideoFrame() | ShareFrame():
                self._participants.notice(item.speaker, speaking=False)
                pictures = self._camera if isinstance(item, VideoFrame) else self._share
                if changed := pictures.write(item):
                    lines["events.jsonl"].append(changed)
            case TranscriptSegment():
                self._participants.notice(item.speaker, speaking=True)
                lines["transcript.jsonl"].append(self._transcript.take(item))
            case ChatMessage():
                self._participants.notice(item.speaker, speaking=False)
                lines["chat.jsonl"].append(chat_line(item))
            case _:
                lines["events.jsonl"].append(item)
                self._hear(item)

    def _hear(self, event: Item) -> None:
        match event:
            case ParticipantJoined() | ParticipantLeft():
                self._participants.hear(event)
            case MediaGranted(kind=kind, params=params):
                granted = self._media.granted | {kind: params}
                self._media = msgspec.structs.replace(self._media, granted=granted)
            case MediaRefused(kind=kind, reason=reason):
                refused = self._media.refused | {kind: reason}
                self._media = msgspec.structs.replace(self._media, refused=refused)
            case ConnectionLost(leg=leg):
                self._interrupt([kind for kind in MediaKind if leg in (kind, "all")])
            case MediaConnectionInterrupted(kinds=kinds):
                self._interrupt(kinds or ALL_KINDS)
            case _:
                pass

    def _interrupt(self, kinds: Collection[MediaKind]) -> None:
        if MediaKind.VIDEO in kinds:
            self._camera.interrupt()
        if MediaKind.SHARE in kinds:
            self._share.interrupt()

    def _save_participants(self) -> None:
        everybody = msgspec.json.encode(self._participants.everybody())
        self.folder.replace("participants.json", msgspec.json.format(everybody, indent=2))

    def _save_subtitles(self) -> None:
        if not self._transcript.begun:
            return
        t0_ms, name_of = self._timeline.t0_ms, self._participants.name_of
        self.folder.replace("transcript.vtt", self._transcript.vtt(t0_ms, name_of).encode())
        self.folder.replace("transcript.srt", self._transcript.srt(t0_ms, name_of).encode())

    def _save_manifest(self, state: State, ending: Ending | None = None, failure: str = "") -> None:
        stream = self._stream
        manifest.save(
            self.folder,
            Manifest(
                schema_version=manifest.SCHEMA_VERSION,
                state=state,
                rtms_stream_id=stream.stream_id,
                entity_id=stream.entity_id,
                product=stream.product.name,
                app=stream.app,
                meeting_id=stream.meeting_id,
                account_id=stream.account_id,
                operator_id=stream.operator_id,
                started_ms=stream.started_ms,
                t0_ms=self._timeline.t0_ms,
                ended_ms=ending.timestamp_ms if ending else None,
                stop_reason=Stop.of(ending.stop_reason, ending.detail) if ending else None,
                failure=failure,
                media=self._media,
                participants=self._participants.everybody() if ending else [],
                artefacts=self._artefacts() if ending else [],
                skipped=self._skipped if ending else None,
            ),
        )

    def _artefacts(self) -> list[Artefact]:
        texts = ((self.folder.path / name, kind) for name, kind in _TEXTS.items())
        return [
            *self._audio.artefacts(self._participants),
            *self._camera.artefacts(),
            *self._share.artefacts(),
            *(Artefact.of(self.folder, path, kind) for path, kind in texts if path.exists()),
        ]

    def _erase(self, ending: Ending) -> None:
        """Delete this and every earlier recording of the stream, but for the fact that it was there."""
        for folder in {self.folder.path, *self._earlier_recordings()}:
            Folder(folder).empty()
            manifest.save(
                Folder(folder),
                Tombstone(
                    schema_version=manifest.SCHEMA_VERSION,
                    state="deleted",
                    rtms_stream_id=self._stream.stream_id,
                    product=self._stream.product.name,
                    started_ms=self._stream.started_ms,
                    ended_ms=ending.timestamp_ms,
                    stop_reason=Stop.of(ending.stop_reason),
                ),
            )

    def _earlier_recordings(self) -> Iterator[Path]:
        """Folders of the same stream: it was recorded in parts, perhaps on several days."""
        meeting = self.folder.path.parent
        names = f"*/{meeting.name}/{path_safe(self._stream.stream_id)}*/{manifest.NAME}"
        for path in meeting.parents[1].glob(names):
            if manifest.stream_of(path) == self._stream.stream_id:
                yield path.parent


def _problems_of(*steps: Callable[[], None]) -> list[str]:
    """Do all of it, whatever of it fails, and say what did."""
    problems = []
    for step in steps:
        try:
            step()
        except OSError as error:
            problems.append(str(error.strerror or error))
    return problems
