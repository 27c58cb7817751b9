"""What does a frame cost from the socket to the queue of a sink, and to the disk?

A hundred streams of sound over TLS, 20 ms in a message, from `benchmarks.zoom`. The reference is an
`asyncio.Protocol` on uvloop that counts the bytes of the same sockets; in turns with it the engine with the
``null`` sink, and recording. CPU time of all processes of each, for each frame.
"""

import statistics
from functools import partial

from .frame import Result, Size, in_turns, main, ratio_of, rounded
from .load import carry
from .zoom import Load

QUESTION = "what does a frame cost from the socket to a sink's queue, and recorded?"

LOADS: dict[Size, Load] = {
    "smoke": Load(streams=2, seconds=0.4),
    "short": Load(streams=100, seconds=4),
    "full": Load(streams=100, seconds=10),
}
ROUNDS: dict[Size, int] = {"smoke": 1, "short": 2, "full": 7}


def measure(size: Size) -> Result:
    """The floor, the engine, the engine recording."""
    load = LOADS[size]
    contestants = {
        "raw": partial(carry, "raw", load),
        "null": partial(carry, "engine", load, variant="null"),
        "recording": partial(carry, "engine", load, variant="recording"),
    }
    carried = in_turns(contestants, ROUNDS[size])
    cost = {name: [run.cpu_us_per_frame for run in runs] for name, runs in carried.items()}
    lost = {name: sum(run.lost for run in runs) for name, runs in carried.items() if name != "raw"}
    return Result(
        {f"{name}_times_the_cost": ratio_of(cost[name], cost["raw"]) for name in ("null", "recording")},
        {
            "cpu_us_per_frame": rounded({name: statistics.median(found) for name, found in cost.items()}),
            "lost": lost,
        },
    )


if __name__ == "__main__":
    main("pipeline")
