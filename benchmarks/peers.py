"""How does the engine compare with a plain client and with Zoom's own SDK?

The same load through (a) the engine, (b) a client of `websockets`, `json`, `base64` and `wave` as Zoom's Python
samples are, (c) the package ``rtms`` if it is installed; in turns, ratios of the rounds' medians. Two questions:
what a frame costs at a hundred streams, and how many streams of 50 frames a second one core carries with
nothing lost and a p99 latency under 100 ms (a search in steps of a twelfth).
"""

import importlib.util
import statistics
from functools import partial

from .frame import Result, Series, Size, in_turns, main, ratio_of, rounded
from .load import Carried, carry
from .zoom import Load

QUESTION = "how does the engine compare with a plain client and with Zoom's own SDK?"

LOADS: dict[Size, Load] = {
    "smoke": Load(streams=2, seconds=0.4),
    "short": Load(streams=100, seconds=4),
    "full": Load(streams=100, seconds=8),
}
ROUNDS: dict[Size, int] = {"smoke": 1, "short": 1, "full": 5}
FIRST_GUESS = {"engine": 600, "naive": 200, "sdk": 300}
STEP = 13 / 12
P99_MS = 100.0


def contestants() -> tuple[str, ...]:
    """Who is here."""
    return ("engine", "naive", *(["sdk"] if importlib.util.find_spec("rtms") else []))


def measure(size: Size) -> Result:
    """The cost at a hundred streams, and, in full, the capacity of a core."""
    names = contestants()
    carried = in_turns({name: partial(carry, name, LOADS[size]) for name in names}, ROUNDS[size])
    ratio, figures = {}, {}
    for name in names:
        runs = carried[name]
        figures[name] = rounded(
            {
                "cpu_us_per_frame": statistics.median(run.cpu_us_per_frame for run in runs),
                "p99_ms": statistics.median(run.latency_ms["p99"] for run in runs),
                "lost": sum(run.lost for run in runs),
            }
        )
        if name != "engine":
            for what, value in (("cost", _cost), ("p99", _p99)):
                ratio[f"{what}_of_{name}"] = ratio_of(
                    [value(run) for run in carried["engine"]], [value(run) for run in runs]
                )
    series = []
    if size == "full":
        found = in_turns({name: partial(capacity, name) for name in names}, 1)
        for name in names:
            streams, tried = found[name][0]
            figures[f"{name}_capacity"] = streams
            series.append(Series(name, "streams", "latency p99, ms", tried))
            if name != "engine":
                ratio[f"capacity_of_{name}_times"] = found["engine"][0][0] / max(streams, 1)
    return Result(ratio, figures, series)


def _cost(run: Carried) -> float:
    return max(run.cpu_us_per_frame, 1e-9)


def _p99(run: Carried) -> float:
    return run.latency_ms["p99"]


def capacity(name: str) -> tuple[int, list[tuple[float, float]]]:
    """The most streams that a contestant carries, and what was tried: (streams, p99 in ms)."""
    tried: list[tuple[float, float]] = []

    def holds(streams: int) -> bool:
        run = carry(name, Load(streams=streams, seconds=5))
        tried.append((streams, min(run.latency_ms.get("p99", 1e4), 1e4)))
        return run.holds(p99_ms=P99_MS)

    streams = FIRST_GUESS[name]
    if holds(streams):
        while holds(more := round(streams * STEP)):
            streams = more
    else:
        while streams > 1 and not holds(streams := round(streams / STEP)):
            pass
    return streams, sorted(tried)


if __name__ == "__main__":
    main("peers")
