"""Does one machine carry all the streams that Zoom lets an account run, recorded?

N streams of two speakers, 100 ms in a message, and transcripts, three TLS connections each, recorded by
``rtms-engine run`` with a process of streams for each core; `benchmarks.zoom` has the same cores. All of them
start at once; when all are live, CPU per frame, the latency from the send to the frame, answers to keep-alives and
memory are measured, and at the end what was lost since the start. The reference is the cost per frame at the
smallest N of the same run.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from .daemon import Bench
from .frame import Result, Series, Size, main, rounded
from .zoom import Load

QUESTION = "does one machine carry all the streams of an account, recorded?"

STREAMS: dict[Size, tuple[int, ...]] = {"smoke": (2,), "short": (100, 500), "full": (100, 500, 1000, 2000)}
MEASURED_S: dict[Size, float] = {"smoke": 0.5, "short": 10.0, "full": 30.0}
SETTLE_S: dict[Size, float] = {"smoke": 0.1, "short": 3.0, "full": 10.0}
"""What piled up while the last ones started is worked off."""
WORKERS = 2
WITHIN_S = 90.0


def measure(size: Size) -> Result:
    """Every N."""
    figures: dict[str, Any] = {}
    for streams in STREAMS[size]:
        with tempfile.TemporaryDirectory() as folder:
            found = uvloop.run(_carried(streams, size, Path(folder)))
        figures[f"{streams}_streams"] = rounded(found)
    cost = {n: max(figures[f"{n}_streams"]["cpu_us_per_frame"], 1e-9) for n in STREAMS[size]}
    least = cost[min(cost)]
    series = [
        Series(
            "recorded, two workers", "streams", what, [(float(n), figures[f"{n}_streams"][key]) for n in cost]
        )
        for key, what in (("cpu_us_per_frame", "CPU per frame, µs"), ("kb_per_stream", "memory of each, KB"))
    ]
    return Result({f"{n}_times_the_cost": us / least for n, us in cost.items()}, figures, series)


async def _carried(streams: int, size: Size, folder: Path) -> dict[str, Any]:
    load = Load(streams=streams, every_ms=100, speakers=2, transcript=True, seconds=3600.0)
    async with Bench(load, folder, workers=WORKERS) as bench:
        empty_kb, began = bench.memory_kb, time.monotonic()
        await bench.announce()
        await bench.lives(streams, WITHIN_S)
        live_s = time.monotonic() - began
        await asyncio.sleep(SETTLE_S[size])
        before = await bench.watch()
        used_s, begun = bench.cpu_s, time.monotonic()
        await asyncio.sleep(MEASURED_S[size])
        after = await bench.status()
        used_s, took_s = bench.cpu_s - used_s, time.monotonic() - begun
        memory_kb = bench.memory_kb - empty_kb
        said, notes = await bench.finish()
    frames = after["sent"] - before["sent"]
    heard = [note for note in notes if note["what"] == "heard"]
    late_ms: Counter[int] = Counter()
    for note in heard:
        late_ms.update({int(ms): count for ms, count in note["late_ms"].items()})
    return {
        "cpu_us_per_frame": used_s / max(frames, 1) * 1e6,
        "cores": used_s / took_s,
        "latency_ms": quantiles(late_ms),
        "keep_alive_ms": said["keep_alive_ms"],
        "kb_per_stream": memory_kb / streams,
        "lost": said["sent"] - sum(note["frames"] for note in heard),
        "frames": said["sent"],
        "frames_per_s": frames / took_s,
        "frames_per_s_wanted": streams * load.speakers * 1000 / load.every_ms,
        "live_s": live_s,
        "connected_again": sum(len(lives) - 1 for lives, _ in said["streams"] if lives),
    }


def quantiles(counts: Mapping[int, int]) -> dict[str, int]:
    """Of a histogram."""
    total, seen, found = sum(counts.values()), 0, {}
    wanted = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    for value, count in sorted(counts.items()):
        seen += count
        found |= {name: value for name, q in wanted.items() if name not in found and seen >= q * total}
    return found


if __name__ == "__main__":
    main("recorded")
