"""``python -m tests.fuzz NAME --inputs N``: many inputs, one after the other; what it finds is kept.

Exits with 1 after the first crash, hang or growth, and writes the input to ``--out``.
"""

import argparse
import hashlib
import random
import resource
import signal
import sys
import time
from pathlib import Path

from .mutation import mutated
from .targets import TARGETS, corpus_of

HANG_S = 5.0
"""Of CPU time for one input."""
MOST_GROWTH_MB = 150
"""Of memory, from the hundredth input to the last."""
_EVERY = 100_000


class HangError(Exception):
    """An input took too long."""


def _hang(_signal: int, _frame: object) -> None:
    raise HangError(f"more than {HANG_S:g} s of CPU time")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run one target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", choices=sorted(TARGETS))
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    given = parser.parse_args()
    target, corpus = TARGETS[given.name], corpus_of(given.name)
    dice = random.Random(given.seed)
    signal.signal(signal.SIGVTALRM, _hang)
    began, before_mb, slowest_s = time.monotonic(), _peak_mb(), 0.0
    for number in range(given.inputs):
        data = mutated(corpus, dice)
        if number == 100:
            before_mb = _peak_mb()
        cpu = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
        try:
            target.run(data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return _found(given.out, given.name, data, number, error)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        slowest_s = max(slowest_s, time.process_time() - cpu)
        if (number + 1) % _EVERY == 0 and (grown_mb := _peak_mb() - before_mb) > MOST_GROWTH_MB:
            return _found(given.out, given.name, data, number, MemoryError(f"grew by {grown_mb:.0f} MB"))
    took_s = time.monotonic() - began
    print(
        f"{given.name}: {given.inputs} inputs (seed {given.seed}) in {took_s:.0f} s, no crash, no hang;"
        f" the slowest took {slowest_s * 1000:.0f} ms, memory grew by {_peak_mb() - before_mb:.0f} MB"
    )
    return 0


def _found(out: Path, name: str, data: bytes, number: int, error: BaseException) -> int:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    print(
        f"{name}: input {number} ({len(data)} bytes, {path}): {type(error).__name__}: {error}"[:600],
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
