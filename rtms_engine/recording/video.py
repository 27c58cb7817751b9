"""Pictures: H.264 into MP4 as it came, JPEG and PNG as files.

No picture is encoded anew. An MP4 file is fragmented, a fragment a batch (`mp4`), so that it plays
while it grows and after the process was killed; it begins with a key frame, and another one begins
whenever the parameter sets change (a new resolution, often a new person) and after a gap. Its time is Zoom's,
counted from t0: where nothing came, the last picture stands.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import msgspec

from ..model.events import Participant
from ..model.frames import ShareFrame, Speaker, VideoFrame
from ..vault.files import Appended
from . import mp4
from .folder import Folder
from .h264 import (
    AccessUnit,
    AccessUnits,
    BadAccessUnitError,
    KeyFrameGate,
    length_prefixed,
    looks_like_annex_b,
)
from .label import Label
from .manifest import Artefact, Skipped
from .parameter_sets import ParameterSets, configuration
from .timeline import Timeline

_USUAL_DURATION_MS = 40
_LONGEST_DURATION_MS = 1000
"""How long the last picture is shown at most."""
_COMPLETE_AFTER_MS = 2000
"""The parts of one access unit come sooner after each other."""
_GAP_MS = 5_000
"""A key frame so long after the last picture begins another file: the camera was off."""
_MOST_FILES = 10_000
"""More than a meeting of hours has; whoever sends new parameter sets with each picture gets no more."""
_MAGIC = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"))


class PictureSourceChanged(msgspec.Struct, frozen=True, tag="picture_source_changed", tag_field="type"):
    """From here on the pictures are somebody else's: a line of ``events.jsonl``."""

    timestamp_ms: int
    kind: str
    participant: Participant


class Mp4File:
    """A fragmented MP4 file with one H.264 track, which is whole after every `flush`.

    It holds no resource. All methods that write raise OSError, and block.
    """

    def __init__(self, path: Path, label: Label) -> None:
        self.path = path
        self.label = label
        self._growing = Appended(path)
        self._pending: list[mp4.Picture] = []
        self._fragments = 0
        self._last_ms: int | None = None
        self._duration_ms = _USUAL_DURATION_MS
        self._shown: dict[int, str] = {}
        """Whose pictures this process has written: names by user id."""

    @classmethod
    def create(cls, folder: Folder, stem: str, sets: ParameterSets, t0_ms: int, kind: str) -> Self:
        """Begin a file with a header alone.

        Args:
            folder: where.
            stem: of the name.
            sets: of the pictures that will be in it.
            t0_ms: Unix milliseconds of the file's time 0.
            kind: of the label.

        Raises:
            OSError: it cannot be written.
        """
        width, height = sets.active.width, sets.active.height
        label = Label(t0_ms, kind, width=width, height=height)
        file = cls(folder.claim(stem, ".mp4"), label)
        file._append(mp4.header(width, height, configuration(sets)) + mp4.label_box(label))
        return file

    def write(self, unit: AccessUnit, speaker: Speaker) -> None:
        """Add a picture of somebody. One that is not later than the last is put a millisecond behind it."""
        self._shown[speaker.user_id] = speaker.name
        at_ms = unit.timestamp_ms
        if self._last_ms is not None:
            at_ms = max(at_ms, self._last_ms + 1)
            self._duration_ms = min(at_ms - self._last_ms, _LONGEST_DURATION_MS)
        self._last_ms = at_ms
        nals = length_prefixed(unit.nals)
        self._pending.append(mp4.Picture(at_ms - self.label.t0_ms, unit.is_idr, nals))

    def flush(self) -> None:
        """Put what came since the last time into the file, all of it or nothing."""
        if self._pending:
            self._append(mp4.fragment(self._fragments + 1, self._pending, self._duration_ms))
            self._fragments += 1
            self._pending = []

    def whose(self) -> dict[str, Any]:
        """The only participant whose pictures are in it; empty if there are several, or it is not known."""
        if len(self._shown) != 1:
            return {}
        [(user_id, name)] = self._shown.items()
        return {"user_id": user_id, "name": name}

    @property
    def newest_ms(self) -> int | None:
        """Unix milliseconds of the last picture that this process has written."""
        return self._last_ms

    def begin_at(self, t0_ms: int) -> None:
        """Make a flushed file count from the recording's t0, if that has moved since."""
        if t0_ms != self.label.t0_ms:
            label = self.label.at(t0_ms)
            mp4.relabel(self.path, label, self.label.t0_ms - t0_ms)
            self.label = label

    def span(self) -> dict[str, Any]:
        """What is in the file, for the manifest."""
        fragments = mp4.fragments(self.path)
        if not fragments:
            return {"access_units": 0}
        first, last = fragments[0], fragments[-1]
        return {
            "start_ms": self.label.t0_ms + first.at_ms,
            "end_ms": self.label.t0_ms + last.at_ms + last.duration_ms,
            "access_units": sum(fragment.pictures for fragment in fragments),
        }

    def _append(self, data: bytes) -> None:
        self._growing.append(data)


