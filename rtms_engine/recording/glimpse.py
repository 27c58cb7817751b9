"""The newest picture of a recording, small: what somebody sees who looks in while it grows.

Everything here blocks, and decodes: it is for a thread of its own, never for the one that records. A look
costs what came since the last key frame, however long the recording is. Used from one thread.
"""

from collections import OrderedDict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, cast

import av
import av.error

from ..vault import files
from . import mp4

WIDTH = 640
"""Pixels; what is smaller stays as it is."""
MOST_DECODED = 120
"""Pictures from a key frame on; where more have come since, the key frame itself is shown."""
MOST_PIXELS = 40_000_000
"""Larger than any screen; a file that claims more is not decoded."""
MOST_BYTES = 64_000_000
"""Of one file that is a picture."""
MOST_FILES = 500
"""Of which it is remembered how far they were read."""

Source = Literal["video", "share"]
"""The camera's folder, and the shared screen's."""


class Glimpse(NamedTuple):
    """One picture."""

    at_ms: int
    """When it was taken, Unix milliseconds of Zoom's clock."""
    jpeg: bytes


class _Place(NamedTuple):
    """How far a growing file was read."""

    inode: int
    end: int
    """Behind the last whole fragment."""
    key_at: int
    """Where the last fragment begins in which decoding can begin; 0 if there is none."""
    newest_ms: int
    """Of the file's own time: where its last picture ends."""


class Looker:
    """Looks into recordings, again and again."""

    def __init__(self) -> None:
        self._places: OrderedDict[Path, _Place] = OrderedDict()

    def newest(self, folder: Path, source: Source) -> Glimpse | None:
        """The newest picture in a recording's folder; None if there is none that can be shown.

        Raises OSError.
        """
        stills = sorted((_time_of(path), path) for path in (folder / source).glob("[0-9]*-*.*"))
        film = max((folder / source).glob(f"*-[0-9]*{_MP4}"), key=_number_of, default=None)
        label = mp4.read_label(film) if film else None
        if film and label:
            place = self._look_at(film)
            if place.key_at and (not stills or stills[-1][0] <= label.t0_ms + place.newest_ms):
                return _of_film(film, place.key_at, label.t0_ms)
        return _of_still(*stills[-1]) if stills else None

    def _look_at(self, film: Path) -> _Place:
        """Read on where the last look ended; a file that was replaced is read anew."""
        inode = film.stat().st_ino
        before = self._places.get(film)
        place = before if before and before.inode == inode else _Place(inode, 0, 0, 0)
        for found in mp4.fragments(film, place.end):
            key_at = found.start if found.has_key else place.key_at
            place = _Place(inode, found.end, key_at, found.at_ms + found.duration_ms)
        self._places[film] = place
        self._places.move_to_end(film)
        if len(self._places) > MOST_FILES:
            self._places.popitem(last=False)
        return place


_MP4 = ".mp4"


def _time_of(still: Path) -> int:
    """``{timestamp}-{user}``: see `recording.video`."""
    return int(still.stem.partition("-")[0])


def _number_of(film: Path) -> int:
    number = film.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _of_film(film: Path, start: int, t0_ms: int) -> Glimpse | None:
    units: list[mp4.Picture] = []
    for picture, _ in mp4.pictures(film, start):
        units = [picture] if picture.is_key else [*units[:MOST_DECODED], picture]
    if len(units) > MOST_DECODED:
        units = units[:1]
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = mp4.read_configuration(film)
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MOST_PIXELS), "skip_loop_filter": "all"}
    newest = _last(decoder, [unit.data for unit in units])
    return Glimpse(t0_ms + units[-1].at_ms, _jpeg(newest)) if newest else None


_DECODERS = {".jpg": "mjpeg", ".png": "png"}


def _of_still(at_ms: int, path: Path) -> Glimpse | None:
    if path.suffix not in _DECODERS or files.size_of(path) > MOST_BYTES:
        return None
    decoder = cast(av.VideoCodecContext, av.CodecContext.create(_DECODERS[path.suffix], "r"))
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MOST_PIXELS)}
    newest = _last(decoder, [files.read(path)])
    return Glimpse(at_ms, _jpeg(newest)) if newest else None


def _last(decoder: av.VideoCodecContext, units: list[bytes]) -> av.VideoFrame | None:
    newest = None
    for frame in _decoded(decoder, units):
        newest = frame
    return newest


def _decoded(decoder: av.VideoCodecContext, units: list[bytes]) -> Iterator[av.VideoFrame]:
    try:
        for unit in units:
            yield from decoder.decode(av.Packet(unit))
        yield from decoder.decode(None)
    except (av.error.FFmpegError, ValueError):  # pictures that are damaged: those before them count
        return


def _jpeg(frame: av.VideoFrame) -> bytes:
    scale = min(1.0, WIDTH / frame.width)
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = (max(round(n * scale / 2) * 2, 2) for n in (frame.width, frame.height))
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuvj420p", Fraction(1, 25), 1
    encoder.options = {"qmin": "3", "qmax": "6"}
    small = frame.reformat(encoder.width, encoder.height, format="yuvj420p")
    small.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
