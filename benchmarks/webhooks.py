"""How long until streams that are announced at once are answered, and live?

N starts in one instant, each on a connection of its own, reach an engine as its user runs it (``rtms-engine
run``): it journals them, joins the streams over TLS, three connections each (signaling, audio, transcript), and
records them. `benchmarks.zoom` serves them from a process of its own, and speaks from the moment a stream is
live: ten messages a second. All times are from the instant of the announcement. The reference is a client that
does nothing but open as many TLS connections to the same server.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from .daemon import Bench
from .frame import Result, Series, Size, main, rounded
from .zoom import Load

QUESTION = "how long until streams that are announced at once are answered, and live?"

STREAMS: dict[Size, tuple[int, ...]] = {"smoke": (3,), "short": (200,), "full": (200, 500, 1000, 2000)}
WORKERS: dict[Size, tuple[int | str, ...]] = {"smoke": (1,), "short": (1, "auto"), "full": (1, "auto")}
CONNECTIONS = 3
"""Of each stream."""
SPEECH_S = 120.0
"""Longer than it takes."""


def measure(size: Size) -> Result:
    """Every number of streams, by one process and by several."""
    ratio: dict[str, float] = {}
    figures: dict[str, Any] = {}
    series = []
    for workers in WORKERS[size]:
        points = []
        for streams in STREAMS[size]:
            with tempfile.TemporaryDirectory() as folder:
                found, bare_s = uvloop.run(burst(streams, workers, Path(folder)))
            key = f"{streams}_streams_{workers}_workers"
            figures[key] = rounded(found)
            live_s = found["live_s"].get("max", 0.0)
            ratio[f"{key}_times_bare_connections"] = live_s / bare_s
            points.append((float(streams), live_s))
        series.append(Series(f"{workers} workers", "streams", "until all are live, s", points))
    return Result(ratio, figures, series)


async def burst(streams: int, workers: int | str, folder: Path) -> tuple[dict[str, Any], float]:
    """One burst. Returns what was found, and how long the bare connections took."""
    load = Load(streams=streams, every_ms=100, transcript=True, seconds=SPEECH_S)
    async with Bench(load, folder, workers=workers) as bench:
        bare_s = await bench.bare(streams * CONNECTIONS)
        used_s, began = bench.cpu_s, time.monotonic()
        answers = await bench.announce()
        await bench.lives(streams)
        used_s = bench.cpu_s - used_s
        said, notes = await bench.finish()
    live = [lives[0] - began for lives, _ in said["streams"] if lives]
    first = [note["at"] - began for note in notes if note["what"] == "first"]
    return {
        "answered": sum(answer.status == 200 for answer in answers),  # noqa: PLR2004 - OK
        "answered_s": spread([answer.after_s for answer in answers]),
        "live": len(live),
        "live_s": spread(live),
        "heard": len(first),
        "first_frame_s": spread(first),
        "connected_again": sum(len(lives) - 1 for lives, _ in said["streams"] if lives),
        "lost": sum(sent for _, sent in said["streams"])
        - sum(n["frames"] for n in notes if n["what"] == "heard"),
        "keep_alive_ms": said["keep_alive_ms"],
        "engine_cpu_ms_per_stream": used_s * 1000 / streams,
        "bare_s": bare_s,
    }, bare_s


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the 99th percentile and the largest."""
    if not values:
        return {}
    ordered = sorted(values)
    spots = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: ordered[min(int(len(ordered) * spot), len(ordered) - 1)] for name, spot in spots.items()}


if __name__ == "__main__":
    main("webhooks")
