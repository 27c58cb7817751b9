"""Which cores a process runs on.

Python runs one thread at a time. Where the event loop and the threads that write are on different cores, every
system call of one wakes the other's core to hand the interpreter over. A process that recorded a hundred streams took
1.3 to 2.1 times the CPU without this, and its slowest frames waited 2 to 12 times as long (three pairs of runs in turn,
ordinary scheduling). So a process of streams keeps to one core. What works beside the interpreter, encoders and commands, may use them all.
"""

import os
from pathlib import Path

ALL: frozenset[int] = frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ())
"""Those that this process was given; empty where the system does not tell."""
_STAT = Path("/proc/self/stat")
_PROCESSOR = 36
"""Which field behind the name says where the process runs (proc(5): 39, counted from 1)."""


def count() -> int:
    """How many cores this process was given."""
    return len(ALL) or os.cpu_count() or 1


def settle(number: int | None = None) -> int | None:
    """Keep this thread to one core, and every thread that it begins from now on.

    Args:
        number: of the process, if there are several: they take the cores in turn. None: the core it is on.

    Returns:
        Which one; None if there is nothing to choose, or the system does not let us.
    """
    if len(ALL) < 2:  # noqa: PLR2004 - nothing to choose
        return None
    try:
        core = _here() if number is None else sorted(ALL)[number % len(ALL)]
        os.sched_setaffinity(0, {core})
    except (OSError, ValueError, IndexError):
        return None
    return core


def roam(thread: int = 0) -> None:
    """Give a thread, or a process that has just begun, all the cores back; 0: this thread."""
    if ALL:
        try:
            os.sched_setaffinity(thread, ALL)
        except OSError:
            return  # it has ended, or it stays where it is


def _here() -> int:
    return int(_STAT.read_text("ascii").rpartition(")")[2].split()[_PROCESSOR])
