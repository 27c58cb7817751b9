"""A track of pictures that is encoded: JPEG and PNG series, and H.264 where that is asked for.

All pictures are fitted into one frame, the largest width by the largest height that occurs. A camera that
sends nothing is black, a shared screen stands until sharing stops.
"""

import heapq
import io
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import PictureType

from ..errors import ExportError
from ..vault import files
from ..vault.files import for_library
from .moving import MILLISECONDS, AnyPacket
from .source import Moving, Pictures, Still

_LONGEST_SIDE = 4_096
_MOST_PIXELS = 64_000_000
"""More than any screen has; decoding it costs some hundred megabytes."""
_STANDS_MS = 10_000
"""A picture that stands longer is repeated: whoever seeks finds one."""
_LAST_MS = 1_000
_OFF_MS = 5_000
"""A camera that sends nothing for so long is off."""
_ENCODER: Final = "libx264"
_OPTIONS = {"preset": "veryfast", "crf": "23", "bf": "0", "rc-lookahead": "10"}
_DEMUXERS = {".jpg": "jpeg_pipe", ".png": "png_pipe"}
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""The markers behind which the size of a JPEG stands (ITU-T T.81, table B.1)."""

Shown = tuple[int, "av.VideoFrame | None"]
"""From when on, in milliseconds, and what: None is black."""


class EncodedTrack:
    """Pictures as H.264 by x264.

    Args:
        title: for players that show one.
        pictures: of which kind there are some.
        black_ms: when the screen goes black, if it is not already, in order.
        problem: told of each picture that cannot be shown.
    """

    def __init__(
        self, title: str, pictures: Pictures, black_ms: Sequence[int], problem: Callable[[str], None]
    ) -> None:
        self.title = title
        self.codec = "H.264, encoded"
        self._pictures = pictures
        self._black_ms = black_ms
        self._problem = problem
        self._size = _frame_size(pictures)
        self._fitters: dict[tuple[int, int, str], Graph] = {}

    def add_to(self, container: OutputContainer) -> None:
        """Make the track. Raises ExportError if this FFmpeg has no encoder for it."""
        try:
            self._stream = container.add_stream(_ENCODER, options=dict(_OPTIONS))
        except av.FFmpegError as error:
            raise ExportError(
                f"this build of PyAV has no encoder {_ENCODER}; the wheels on PyPI have it"
            ) from error
        context = self._stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = "yuv420p"
        context.time_base = MILLISECONDS
        self._stream.time_base = MILLISECONDS
        self._stream.metadata["handler_name"] = self.title

    def packets(self) -> Iterator[AnyPacket]:
        """The pictures, in order."""
        context, key_ms = self._stream.codec_context, -_STANDS_MS
        durations_ms: deque[int] = deque()  # without B-frames, pictures leave the encoder as they entered it
        for at_ms, duration_ms, frame in _steps(
            self._shown(), _OFF_MS if self._pictures.kind == "camera" else None
        ):
            fitted = self._fitted(frame) if frame else self._black()
            fitted.pts, fitted.time_base = at_ms, MILLISECONDS
            durations_ms.append(duration_ms)
            is_key = at_ms - key_ms >= _STANDS_MS
            fitted.pict_type = PictureType.I if is_key else PictureType.NONE
            key_ms = at_ms if is_key else key_ms
            yield from self._of_stream(context.encode(fitted), durations_ms)
        yield from self._of_stream(context.encode(None), durations_ms)

    def _of_stream(self, packets: Sequence[AnyPacket], durations_ms: deque[int]) -> Iterator[AnyPacket]:
        for packet in packets:
            packet.duration = durations_ms.popleft()
            packet.stream = self._stream
            yield packet

    def _shown(self) -> Iterator[Shown]:
        return heapq.merge(
            self._decoded(self._pictures.moving),
            self._opened(self._pictures.stills),
            ((at_ms, None) for at_ms in self._black_ms),
            key=lambda shown: shown[0],
        )

    def _decoded(self, files: Sequence[Moving]) -> Iterator[Shown]:
        for file in files:
            bad = 0
            with av.open(for_library(file.path), "r", metadata_errors="replace") as container:
                for packet in container.demux(video=0):
                    try:
                        frames = packet.decode()
                    except av.FFmpegError:
                        bad += 1
                        continue
                    for frame in frames:
                        if frame.pts is not None and frame.time_base is not None:
                            yield round(frame.pts * frame.time_base * 1000) + file.later_ms, frame
            if bad:
                self._problem(f"{file.path.name}: {bad} pictures cannot be decoded")

    def _opened(self, stills: Sequence[Still]) -> Iterator[Shown]:
        for still in stills:
            frame = _open_still(still.path)
            if frame:
                yield still.at_ms, frame
            else:
                self._problem(f"{still.path.name} cannot be decoded")

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        look = (frame.width, frame.height, frame.format.name)
        if look not in self._fitters:
            self._fitters[look] = _fitter(frame, *self._size)
        graph = self._fitters[look]
        frame.time_base, frame.pts = MILLISECONDS, None
        graph.push(frame)
        fitted = graph.pull()
        assert isinstance(fitted, av.VideoFrame)  # noqa: S101 - a graph of pictures
        return fitted

    def _black(self) -> av.VideoFrame:
        width, height = self._size
        planes = np.full((height * 3 // 2, width), 16, np.uint8)
        planes[height:] = 128
        return av.VideoFrame.from_ndarray(planes, "yuv420p")


def still_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG or PNG file by its header; None if it has none that makes sense."""
    if data.startswith(b"\x89PNG") and data[12:16] == b"IHDR":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    at = 2
    while data.startswith(b"\xff\xd8") and data[at : at + 1] == b"\xff" and at + 9 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _JPEG_SIZES:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length
    return None


