"""Tracks, subtitles and chapters become one MP4 file, which is there when all of it is."""

import contextlib
import heapq
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import av
import msgspec
from av.container import OutputContainer

from ..errors import ExportError
from ..model.events import SharingStopped
from ..recording import mp4
from ..vault.files import replacing
from .moving import MILLISECONDS, AnyPacket, CopiedTrack
from .slides import EncodedTrack
from .sound import SoundTrack
from .source import Pictures, Recording
from .titles import Chapter, Screen, chapters, screens

AudioCodec = Literal["aac", "opus", "none"]
Track = CopiedTrack | EncodedTrack | SoundTrack

_STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""What FFmpeg makes the track's default style of; the texts themselves are written here."""


class Wanted(msgspec.Struct, frozen=True):
    """What is to be in the file."""

    audio: AudioCodec = "aac"
    reencode: bool = False
    """Encode the video anew, in one format; else it stays as Zoom sent it."""
    slides_only: bool = False
    """Nothing but the series of single pictures."""


class Exported(msgspec.Struct, frozen=True):
    """What is in the file."""

    duration_ms: int
    tracks: list[str]
    chapters: int
    notes: list[str]
    """What whoever watches it should know."""
    problems: list[str]
    """What is missing, since it could not be read."""


class Subtitles(NamedTuple):
    """What is read, and in which language (ISO 639-2)."""

    texts: Sequence[Screen]
    language: str


Progress = Callable[[int, int], None]
"""Told how many milliseconds of how many are done."""


def export(recording: Recording, target: Path, wanted: Wanted, progress: Progress) -> Exported:
    """Write an MP4 file.

    Args:
        recording: it is only read.
        target: appears, or is replaced, when all of it is written.
        wanted: what is to be in it.
        progress: called often.

    Raises:
        ExportError: there is nothing to write, or it cannot be written.
    """
    problems = list(recording.unreadable)
    tracks = list(_tracks(recording, wanted, problems.append))
    if not tracks:
        raise ExportError(_why_nothing(recording, wanted))
    duration_ms = _duration_ms(recording, tracks)
    marks = [] if wanted.slides_only else _chapters(recording, duration_ms)
    texts = [] if wanted.slides_only else list(screens(recording.cues, duration_ms))
    try:
        with (
            replacing(target) as file,
            av.open(file.name, "w", "mp4", options={"movflags": "+faststart"}) as movie,
        ):
            subtitles = Subtitles(texts, recording.language)
            _mux(movie, recording.t0_ms, tracks, subtitles, marks, lambda at_ms: progress(at_ms, duration_ms))
        progress(duration_ms, duration_ms)
    except (av.FFmpegError, OSError) as error:
        raise ExportError(f"cannot write {target}: {error.strerror or error}") from error
    return Exported(
        duration_ms,
        [f"{track.title}: {track.codec}" for track in tracks] + ["Subtitles"] * bool(texts),
        len(marks),
        [note for track in tracks for note in _notes(track)],
        problems,
    )


def _tracks(recording: Recording, wanted: Wanted, problem: Callable[[str], None]) -> Iterator[Track]:
    stops_ms = sorted(
        max(event.timestamp_ms - recording.t0_ms, 0)
        for event in recording.happened
        if isinstance(event, SharingStopped)
    )
    if wanted.slides_only:
        for pictures in (recording.share, recording.camera):
            if pictures.stills:
                stills = msgspec.structs.replace(pictures, moving=[])
                yield EncodedTrack("Slides", stills, stops_ms, problem)
                return
        return
    if track := _track("Camera", recording.camera, [], wanted.reencode, problem):
        yield track
    if recording.sounds and wanted.audio != "none":
        yield SoundTrack(wanted.audio, recording.sounds, problem)
    if track := _track("Screen share", recording.share, stops_ms, wanted.reencode, problem):
        yield track


def _track(
    title: str, pictures: Pictures, stops_ms: Sequence[int], reencode: bool, problem: Callable[[str], None]
) -> CopiedTrack | EncodedTrack | None:
    """Copied if it can be."""
    if not pictures.moving and not pictures.stills:
        return None
    if pictures.stills or reencode:
        return EncodedTrack(title, pictures, stops_ms, problem)
    return CopiedTrack(title, pictures.moving)


def _why_nothing(recording: Recording, wanted: Wanted) -> str:
    if wanted.slides_only:
        return f"there are no single pictures in {recording.path}; --mp4 exports the rest"
    hint = ": --audio none leaves out the sound" if recording.sounds else ""
    return f"there is neither picture nor sound to export in {recording.path}{hint}"


def _duration_ms(recording: Recording, tracks: Sequence[Track]) -> int:
    ends = [track.duration_ms for track in tracks if isinstance(track, SoundTrack)]
    for pictures in (recording.camera, recording.share):
        ends += [still.at_ms for still in pictures.stills[-1:]]
        for file in pictures.moving:
            last = mp4.fragments(file.path)[-1]
            ends.append(last.at_ms + last.duration_ms + file.later_ms)
    return max(ends, default=0)


def _chapters(recording: Recording, duration_ms: int) -> list[Chapter]:
    return chapters(recording.happened, recording.cues, recording.t0_ms, duration_ms)


def _notes(track: Track) -> Iterator[str]:
    if isinstance(track, CopiedTrack) and track.formats > 1:
        yield (
            f"{track.title}: the pictures change their format, {track.formats} in all. FFmpeg and Chromium "
            "play that; if your player does not, use --reencode"
        )


def _mux(
    movie: OutputContainer,
    t0_ms: int,
    tracks: Sequence[Track],
    subtitles: Subtitles,
    marks: Sequence[Chapter],
    progress: Callable[[int], None],
) -> None:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        movie.metadata["creation_time"] = datetime.fromtimestamp(t0_ms / 1000, UTC).isoformat()
    for track in tracks:
        track.add_to(movie)
    streams = [track.packets() for track in tracks]
    if subtitles.texts:
        streams.append(_subtitles(movie, subtitles))
    movie.set_chapters(
        [
            {
                "id": number,
                "start": mark.start_ms,
                "end": mark.end_ms,
                "time_base": MILLISECONDS,
                "metadata": {"title": mark.title},
            }
            for number, mark in enumerate(marks, 1)
        ]
    )
    movie.start_encoding()
    for packet in heapq.merge(*streams, key=_at_ms):
        progress(max(_at_ms(packet), 0))
        movie.mux(packet)


def _subtitles(movie: OutputContainer, subtitles: Subtitles) -> Iterator[AnyPacket]:
    """A track of 3GPP Timed Text (ETSI TS 126 245 §5.17): each text behind its length."""
    stream = movie.add_stream("mov_text")
    stream.codec_context.subtitle_header = _STYLE
    stream.codec_context.time_base = stream.time_base = MILLISECONDS
    stream.metadata["handler_name"] = "Subtitles"
    stream.metadata["language"] = subtitles.language

    def packets() -> Iterator[AnyPacket]:
        for screen in subtitles.texts:
            text = screen.text.encode()
            packet = av.Packet(struct.pack(">H", len(text)) + text)
            packet.pts = packet.dts = screen.at_ms
            packet.time_base, packet.duration, packet.stream = MILLISECONDS, screen.duration_ms, stream
            yield packet

    return packets()


def _at_ms(packet: AnyPacket) -> int:
    at = packet.dts if packet.dts is not None else packet.pts or 0
    return round(at * 1000 * (packet.time_base or MILLISECONDS))
