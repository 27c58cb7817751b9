"""How soon are the streams of a worker process that is killed back, and do the others notice?

N streams of one speaker, recorded by ``rtms-engine run`` with two processes of streams; `benchmarks.zoom` serves
them from a process of its own, and keeps nothing of what it cannot deliver. One of the two processes is killed
with ``SIGKILL``; the other takes its streams over. All times are from the kill. The reference is the time in which
as many streams became live at the start of the same run.
"""

import asyncio
import json
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from .daemon import Bench
from .frame import Result, Series, Size, main, rounded
from .webhooks import spread
from .zoom import Load

QUESTION = "how soon are the streams of a killed worker back, and do the others notice?"

STREAMS: dict[Size, tuple[int, ...]] = {"smoke": (4,), "short": (100,), "full": (200, 1000)}
SPEECH_S = 3600.0
WITHIN_S = 90.0
SETTLE_S: dict[Size, float] = {"smoke": 0.3, "short": 3.0, "full": 10.0}


def measure(size: Size) -> Result:
    """Every number of streams."""
    ratio: dict[str, float] = {}
    figures: dict[str, Any] = {}
    points = []
    for streams in STREAMS[size]:
        with tempfile.TemporaryDirectory() as folder:
            found = uvloop.run(_killed(streams, SETTLE_S[size], Path(folder)))
        figures[f"{streams}_streams"] = rounded(found)
        back_s = found["back_s"].get("max", 0.0)
        ratio[f"{streams}_streams_times_the_start"] = back_s / max(found["begun_s"], 1e-9)
        points.append((float(found["killed"]), back_s))
    return Result(
        ratio, figures, [Series("killed", "streams of the process", "until all are back, s", points)]
    )


async def _killed(streams: int, settle_s: float, folder: Path) -> dict[str, Any]:
    load = Load(streams=streams, every_ms=100, seconds=SPEECH_S)
    async with Bench(load, folder, workers=2) as bench:
        began = time.monotonic()
        await bench.announce()
        await bench.lives(streams, WITHIN_S)
        host = await bench.heard(streams, WITHIN_S)
        await asyncio.sleep(settle_s)
        victim = Counter(host.values()).most_common(1)[0][0]
        killed = {stream for stream, pid in host.items() if pid == victim}
        before = await bench.status()
        killed_at = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        await bench.lives(before["lives"] + len(killed), WITHIN_S)
        await asyncio.sleep(settle_s)
        said, notes = await bench.finish()
    lives = {number: live for number, (live, _) in enumerate(said["streams"])}
    heard = {note["stream"]: note["frames"] for note in notes if note["what"] == "heard"}
    others = [number for number in lives if number not in killed]
    gaps = _gaps(folder / "recordings")
    return {
        "killed": len(killed),
        "begun_s": max(live[0] for live in lives.values() if live) - began,
        "back": sum(len(lives[number]) > 1 for number in killed),
        "back_s": spread([lives[number][1] - killed_at for number in killed if len(lives[number]) > 1]),
        "with_a_gap": sum(bool(gaps.get(number)) for number in killed),
        "others": len(others),
        "others_touched": sum(len(lives[number]) != 1 or bool(gaps.get(number)) for number in others),
        "others_lost": sum(said["streams"][number][1] - heard.get(number, 0) for number in others),
        "keep_alive_ms": said["keep_alive_ms"],
    }


def _gaps(recordings: Path) -> dict[int, int]:
    """How many gaps each stream's manifest tells of."""
    manifests = (json.loads(path.read_bytes()) for path in recordings.rglob("manifest.json"))
    return {int(one["rtms_stream_id"].rpartition("-")[2]): len(one.get("gaps", ())) for one in manifests}


if __name__ == "__main__":
    main("takeover")
