"""A track of H.264 as Zoom sent it: nothing is encoded anew.

Where the parameter sets change in the course of it, they stand in front of the key frames that need
them (``avc3``, ISO/IEC 14496-15 §5.3.5). FFmpeg and Chromium follow; not every player does.
"""

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.container import OutputContainer

from ..recording import mp4
from ..recording.h264 import length_prefixed
from ..recording.parameter_sets import sets_in
from .source import Moving

MILLISECONDS = Fraction(1, 1000)
AnyPacket: TypeAlias = "av.Packet[Any]"


class CopiedTrack:
    """The pictures of some files, one file after the other.

    Args:
        title: for players that show one.
        files: in order.
    """

    def __init__(self, title: str, files: Sequence[Moving]) -> None:
        self.title = title
        self.codec = "H.264, not encoded anew"
        self._files = files
        self._configurations = [mp4.read_configuration(file.path) for file in files]

    @property
    def formats(self) -> int:
        """How many parameter sets, or sizes, there are in it."""
        return len(set(self._configurations))

    def add_to(self, container: OutputContainer) -> None:
        """Make the track."""
        size = max(file.width for file in self._files), max(file.height for file in self._files)
        header = io.BytesIO(mp4.header(*size, self._configurations[0]))
        with av.open(header, "r", format="mp4") as empty:
            self._stream = container.add_stream_from_template(empty.streams.video[0])
        self._stream.codec_context.width, self._stream.codec_context.height = size
        if self.formats > 1:
            self._stream.codec_context.codec_tag = "avc3"
        self._stream.metadata["handler_name"] = self.title

    def packets(self) -> Iterator[AnyPacket]:
        """The pictures, in order."""
        last_ms = -1
        for file, configuration in zip(self._files, self._configurations, strict=True):
            sets = length_prefixed(sets_in(configuration)) if self.formats > 1 else b""
            for picture, duration_ms in mp4.pictures(file.path):
                last_ms = max(picture.at_ms + file.later_ms, last_ms + 1)
                packet = av.Packet(sets + picture.data)
                packet.pts = packet.dts = last_ms
                packet.time_base = MILLISECONDS
                packet.duration = duration_ms
                packet.is_keyframe = picture.is_key
                packet.stream = self._stream
                sets = b""
                yield packet