def _open_still(path: Path) -> "av.VideoFrame | None":
    try:
        data = files.read(path)
        width, height = still_size(data) or (0, 0)
        if not 0 < width * height <= _MOST_PIXELS:
            return None
        with av.open(
            io.BytesIO(data), "r", format=_DEMUXERS[path.suffix], metadata_errors="replace"
        ) as container:
            return next(container.decode(video=0), None)
    except (av.FFmpegError, OSError):
        return None


def _frame_size(pictures: Pictures) -> tuple[int, int]:
    sizes = [(file.width, file.height) for file in pictures.moving]
    for still in pictures.stills:
        with files.reading(still.path) as file:
            size = still_size(file.read(1 << 16))
        if size and 0 < size[0] * size[1] <= _MOST_PIXELS:
            sizes.append(size)
    if not sizes:
        raise ExportError(f"none of the pictures of the {pictures.kind} can be read")
    width, height = max(width for width, _ in sizes), max(height for _, height in sizes)
    shrink = max(width / _LONGEST_SIDE, height / _LONGEST_SIDE, 1)
    return max(round(width / shrink) // 2 * 2, 2), max(round(height / shrink) // 2 * 2, 2)


def _fitter(frame: av.VideoFrame, width: int, height: int) -> Graph:
    """Scales pictures like this one, and puts black around them."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=MILLISECONDS
    )
    size = f"w={width}:h={height}"
    steps = [
        graph.add("scale", f"{size}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_range=tv"),
        graph.add("pad", f"{size}:x=-1:y=-1"),
        graph.add("setsar", "1"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(source, *steps).configure()
    return graph


def _steps(shown: Iterator[Shown], off_ms: int | None) -> Iterator[tuple[int, int, "av.VideoFrame | None"]]:
    """From when on, how long, and what; black at the end is no part of it.

    Args:
        shown: in order.
        off_ms: after how long a picture does not stand any more; None for one that always does.
    """
    last_ms, last = -1, None
    for at_ms, frame in shown:
        if last is not None and off_ms is not None and at_ms - last_ms >= off_ms:
            yield from _repeated(last_ms, last_ms + _LAST_MS, last)
            last_ms, last = last_ms + _LAST_MS, None
        if last is not None or (last_ms >= 0 and frame is not None):
            yield from _repeated(last_ms, at_ms, last)
        if frame is not None or last is not None:
            last_ms, last = max(at_ms, last_ms + 1), frame
    if last is not None:
        yield from _repeated(last_ms, last_ms + _LAST_MS, last)


def _repeated(
    at_ms: int, until_ms: int, frame: "av.VideoFrame | None"
) -> Iterator[tuple[int, int, "av.VideoFrame | None"]]:
    for start_ms, end_ms in itertools.pairwise(
        [*range(at_ms, max(until_ms, at_ms + 1), _STANDS_MS), until_ms]
    ):
        yield start_ms, max(end_ms - start_ms, 1), frame
