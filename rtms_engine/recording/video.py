"""Pictures: H.264 into MP4 as it came, JPEG and PNG as files.

No picture is encoded anew. An MP4 file is fragmented, a fragment a second, so that it plays while
it grows and after the process was killed; it begins with a key frame, and another one begins
whenever the parameter sets change (a new resolution, often a new person). Its time is Zoom's,
counted from t0: where nothing came, the last picture stands.
"""

import contextlib
import errno
import io
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import av
import msgspec
from av.container import InputContainer

from ..model.events import Participant
from ..model.frames import ShareFrame, Speaker, VideoFrame
from .folder import Folder, replacing
from .h264 import AccessUnit, AccessUnits, KeyFrameGate, annex_b, looks_like_annex_b
from .manifest import Artefact, Skipped
from .timeline import Timeline

_MILLISECONDS = Fraction(1, 1000)
_USUAL_DURATION_MS = 40
_LONGEST_DURATION_MS = 1000
"""How long the last picture is shown at most."""
_MUXER_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
    "frag_duration": "1000000",  # µs; without it a whole group of pictures waits in memory
    "avoid_negative_ts": "disabled",  # with frag_discont: do not move the first picture to 0
}
_MAGIC = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"))


class BadPictureError(Exception):
    """A key frame that no decoder understands."""


class PictureSourceChanged(msgspec.Struct, frozen=True, tag="picture_source_changed", tag_field="type"):
    """From here on the pictures are somebody else's: a line of ``events.jsonl``."""

    timestamp_ms: int
    kind: str
    participant: Participant


