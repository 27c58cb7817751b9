"""The vocabulary of the recorder's tests: frames, a recorded stream, and what lies in its folder."""

import asyncio
import gc
import json
import wave
import weakref
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from rtms_engine.model.frames import AudioFrame, Speaker, TranscriptSegment, VideoFrame
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.sink import SPEC, RecordingConfig
from rtms_engine.sinks.base import Ending, Item, Sink, StreamInfo
from tests.support.media import MEDIA

T0 = 1_700_000_000_000
ANA, CEM = Speaker(16778240, "Ana Reader"), Speaker(16779264, "Cem Dealer")
STREAM = StreamInfo(StreamId("stream-1"), "app", MEETING, "m/1+==", T0)
END = Ending(StopReason.MEETING_ENDED, T0 + 40_000)
REVOKED = Ending(StopReason.STREAM_REVOKED, T0 + 40_000)


def sound(at_ms: int, samples: Any, speaker: Speaker = ANA, mixed: bool = False, **params: Any) -> AudioFrame:
    """A packet ``at_ms`` after T0: bytes as they are, anything else as samples."""
    payload = samples if isinstance(samples, bytes) else np.asarray(samples, "<i2").tobytes()
    return AudioFrame(STREAM.stream_id, speaker, T0 + at_ms, 0.0, AudioParams(**params), payload, mixed)


def picture(at_ms: int, payload: bytes, speaker: Speaker = ANA) -> VideoFrame:
    return VideoFrame(STREAM.stream_id, speaker, T0 + at_ms, 0.0, "h264", payload)


def ramp(first: int, count: int = 320) -> Any:
    """Samples that no other packet has."""
    return np.arange(first, first + count, dtype="<i2")


async def opened(root: Path, stream: StreamInfo = STREAM) -> Sink:
    sink: Sink = SPEC.factory(RecordingConfig(str(root)))
    await sink.open(stream)
    return sink


async def killed(root: Path, *batches: Sequence[Item], stream: StreamInfo = STREAM) -> None:
    """Record as a process that is killed before it can close: its lock on the folder ends with it."""
    sink = await opened(root, stream)
    for batch in batches:
        await sink.write(batch)
    alive = weakref.ref(sink)
    del sink
    # The thread of its last verb lets go of it, and then of what it held, in its own time.
    while alive() is not None or any(map(is_held, folders_in(root))):
        await asyncio.sleep(0)
        gc.collect()


def is_held(folder: Path) -> bool:
    """Whether somebody writes to it."""
    try:
        Folder(folder).hold().release()
    except BlockingIOError:
        return True
    return False


async def recorded(root: Path, *batches: Sequence[Item], ending: Ending = END) -> Path:
    """Record the batches, and return the folder."""
    sink = await opened(root)
    for batch in batches:
        await sink.write(batch)
    await sink.close(ending)
    return folder_in(root)


def record(root: Path, *batches: Sequence[Item], ending: Ending = END) -> Path:
    return asyncio.run(recorded(root, *batches, ending=ending))


def folders_in(root: Path) -> list[Path]:
    return sorted(manifest.parent for manifest in root.glob("*/*/*/manifest.json"))


def folder_in(root: Path) -> Path:
    [folder] = folders_in(root)
    return folder


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return content


def samples_of(path: Path) -> Any:
    with wave.open(str(path)) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


def access_units_of(path: Path) -> list[tuple[int, bytes]]:
    """Milliseconds from t0 and content of every packet in a video file."""
    with av.open(str(path)) as file:
        return [
            (round(packet.pts * packet.time_base * 1000), bytes(packet))
            for packet in file.demux(video=0)
            if packet.pts is not None and packet.time_base is not None
        ]


def camera_access_units() -> list[bytes]:
    """The 200 pictures of the test camera, as Annex B."""
    delimiter = b"\0\0\0\1\x09"
    return [delimiter + rest for rest in (MEDIA / "camera-360p25.h264").read_bytes().split(delimiter)[1:]]


def encoded_pictures(brightness: Sequence[int], width: int = 64, height: int = 48) -> list[bytes]:
    """Even pictures in H.264, each of one brightness (16 to 235), a key frame every 25: Annex B."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.options = (
        Fraction(1, 25),
        {"tune": "zerolatency", "preset": "ultrafast", "g": "25"},
    )
    units = []
    for number, value in enumerate(brightness):
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = value
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.pts = number
        units += [bytes(packet) for packet in encoder.encode(frame)]
    return units + [bytes(packet) for packet in encoder.encode(None)]


def meeting_items() -> list[Item]:
    """The scripted meeting: sound in packets of 20 ms, sentences at their ends, camera from second 3."""
    items: list[Item] = []
    for said in json.loads((MEDIA / "meeting.json").read_text())["utterances"]:
        speaker = Speaker(said["user_id"], said["user_name"])
        pcm = samples_of(MEDIA / said["file"])
        items += [
            sound(said["start_ms"] + start // 16, pcm[start : start + 320], speaker)
            for start in range(0, len(pcm), 320)
        ]
        start_ms, end_ms = T0 + said["start_ms"], T0 + said["end_ms"]
        items.append(
            TranscriptSegment(STREAM.stream_id, speaker, end_ms, 0.0, said["text"], start_ms, end_ms)
        )
    items += [picture(3000 + 40 * n, unit) for n, unit in enumerate(camera_access_units())]
    return sorted(items, key=lambda item: item.timestamp_ms)
