"""One stream on its way into one folder. Everything here blocks.

The folder can be used at any moment. Its manifest says ``recording`` until the stream has ended.
"""

import itertools
from collections.abc import Callable, Collection, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, TypeGuard

import msgspec

from ..model.events import ConnectionLost, GapNoted, MediaConnectionInterrupted
from ..model.frames import KIND_OF_FRAME, AudioFrame, Frame, ShareFrame, TranscriptSegment, VideoFrame
from ..model.ids import path_safe
from ..model.media import ALL_KINDS, MediaKind
from ..model.reasons import Outcome
from ..sinks.base import Ending, Item, StreamInfo
from . import manifest
from .audio import Audio
from .drift import ClockDrift
from .encoding import Sound
from .erasure import erase, unbegun, vanish
from .folder import Folder
from .interruptions import ENGINE_RESTARTED, Restart
from .log import CHAT, CHAT_NOW, EVENTS, PARTICIPANTS, RECALL, SPEAKERS, TRANSCRIPT, Log
from .manifest import Artefact, Billing, Dropped, Manifest, Media, Skipped, State, Stop
from .repair import repair
from .subtitles import SRT, VTT
from .timeline import Timeline
from .video import Mp4File, Pictures
from .wav import WavFile

_TEXTS = {
    TRANSCRIPT: "transcript",
    VTT: "subtitles",
    SRT: "subtitles",
    RECALL: "transcript_words",
    SPEAKERS: "speaker_timeline",
    CHAT: "chat",
    CHAT_NOW: "chat_messages",
    EVENTS: "events",
    PARTICIPANTS: "participants",
}
"""The files of text, where there are any, and what they are in the manifest."""
Timed = AudioFrame | VideoFrame | ShareFrame | TranscriptSegment
"""What shares the media clock."""