class Mp4File:
    """A fragmented MP4 file with one H.264 track.

    Args:
        key_frame: an access unit that holds its parameter sets.
        t0_ms: Unix milliseconds of the file's time 0.

    Raises:
        BadPictureError: before there is a file, if the parameter sets make no sense.
        OSError: here as in all methods.
    """

    def __init__(self, folder: Folder, stem: str, key_frame: AccessUnit, t0_ms: int) -> None:
        with _probe(key_frame) as source:
            template = source.streams.video[0]
            self.size = (template.width, template.height)
            self.path = folder.claim(stem, ".mp4")
            self._file = self.path.open("wb")
            self._container = av.open(self._file, "w", format="mp4", options=_MUXER_OPTIONS)
            self._stream = self._container.add_stream_from_template(template)
        self._t0_ms = t0_ms
        self.access_units = 0
        self.start_ms = self._last_ms = key_frame.timestamp_ms
        self.duration_ms = _USUAL_DURATION_MS

    def write(self, unit: AccessUnit) -> None:
        """Add a picture. One that is not later than the last is put a millisecond behind it."""
        at_ms = unit.timestamp_ms
        if self.access_units:
            at_ms = max(at_ms, self._last_ms + 1)
            self.duration_ms = min(at_ms - self._last_ms, _LONGEST_DURATION_MS)
        packet = av.Packet(annex_b(unit.nals))
        packet.stream = self._stream
        packet.time_base = _MILLISECONDS
        packet.pts = packet.dts = at_ms - self._t0_ms
        packet.duration = self.duration_ms
        packet.is_keyframe = unit.is_idr
        with _ffmpeg_errors_as_os_errors():
            self._container.mux(packet)
        self._last_ms = at_ms
        self.access_units += 1

    def flush(self) -> None:
        """Hand what is finished to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Write what is left and let go of the file, also if that fails."""
        with self._file, _ffmpeg_errors_as_os_errors():
            self._container.close()

    def begin_at(self, t0_ms: int) -> None:
        """Make a closed file count from the recording's t0, if that has moved since it was opened."""
        if t0_ms == self._t0_ms:
            return
        with (
            _ffmpeg_errors_as_os_errors(),
            av.open(str(self.path)) as old,
            replacing(self.path) as file,
            av.open(file, "w", format="mp4", options=_MUXER_OPTIONS) as new,
        ):
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(video=0):
                if packet.pts is not None and packet.time_base is not None:
                    later = round((self._t0_ms - t0_ms) * _MILLISECONDS / packet.time_base)
                    packet.pts = packet.dts = packet.pts + later
                    packet.stream = stream
                    new.mux(packet)
        self._t0_ms = t0_ms

    @property
    def end_ms(self) -> int:
        """Unix milliseconds at which the last picture ends."""
        return self._last_ms + self.duration_ms


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
        self._files: list[Mp4File] = []
        self._current: tuple[Mp4File, tuple[bytes, ...]] | None = None
        """The file that is being written, and the parameter sets that hold in it."""
        self._speaker = Speaker()

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
            self._folder.claim(stem, suffix).write_bytes(frame.payload)
            return self._note_source(frame)
        elif frame.codec == "h264" or looks_like_annex_b(frame.payload):
            changed = self._note_source(frame)
            self._write_units(self._units.feed(frame.payload, frame.timestamp_ms))
            return changed
        else:
            self._skipped.bad_pictures += 1
        return None

    def interrupt(self) -> None:
        """Pictures may be missing from here on: nothing until the next key frame."""
        self._write_units(self._units.flush())
        self._gate.close()

    def flush(self) -> None:
        """Hand what is finished to the operating system; once per batch."""
        if self._current:
            self._current[0].flush()

    def close(self) -> None:
        """Finish the files, and let go of the one that is open whatever happens."""
        try:
            self._write_units(self._units.flush())
        finally:
            self._close_current()
        for file in self._files:
            file.begin_at(self._timeline.t0_ms)

    def artefacts(self) -> list[Artefact]:
        """The files, described. Blocks; raises OSError."""
        return [*map(self._describe, self._files), *self._still_pictures()]

    def _note_source(self, frame: VideoFrame | ShareFrame) -> PictureSourceChanged | None:
        speaker, self._speaker = self._speaker, frame.speaker
        if speaker.user_id == frame.speaker.user_id:
            return None
        self.interrupt()
        return PictureSourceChanged(
            frame.timestamp_ms, self._kind, Participant(frame.speaker.user_id, frame.speaker.name)
        )

    def _write_units(self, units: list[AccessUnit]) -> None:
        for unit in units:
            if not self._gate.admits(unit):
                self._skipped.pictures_before_key_frame += unit.is_picture
            elif unit.is_picture:
                try:
                    self._file_for(unit).write(unit)
                except BadPictureError:
                    self._skipped.bad_pictures += 1
                    self._gate.close()

    def _file_for(self, unit: AccessUnit) -> Mp4File:
        sets = self._gate.parameter_sets
        if self._current and (self._current[1] == sets or not unit.is_idr):
            return self._current[0]
        self._close_current()
        stem = f"{self._directory}/{self._kind}-{len(self._files) + 1:03}"
        key_frame = AccessUnit(unit.timestamp_ms, sets + unit.nals)
        file = Mp4File(self._folder, stem, key_frame, self._timeline.t0_ms)
        self._current = (file, sets)
        self._files.append(file)
        return file

    def _close_current(self) -> None:
        current, self._current = self._current, None
        if current:
            current[0].close()

    def _describe(self, file: Mp4File) -> Artefact:
        return Artefact.of(
            self._folder,
            file.path,
            self._kind,
            start_ms=file.start_ms,
            end_ms=file.end_ms,
            width=file.size[0],
            height=file.size[1],
            access_units=file.access_units,
        )

    def _still_pictures(self) -> Iterator[Artefact]:
        """Read from the folder: a memory of every picture would grow with the meeting."""
        for path in sorted((self._folder.path / self._directory).glob("*")):
            named = re.match(r"(\d+)-(\d+)", path.stem)
            if named:
                timestamp_ms, user_id = map(int, named.groups())
                yield Artefact.of(
                    self._folder,
                    path,
                    f"{self._kind}_picture",
                    user_id=user_id,
                    start_ms=timestamp_ms,
                    end_ms=timestamp_ms,
                )


@contextlib.contextmanager
def _ffmpeg_errors_as_os_errors() -> Iterator[None]:
    """What FFmpeg cannot write here, it cannot write to the disk; sometimes it forgets to say why."""
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(errno.EIO, f"the video cannot be written ({error.strerror})") from error


def _probe(key_frame: AccessUnit) -> InputContainer:
    """Let FFmpeg read the parameter sets: the size of the picture, and what MP4 wants to know."""
    try:
        source = av.open(io.BytesIO(annex_b(key_frame.nals)), "r", format="h264")
    except av.FFmpegError as error:
        raise BadPictureError from error
    if source.streams.video and source.streams.video[0].width:
        return source
    source.close()
    raise BadPictureError
