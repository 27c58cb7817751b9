"""What does a stream cost in memory, idle and active?

The resident memory of the engine's process with N streams, their connections (TLS) open: before anything is
said, and while sound of 100 ms and transcripts come; three sockets for each stream. Less that of an engine with
one stream, which is the reference: what the interpreter and the libraries weigh. `benchmarks.sessions` has the
rest of the question: whether it stays so.
"""

from .frame import Result, Size, main, rounded
from .load import Carrying
from .zoom import Load

QUESTION = "what does a stream cost in memory, idle and active, with its three TLS sockets?"

STREAMS: dict[Size, int] = {"smoke": 3, "short": 200, "full": 1000}
SECONDS: dict[Size, float] = {"smoke": 0.1, "short": 5.0, "full": 15.0}
BUDGET_KB = 600
"""For each active stream."""
VARIANTS: dict[Size, tuple[str, ...]] = {
    "smoke": ("null",),
    "short": ("null", "recording"),
    "full": ("null", "recording", "null+websockets"),
}


def measure(size: Size) -> Result:
    """Idle and active, by sink and by connector."""
    ratio, figures = {}, {}
    for variant in VARIANTS[size]:
        base_kb = _memory_kb(1, size, variant)[0]
        idle_kb, active_kb = (
            (kb - base_kb) / (STREAMS[size] - 1) for kb in _memory_kb(STREAMS[size], size, variant)
        )
        figures[f"{variant}_kb_per_stream"] = rounded({"idle": idle_kb, "active": active_kb})
        figures[f"{variant}_mb_of_one"] = round(base_kb / 1024, 1)
        ratio[f"{variant}_of_the_budget"] = active_kb / BUDGET_KB
    return Result(ratio, figures)


def _memory_kb(streams: int, size: Size, variant: str) -> tuple[int, int]:
    load = Load(streams=streams, every_ms=100, speakers=2, seconds=SECONDS[size], transcript=True)
    with Carrying("engine", load, variant=variant) as carrying:
        idle_kb = carrying.memory_idle_kb
        return idle_kb, carrying.carry().memory_kb


if __name__ == "__main__":
    main("memory")
