"""What does it cost to record sound?

``batch``: a second of a meeting, two voices and their mix in packets of 100 ms, as a stream's sink gets it.
The reference is the least that could be done with the same sound in the same run: one plain
``write`` a second to each of three files that stay open. Rounds of both alternate, and the medians of
CPU time are compared.

``formats``: CPU seconds and bytes per recorded minute by format, from the first packet to finished files.

``encrypted``: CPU seconds and bytes per recorded minute of two voices and their mix, in plain and encrypted at rest,
batch for batch in turns.

``meeting``: a long meeting of many participants, recorded as fast as it goes. How many times faster
than real time, and by how much did memory grow in the second half? Four hours and fifty participants are the
size that the engine promises, and that of ``full``.
"""

import resource
import statistics
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
from rtms_engine.recording.encoding import Sound
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.recorder import Recorder
from rtms_engine.sinks.base import Ending, StreamInfo
from rtms_engine.vault.files import Vault, unlocked
from rtms_engine.vault.keys import KeyDirectory, MasterKey

from .frame import Result, Series, Size, main

QUESTION = "what does it cost to record sound, against plain writes, by format, and for hours?"

T0 = 1_700_000_000_000
PARAMS = AudioParams()
PACKETS = 10
"""A second of one voice."""
SECONDS = 10
ROUNDS: dict[Size, int] = {"smoke": 1, "short": 7, "full": 25}
STREAMS: dict[Size, int] = {"smoke": 2, "short": 20, "full": 20}
MINUTES: dict[Size, float] = {"smoke": 0.1, "short": 1, "full": 4}
HOURS: dict[Size, float] = {"smoke": 0.01, "short": 0.1, "full": 4}
PARTICIPANTS = 50
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


def batch(root: Path, size: Size) -> dict[str, float]:
    """The recorder against the reference."""
    recorders = []
    for number in range(STREAMS[size]):
        info = stream(f"stream-{number}")
        recorders.append((Recorder(Folder.create(root, info), info), info))
    files = [(root / f"plain-{number}").open("wb", buffering=0) for number in range(3 * STREAMS[size])]
    batch_us(recorders, 0)
    reference_us(files)
    rounds = [
        (batch_us(recorders, SECONDS * (number + 1)), reference_us(files)) for number in range(ROUNDS[size])
    ]
    for file in files:
        file.close()
    return {
        "best_us": round(min(ours for ours, _ in rounds), 1),
        "us": round(statistics.median(ours for ours, _ in rounds), 1),
        "reference_us": round(statistics.median(theirs for _, theirs in rounds), 1),
        "ratio": statistics.median(ours / max(theirs, 1e-9) for ours, theirs in rounds),
    }


def formats(root: Path, minutes: float) -> dict[str, Any]:
    """A meeting of some minutes in each format."""
    costs = {}
    for form in ("wav", "flac", "opus"):
        info = stream(form)
        recorder = Recorder(Folder.create(root, info), info, Sound(form))
        begun = time.process_time()
        for second in range(round(minutes * 60)):
            recorder.write(spoken(info, Speaker(1001 + second // TURN_S % 2, "x"), second))
        recording_s = time.process_time() - begun
        recorder.close(ENDING, "")
        spent_s = time.process_time() - begun
        files = list((recorder.folder.path / "audio").iterdir())
        costs[form] = {
            "cpu_s": round(spent_s / minutes, 3),
            "of_it_recording_s": round(recording_s / minutes, 3),
            "bytes": round(sum(512 * path.stat().st_blocks for path in files) / minutes),
        }
    return costs


def encrypted(root: Path, minutes: float) -> dict[str, float]:
    """Two recordings of the same, one with a key."""
    vault = Vault(KeyDirectory(root / "keys", [MasterKey("benchmark", bytes(32))]))
    vault.cover([root / "encrypted"])
    spent = {"plain": 0.0, "encrypted": 0.0}
    ana, cem = Speaker(1001, "Ana"), Speaker(1002, "Cem")
    with unlocked(vault):
        recorders = {}
        for name in spent:
            info = stream(name)
            recorders[name] = Recorder(Folder.create(root / name, info), info)
        for second in range(round(minutes * 60)):
            for name, recorder in recorders.items():
                pairs = zip(spoken(stream(name), ana, second), spoken(stream(name), cem, second), strict=True)
                frames = [frame for pair in pairs for frame in pair]
                begun = time.process_time()
                recorder.write(frames)
                spent[name] += time.process_time() - begun
        for name, recorder in recorders.items():
            begun = time.process_time()
            recorder.close(ENDING, "")
            spent[name] += time.process_time() - begun
    size = {
        name: sum(path.stat().st_size for path in (root / name).rglob("*.wav")) / minutes for name in spent
    }
    return {
        "plain_cpu_s": round(spent["plain"] / minutes, 4),
        "encrypted_cpu_s": round(spent["encrypted"] / minutes, 4),
        "ratio": round(spent["encrypted"] / max(spent["plain"], 1e-9), 2),
        "plain_bytes": round(size["plain"]),
        "encrypted_bytes": round(size["encrypted"]),
    }


def meeting(root: Path, hours: float) -> dict[str, Any]:
    """Two at a time speak in turns, of all participants; some are silent for hours."""
    info = stream("long")
    recorder = Recorder(Folder.create(root, info), info, Sound())
    speakers = [Speaker(1001 + n, f"Participant {n}") for n in range(PARTICIPANTS)]
    seconds, resident = round(hours * 3600), []
    begun, begun_cpu = time.perf_counter(), time.process_time()
    for second in range(seconds):
        turn = second // TURN_S
        batch = spoken(info, speakers[turn % PARTICIPANTS], second)
        batch += spoken(info, speakers[turn * 7 % PARTICIPANTS], second) if turn % 3 == 0 else []
        recorder.write(batch)
        if second % max(seconds // 20, 1) == 0:
            resident.append(resident_mb())
    recorded = time.perf_counter() - begun
    recorder.close(ENDING, "")
    spent, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    resident.append(resident_mb())
    return {
        "hours": hours,
        "participants": PARTICIPANTS,
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


def measure(size: Size) -> Result:
    """All four."""
    with tempfile.TemporaryDirectory() as folder:
        batches = batch(_made(folder, "batch"), size)
        costs = formats(_made(folder, "formats"), MINUTES[size])
        at_rest = encrypted(_made(folder, "encrypted"), MINUTES[size])
        long = meeting(_made(folder, "meeting"), HOURS[size])
    resident = [(float(at), mb) for at, mb in enumerate(long.pop("resident_mb"))]
    ratio = batches.pop("ratio")
    return Result(
        {
            "batch_times_the_cost_of_plain_writes": ratio,
            "meeting_times_faster_than_real_time": long["times_faster_than_real_time"],
        },
        {"batch": batches, "per_minute": costs, "encryption_per_minute": at_rest, "meeting": long},
        [Series("a long meeting", "twentieths of it", "memory, MB", resident)],
    )


def _made(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


if __name__ == "__main__":
    main("recording")