class Recorder:
    """The tracks of one recording. All methods raise OSError.

    Args:
        folder: a new one, or one in which an earlier engine recorded the same stream. That recording
            is continued: its files are made whole and stay, its time goes on, its texts grow, and sound
            and pictures go to new files beside the old ones.
        stream: what is recorded.
        sound: what the files of sound are to become; None: what an earlier engine was asked for.
    """

    def __init__(self, folder: Folder, stream: StreamInfo, sound: Sound | None = None) -> None:
        """Raises BlockingIOError if another process writes to the folder."""
        self.folder = folder
        self._hold = folder.hold()
        earlier = manifest.load(folder.path)
        if earlier:
            repair(folder.path)
        folder.reserve()
        self._begun = manifest.begun(stream, earlier, sound)
        self._timeline = Timeline(self._begun.t0_ms)
        self._skipped = self._begun.skipped or Skipped()
        self._audio = Audio(folder, self._timeline, self._skipped, stream.media.audio, self._begun.artefacts)
        self._clocks = {kind: ClockDrift() for kind in (MediaKind.AUDIO, MediaKind.VIDEO, MediaKind.SHARE)}
        self._camera = Pictures("camera", folder, self._timeline, self._skipped)
        self._share = Pictures("share", folder, self._timeline, self._skipped)
        self._log = Log(folder)
        self._restart = Restart({}, 0, ())
        if earlier:
            self._restart = self._continue(earlier, stream.kinds)
        self._save_manifest("recording", lasting=earlier is not None)
        self._saved_marks = self._marks

    @property
    def newest_ms(self) -> int:
        """Unix milliseconds of the newest medium."""
        return self._timeline.newest_ms

    def write(self, batch: Sequence[Item]) -> None:
        """Take a batch."""
        newest_ms = self.newest_ms
        sounds = [item for item in batch if isinstance(item, AudioFrame)]
        others = [item for item in batch if not isinstance(item, AudioFrame)]
        self._learn([*sounds, *(item for item in others if _is_timed(item))])
        for heard in self._audio.write(sounds):
            self._log.take(heard)
        for item in others:
            if isinstance(item, TranscriptSegment):
                self._take_segment(item, batch, newest_ms)
            else:
                self._take(item)
        if self._restart.is_open:
            for gap in self._restart.hear([item for item in batch if self._is_possible(item)]):
                self._log.take(gap)
        for pictures in (self._camera, self._share):
            pictures.flush()
        self._log.flush(self._timeline.t0_ms)
        marks = self._marks
        if marks != self._saved_marks:
            self._save_manifest("recording")
            self._saved_marks = marks

    def close(self, ending: Ending, failure: str) -> str:
        """Finish everything that can be finished, or erase it if that is how the stream ended.

        Args:
            ending: how the stream ended.
            failure: what went wrong before; empty if nothing did.

        Returns:
            What kept the recording from being complete; empty if it is.
        """
        try:
            self.folder.release_reserve()
            self._audio.rest()
            if ending.stop_reason.outcome is Outcome.ERASE:
                self._erase(ending)
                return ""
            return self._finish(ending, failure)
        finally:
            self._audio.rest()
            self._hold.release()

    def _finish(self, ending: Ending, failure: str) -> str:
        t0_ms = self._timeline.t0_ms
        over: dict[str, Any] = {
            "ended_ms": ending.timestamp_ms,
            "stop_reason": Stop.of(ending.stop_reason, ending.detail),
            "failure": failure or self._begun.failure,
        }
        for gap in self._restart.end(ending.timestamp_ms):
            self._log.take(gap)
        problems = _problems_of(
            partial(self._save_manifest, "processing", **over),
            *(partial(wav.close, t0_ms) for wav in self._audio.files()),
            self._camera.close,
            self._share.close,
            partial(self._log.flush, t0_ms),
            partial(self._log.save_subtitles, t0_ms),
            partial(self._log.save_speakers, ending.timestamp_ms, t0_ms),
            self._log.save_chat,
            self._log.save_participants,
            *(() if ending.is_released else (partial(self._audio.finish, self._begun.sound),)),
        )
        artefacts = self._artefacts()
        problems += [f"{a.path} cannot be read" for a in artefacts if a.state == "failed"]
        incomplete = failure or "; ".join(problems)
        over["failure"] = incomplete or self._begun.failure
        self._save_manifest(
            "failed" if over["failure"] else "done",
            **over,
            participants=self._log.participants.everybody(),
            artefacts=artefacts,
            skipped=self._skipped,
            clock_drift_ppm={
                kind: ppm for kind, clock in self._clocks.items() if (ppm := clock.ppm) is not None
            },
            billing=Billing.estimate(self._log.granted, self._begun.started_ms, ending.timestamp_ms),
        )
        return incomplete

    def _continue(self, earlier: Manifest, kinds: Collection[MediaKind]) -> Restart:
        """Go on where an earlier engine ended: the files tell, since it may not have had the time to."""
        for speaker in self._audio.speakers():
            self._log.participants.notice(speaker, speaking=True)
        newest_ms = {
            MediaKind.AUDIO: self._audio.newest_ms,
            MediaKind.VIDEO: self._camera.newest_ms,
            MediaKind.SHARE: self._share.newest_ms,
            **self._log.newest_ms,
        }
        known_ms = {kind: at_ms for kind, at_ms in newest_ms.items() if at_ms is not None}
        labels = [file.label for file in self._tracks]
        t0_ms = min((label.t0_ms for label in labels), default=earlier.t0_ms)
        self._timeline.resume(t0_ms, max(known_ms.values(), default=None), is_fixed=self._audio.is_encoded)
        is_over = earlier.stop_reason is not None and earlier.stop_reason.code
        return Restart(known_ms, t0_ms, () if is_over else kinds)

    def _learn(self, timed: Sequence[Timed]) -> None:
        """Take notice of the times of a batch, before any of it is placed."""
        received_at = max([item.received_at for item in timed], default=0.0)
        self._timeline.learn([item.timestamp_ms for item in timed], received_at)
        for last in {type(item): item for item in timed}.values():
            clock = self._clocks.get(KIND_OF_FRAME[type(last)])
            if clock and self._timeline.holds(last.timestamp_ms):
                clock.note(last.timestamp_ms, last.received_at)

    def _take(self, item: Item) -> None:
        match item:
            case VideoFrame() | ShareFrame():
                pictures = self._camera if isinstance(item, VideoFrame) else self._share
                if changed := pictures.write(item):
                    self._log.take(changed)
            case ConnectionLost(leg=leg):
                self._interrupt([kind for kind in MediaKind if leg in (kind, "all")])
            case MediaConnectionInterrupted(kinds=kinds):
                self._interrupt(kinds or ALL_KINDS)
            case GapNoted(kind=kind, cause=cause) if cause == ENGINE_RESTARTED:
                self._restart.told(kind)
            case _:
                pass
        self._log.take(item)

    def _take_segment(self, segment: TranscriptSegment, batch: Sequence[Item], newest_ms: int) -> None:
        """Take a sentence, without the times that cannot be those of this stream.

        Args:
            segment: the sentence.
            batch: what came with it.
            newest_ms: Unix milliseconds of the newest medium before the batch.
        """
        holds = self._timeline.holds
        believed = msgspec.structs.replace(
            segment,
            start_ms=segment.start_ms if segment.start_ms is not None and holds(segment.start_ms) else None,
            end_ms=segment.end_ms if segment.end_ms is not None and holds(segment.end_ms) else None,
            is_timed=segment.is_timed and holds(segment.timestamp_ms),
        )
        if not believed.is_timed:
            before = itertools.takewhile(lambda item: item is not segment, batch)
            times = [item.timestamp_ms for item in before if _is_timed(item) and holds(item.timestamp_ms)]
            newest_ms = max([newest_ms, *times])
        self._log.take(believed, newest_ms)

    def _is_possible(self, item: Item) -> TypeGuard[Frame]:
        if isinstance(item, TranscriptSegment) and not item.is_timed:
            return False
        return isinstance(item, Frame) and self._timeline.holds(item.timestamp_ms)

    def _interrupt(self, kinds: Collection[MediaKind]) -> None:
        if MediaKind.VIDEO in kinds:
            self._camera.interrupt()
        if MediaKind.SHARE in kinds:
            self._share.interrupt()

    @property
    def _marks(self) -> tuple[Any, ...]:
        """What is not the same if the facts are not."""
        log = self._log
        known = log.interruptions
        return (
            self._timeline.t0_ms,
            known.gaps,
            known.reconnects,
            dict(log.granted),
            dict(log.refused),
            log.dropped.total(),
            len(self._tracks),
        )

    @property
    def _facts(self) -> dict[str, Any]:
        """What of the manifest may change while the stream runs."""
        log = self._log
        return {
            "t0_ms": self._timeline.t0_ms,
            "media": Media(self._begun.media.requested, dict(log.granted), dict(log.refused)),
            "gaps": sorted(log.interruptions.gaps, key=attrgetter("start_ms")),
            "reconnects": list(log.interruptions.reconnects),
            "dropped": [Dropped(*whose, count) for whose, count in sorted(log.dropped.items())],
        }

    @property
    def _tracks(self) -> list[WavFile | Mp4File]:
        """The files of sound and moving pictures."""
        return [*self._audio.files(), *self._camera.files(), *self._share.files()]

    def _save_manifest(self, state: State, *, lasting: bool = True, **changes: Any) -> None:
        listed = {artefact.path: artefact for artefact in self._begun.artefacts}
        tracks = [Artefact.begun(self.folder, file.path, file.label) for file in self._tracks]
        begun = [listed.get(track.path, track) for track in tracks]
        now = {**self._facts, "state": state, "failure": "", "artefacts": begun, **changes}
        manifest.save(self.folder, msgspec.structs.replace(self._begun, **now), lasting=lasting)

    def _artefacts(self) -> list[Artefact]:
        texts = ((self.folder.path / name, kind) for name, kind in _TEXTS.items())
        return [
            *self._audio.artefacts(self._log.participants),
            *self._camera.artefacts(),
            *self._share.artefacts(),
            *(Artefact.of(self.folder, path, kind) for path, kind in texts if path.exists()),
        ]

    def _erase(self, ending: Ending) -> None:
        """Delete this and every earlier recording of the stream, but for the fact that it was there."""
        begun = msgspec.structs.replace(
            self._begun, ended_ms=ending.timestamp_ms, stop_reason=Stop.of(ending.stop_reason)
        )
        root = self.folder.path.parents[2]
        earlier = manifest.recordings_of(root, begun.entity_id, begun.rtms_stream_id)
        others = [path for path in earlier if path != self.folder.path]
        for path in others:
            erase(path, begun, "revoked", ending.timestamp_ms)
        if not (others and vanish(self.folder.path)):
            erase(self.folder.path, begun, "revoked", ending.timestamp_ms)
        for path in unbegun(self.folder.path, path_safe(begun.rtms_stream_id)):
            vanish(path)


def _is_timed(item: Item) -> TypeGuard[Timed]:
    """Whether it shares the media clock."""
    return isinstance(item, AudioFrame | VideoFrame | ShareFrame) or (
        isinstance(item, TranscriptSegment) and item.is_timed
    )


def _problems_of(*steps: Callable[[], None]) -> list[str]:
    """Do all of it, whatever of it fails, and say what did."""
    problems = []
    for step in steps:
        try:
            step()
        except OSError as error:
            problems.append(str(error.strerror or error))
    return problems
