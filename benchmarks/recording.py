"""What does it cost to record sound?

``batch``: a second of a meeting, two voices and their mix in packets of 100 ms, as a stream's sink gets it.
The reference is the least that could be done with the same sound in the same run: one plain
``write`` a second to each of three files that stay open. Rounds of both alternate, and the medians of
CPU time are compared.

``formats``: CPU seconds and bytes per recorded minute by format, from the first packet to finished files.

``meeting``: a long meeting of many participants, recorded as fast as it goes. How many times faster
than real time, and by how much did memory grow in the second half? ``--hours 4 --participants 50`` is the
size that the engine promises; the default is smaller.
"""

import argparse
import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from rtms_engine.model.frames import AudioFrame, Speaker
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.recording.encoding import Sound, SoundFormat
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.recorder import Recorder
from rtms_engine.sinks.base import Ending, StreamInfo

T0 = 1_700_000_000_000
PARAMS = AudioParams()
PACKETS = 10
"""A second of one voice."""
STREAMS, ROUNDS, SECONDS = 20, 7, 10
MINUTES = 2
ENDING = Ending(StopReason.MEETING_ENDED, T0)
TURN_S = 8
"""How long somebody speaks in the long meeting."""


def stream(name: str) -> StreamInfo:
    """One of many."""
    return StreamInfo(StreamId(name), "app", MEETING, "meeting", T0)


def voice(seed: int) -> bytes:
    """Ten seconds that sound and compress more or less like speech: syllables of tone and noise."""
    at = np.arange(10 * 16_000) / 16_000
    noise = np.random.default_rng(seed).standard_normal(at.size)
    syllables = np.maximum(np.sin(2 * np.pi * 3 * at + seed), 0) ** 2
    tone = sum(np.sin(2 * np.pi * (110 + 7 * seed) * n * at) / n for n in range(1, 12))
    return bytes((syllables * (2500 * tone + 300 * noise)).astype("<i2").tobytes())


VOICES = [voice(seed) for seed in range(8)]


def spoken(info: StreamInfo, speaker: Speaker, second: int) -> list[AudioFrame]:
    """A second of somebody's voice in packets."""
    sound, size = VOICES[speaker.user_id % len(VOICES)], 3_200
    start = second % 10 * PACKETS * size
    return [
        AudioFrame(
            info.stream_id,
            speaker,
            T0 + 1000 * second + 100 * n,
            second + n / 10,
            PARAMS,
            sound[start + size * n : start + size * (n + 1)],
        )
        for n in range(PACKETS)
    ]


def batch_us(recorders: list[tuple[Recorder, StreamInfo]], first: int) -> float:
    """CPU microseconds of a batch."""
    ana, cem = Speaker(1001, "Ana"), Speaker(1002, "Cem")
    spent = 0.0
    for second in range(first, first + SECONDS):
        batches = []
        for _, info in recorders:
            pairs = zip(spoken(info, ana, second), spoken(info, cem, second), strict=True)
            batches.append([frame for pair in pairs for frame in pair])
        start = time.process_time()
        for (recorder, _), batch in zip(recorders, batches, strict=True):
            recorder.write(batch)
        spent += time.process_time() - start
    return spent / SECONDS / len(recorders) * 1e6


def reference_us(files: list[Any]) -> float:
    """CPU microseconds of three plain writes."""
    sounds = [voice[:32_000] for voice in VOICES[:3]]
    start = time.process_time()
    for _ in range(SECONDS):
        for at in range(0, len(files), 3):
            for file, sound in zip(files[at : at + 3], sounds, strict=True):
                file.write(sound)
    return (time.process_time() - start) / SECONDS / (len(files) // 3) * 1e6


def batch(root: Path) -> dict[str, Any]:
    """The recorder against the reference."""
    recorders = []
    for number in range(STREAMS):
        info = stream(f"stream-{number}")
        recorders.append((Recorder(Folder.create(root, info), info), info))
    files = [(root / f"plain-{number}").open("wb", buffering=0) for number in range(3 * STREAMS)]
    batch_us(recorders, 0)
    reference_us(files)
    rounds = [(batch_us(recorders, SECONDS * (number + 1)), reference_us(files)) for number in range(ROUNDS)]
    for file in files:
        file.close()
    return {
        "best_us": round(min(ours for ours, _ in rounds), 1),
        "us": round(statistics.median(ours for ours, _ in rounds), 1),
        "reference_us": round(statistics.median(theirs for _, theirs in rounds), 1),
        "ratio": round(statistics.median(ours / theirs for ours, theirs in rounds), 2),
    }


def formats(root: Path) -> dict[str, Any]:
    """A meeting of two minutes in each format."""
    costs = {}
    for form in ("wav", "flac", "opus"):
        info = stream(form)
        recorder = Recorder(Folder.create(root, info), info, Sound(form))
        begun = time.process_time()
        for second in range(MINUTES * 60):
            recorder.write(spoken(info, Speaker(1001 + second // TURN_S % 2, "x"), second))
        recording_s = time.process_time() - begun
        recorder.close(ENDING, "")
        spent_s = time.process_time() - begun
        files = list((recorder.folder.path / "audio").iterdir())
        costs[form] = {
            "cpu_s": round(spent_s / MINUTES, 3),
            "of_it_recording_s": round(recording_s / MINUTES, 3),
            "bytes": sum(512 * path.stat().st_blocks for path in files) // MINUTES,
        }
    return costs


def meeting(root: Path, hours: float, participants: int, form: SoundFormat) -> dict[str, Any]:
    """Two at a time speak in turns, of all participants; some are silent for hours."""
    info = stream("long")
    recorder = Recorder(Folder.create(root, info), info, Sound(form))
    speakers = [Speaker(1001 + n, f"Participant {n}") for n in range(participants)]
    seconds, resident = round(hours * 3600), []
    begun, begun_cpu = time.perf_counter(), time.process_time()
    for second in range(seconds):
        turn = second // TURN_S
        batch = spoken(info, speakers[turn % participants], second)
        batch += spoken(info, speakers[turn * 7 % participants], second) if turn % 3 == 0 else []
        recorder.write(batch)
        if second % max(seconds // 20, 1) == 0:
            resident.append(resident_mb())
    recorded = time.perf_counter() - begun
    recorder.close(ENDING, "")
    spent, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    resident.append(resident_mb())
    return {
        "hours": hours,
        "participants": participants,
        "format": form,
        "times_faster_than_real_time": round(seconds / spent, 1),
        "closing_s": round(spent - recorded, 1),
        "cpu_s_per_hour": round(cpu / hours, 1),
        "resident_mb": resident,
        "grown_mb_in_second_half": round(resident[-2] - resident[len(resident) // 2], 1),
        "on_disk_mb": round(sum(512 * f.stat().st_blocks for f in recorder.folder.path.rglob("*")) / 1e6),
    }


def resident_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=0.25)
    parser.add_argument("--participants", type=int, default=50)
    parser.add_argument("--format", choices=["wav", "flac", "opus"], default="wav")
    parser.add_argument("--only", choices=["batch", "formats", "meeting"])
    wanted = parser.parse_args()
    parts = {
        "batch": batch,
        "formats": formats,
        "meeting": lambda root: meeting(root, wanted.hours, wanted.participants, wanted.format),
    }
    found: dict[str, Any] = {"benchmark": "recording"}
    for name, part in parts.items():
        if wanted.only in (None, name):
            with tempfile.TemporaryDirectory() as root:
                found[name] = part(Path(root))
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    json.dump(found | machine, sys.stdout)
    print()


if __name__ == "__main__":
    main()
