"""How does the engine grow with the number of streams?

N streams over TLS from `benchmarks.zoom`, spread evenly over the interval of a message; every frame goes to a
callback of the embedding program. CPU per frame, latency from the send to the callback, the longest answer to a
keep-alive, memory, loss. The reference is the cost per frame at the smallest N of the same run: it falls with
N, because frames come to share wake-ups, until the core is full.
"""

from typing import Any

from .frame import Result, Series, Size, main, rounded
from .load import Carried, Carrying
from .zoom import Load

QUESTION = "how do cost, latency and memory grow with the number of streams?"

STREAMS: dict[Size, tuple[int, ...]] = {
    "smoke": (1, 2),
    "short": (25, 100),
    "full": (25, 100, 250, 500, 1000, 2000),
}
EVERY_MS: dict[Size, tuple[int, ...]] = {"smoke": (20,), "short": (20, 100), "full": (20, 100)}
SECONDS: dict[Size, float] = {"smoke": 0.4, "short": 4.0, "full": 8.0}
MOST_PER_S = 60_000
"""More frames than this are not tried."""


def measure(size: Size) -> Result:
    """Every N at every interval."""
    ratio: dict[str, float] = {}
    figures: dict[str, Any] = {}
    series = []
    for every_ms in EVERY_MS[size]:
        carried: dict[int, Carried] = {}
        for streams in STREAMS[size]:
            if streams * 1000 / every_ms > MOST_PER_S:
                continue
            load = Load(streams=streams, every_ms=every_ms, seconds=SECONDS[size])
            with Carrying("engine", load) as carrying:
                carried[streams] = run = carrying.carry()
            figures[f"{streams}_at_{every_ms}ms"] = rounded(
                {
                    "cpu_us_per_frame": run.cpu_us_per_frame,
                    "cores": run.cpu_share,
                    "latency_ms": run.latency_ms,
                    "lag_ms": run.lag_ms,
                    "keep_alive_ms": run.keep_alive_ms,
                    "memory_mb": run.memory_kb / 1024,
                    "lost": run.lost,
                    "cores_of_the_load": run.zoom_cpu_share,
                }
            )
        least = min(carried)
        for streams, run in carried.items():
            key = f"{streams}_at_{every_ms}ms_times_the_cost"
            ratio[key] = run.cpu_us_per_frame / max(carried[least].cpu_us_per_frame, 1e-9)
        name = f"{every_ms} ms of sound in a message"
        for what, y in (("cpu_us_per_frame", "CPU per frame, µs"), ("memory_kb", "memory, KB")):
            points = [(float(n), float(getattr(run, what))) for n, run in carried.items()]
            series.append(Series(name, "streams", y, points))
        points = [(float(n), run.latency_ms.get("p99", 0.0)) for n, run in carried.items()]
        series.append(Series(name, "streams", "latency p99, ms", points))
    return Result(ratio, figures, series)


if __name__ == "__main__":
    main("streams")
