"""The vocabulary of the exporter's tests: an export, and what a player sees and hears of it."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from rtms_engine.export.movie import Exported, Wanted, export
from rtms_engine.export.source import read
from rtms_engine.model.frames import ShareFrame, Speaker
from tests.recording.support import ANA, STREAM, T0


class Watched(NamedTuple):
    """A file as a player takes it."""

    tracks: list[str]
    """``video:Camera`` and so on."""
    chapters: list[tuple[int, str]]
    subtitles: list[tuple[int, int, str]]


def exported(folder: Path, target: Path, **wanted: Any) -> Exported:
    return export(read(folder), target, Wanted(**wanted), lambda _, __: None)


def watched(path: Path) -> Watched:
    with av.open(str(path)) as file:
        texts = [
            (
                at(packet.pts, packet.time_base),
                at(packet.duration, packet.time_base),
                bytes(packet)[2:].decode(),
            )
            for stream in file.streams.subtitles
            for packet in file.demux(stream)
            if packet.size > 2
        ]
        return Watched(
            [f"{s.type}:{s.metadata['handler_name']}" for s in file.streams if s.type != "data"],
            [(at(c["start"], c["time_base"]), c["metadata"]["title"]) for c in file.chapters()],
            texts,
        )


def pictures_of(path: Path, track: int = 0) -> list[tuple[int, int, int, int]]:
    """When, how bright in the middle (16 to 235), how wide and how high, of all pictures that a decoder gives out."""
    with av.open(str(path)) as file:
        return [
            (
                at(frame.pts, frame.time_base),
                int(frame.to_ndarray()[frame.height // 2, frame.width // 2]),
                frame.width,
                frame.height,
            )
            for frame in file.decode(file.streams.video[track])
        ]


def sound_of(path: Path) -> tuple[int, Any]:
    """Samples per second and samples, from time 0 of the player on."""
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        total = np.zeros(0, np.float32)
        for frame in file.decode(audio=0):
            assert frame.pts is not None
            begin = round(frame.pts * frame.time_base * rate)
            samples = frame.to_ndarray()[0]
            total = np.pad(total, (0, max(begin + len(samples) - len(total), 0)))
            total[max(begin, 0) : begin + len(samples)] = samples[max(-begin, 0) :]
        return rate, total


def at(ticks: int | None, time_base: Fraction | None) -> int:
    """In milliseconds."""
    assert ticks is not None and time_base is not None
    return round(ticks * time_base * 1000)


def shared(at_ms: int, payload: bytes, speaker: Speaker = ANA) -> ShareFrame:
    return ShareFrame(STREAM.stream_id, speaker, T0 + at_ms, 0.0, "jpg", payload)


def still(brightness: int, width: int = 64, height: int = 48, codec: str = "mjpeg") -> bytes:
    """A JPEG or PNG file of one brightness."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = width, height, Fraction(1, 1)
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
    image = np.full((height, width, 3), brightness, np.uint8)
    frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=encoder.pix_fmt)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