class Pictures:
    """The pictures of one kind: camera or screen share."""

    def __init__(
        self,
        kind: Literal["camera", "share"],
        folder: Folder,
        timeline: Timeline,
        skipped: Skipped,
    ) -> None:
        self._kind = kind
        self._directory = "video" if kind == "camera" else "share"
        self._folder = folder
        self._timeline = timeline
        self._skipped = skipped
        self._units = AccessUnits()
        self._gate = KeyFrameGate()
        self._files = [
            Mp4File(path, label)
            for path in folder.files(self._directory, ".mp4")
            if (label := mp4.read_label(path))
        ]
        """All of them; what is in the folder already is written no more."""
        self._current: tuple[Mp4File, ParameterSets] | None = None
        """The file that is being written, and the parameter sets that hold in it."""
        self._is_torn = False
        """Whether pictures may be missing since the last one in that file."""
        self._speaker = Speaker()
        self._heard_ms = 0

    def write(self, frame: VideoFrame | ShareFrame) -> PictureSourceChanged | None:
        """Take a picture, or a part of one. Blocks; raises OSError.

        What it is, its first bytes say, not what was negotiated (V1.md §6.5).
        """
        suffix = next((suffix for magic, suffix in _MAGIC if frame.payload.startswith(magic)), "")
        if not frame.payload:
            self._skipped.empty_payloads += 1
        elif not self._timeline.holds(frame.timestamp_ms):
            self._skipped.impossible_timestamps += 1
        elif suffix:
            stem = f"{self._directory}/{frame.timestamp_ms}-{frame.speaker.user_id}"
            self._folder.store(stem, suffix, frame.payload)
            return self._note_source(frame)
        elif frame.codec == "h264" or looks_like_annex_b(frame.payload):
            changed = self._note_source(frame)
            self._heard_ms = frame.timestamp_ms
            self._write_units(self._units.feed(frame.payload, frame.timestamp_ms))
            return changed
        else:
            self._skipped.bad_pictures += 1
        return None

    def interrupt(self) -> None:
        """Pictures may be missing from here on: nothing until the next key frame, which begins a file."""
        self._cut()
        self._is_torn = True

    def flush(self) -> None:
        """Put into the files what has come; once per batch."""
        if self._timeline.newest_ms - self._heard_ms >= _COMPLETE_AFTER_MS:
            self._write_units(self._units.flush())
        if self._current:
            self._current[0].flush()
        for file in self._files:
            file.begin_at(self._timeline.t0_ms)

    def close(self) -> None:
        """Finish the files."""
        self._write_units(self._units.flush())
        self.flush()

    def files(self) -> list[Mp4File]:
        """All MP4 files."""
        return self._files

    @property
    def newest_ms(self) -> int | None:
        """Unix milliseconds at which the last picture in the folder ends; None if there is none."""
        ends = [span["end_ms"] for file in self._files if "end_ms" in (span := file.span())]
        return max([*ends, *(picture.timestamp_ms for picture in self._stills())], default=None)

    def artefacts(self) -> list[Artefact]:
        """The files, described. Blocks; raises OSError."""
        stills = f"{self._kind}_picture"
        return [
            *(
                Artefact.of(self._folder, file.path, file.label, **file.span(), **file.whose())
                for file in self._files
            ),
            *(
                Artefact.of(
                    self._folder, path, stills, user_id=user_id, start_ms=timestamp_ms, end_ms=timestamp_ms
                )
                for path, timestamp_ms, user_id in self._stills()
            ),
        ]

    def _note_source(self, frame: VideoFrame | ShareFrame) -> PictureSourceChanged | None:
        if self._speaker.user_id == frame.speaker.user_id:
            self._speaker = frame.speaker
            return None
        self._cut()
        self._speaker = frame.speaker
        self._gate = KeyFrameGate()  # parameter sets are those of one camera
        return PictureSourceChanged(
            frame.timestamp_ms, self._kind, Participant(frame.speaker.user_id, frame.speaker.name)
        )

    def _cut(self) -> None:
        """What comes next does not build on what came until now."""
        self._write_units(self._units.flush())
        self._gate.close()

    def _write_units(self, units: list[AccessUnit]) -> None:
        for unit in units:
            try:
                if not self._gate.admits(unit):
                    self._skipped.pictures_before_key_frame += unit.is_picture
                elif unit.is_picture:
                    self._file_for(unit).write(unit, self._speaker)
            except BadAccessUnitError:
                self._skipped.bad_pictures += 1

    def _file_for(self, unit: AccessUnit) -> Mp4File:
        if self._current and not (unit.is_idr and self._begins_file(unit, *self._current)):
            return self._current[0]
        sets = self._gate.parameter_sets
        if sets is None or len(self._files) >= _MOST_FILES:
            self._gate.close()
            raise BadAccessUnitError
        if self._current:
            self._current[0].flush()
        number = int(self._files[-1].path.stem.rpartition("-")[2]) + 1 if self._files else 1
        stem = f"{self._directory}/{self._kind}-{number:03}"
        file = Mp4File.create(self._folder, stem, sets, self._timeline.t0_ms, self._kind)
        self._current = file, sets
        self._is_torn = False
        self._files.append(file)
        return file

    def _begins_file(self, key_frame: AccessUnit, file: Mp4File, sets: ParameterSets) -> bool:
        """Whether this key frame does not go on with what is being written."""
        last_ms = file.newest_ms
        is_late = last_ms is not None and key_frame.timestamp_ms - last_ms >= _GAP_MS
        return self._is_torn or is_late or self._gate.parameter_sets != sets

    def _stills(self) -> Iterator["_Still"]:
        """Read from the folder: a memory of every picture would grow with the meeting."""
        for path in sorted((self._folder.path / self._directory).glob("*")):
            if named := re.match(r"(\d+)-(\d+)", path.stem):
                yield _Still(path, *map(int, named.groups()))


class _Still(NamedTuple):
    """A picture that is a file."""

    path: Path
    timestamp_ms: int
    user_id: int
