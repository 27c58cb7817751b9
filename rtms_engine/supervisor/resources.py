"""What this machine has left, as it is now: the one place that looks."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .admission import Resources

GOOD_S = 0.5
"""How long what was seen is good enough to decide about a stream: it has yet to begin to write."""
_MEGABYTE = 1_000_000
_STATM = Path("/proc/self/statm")


class Lookout:
    """Looks for many who ask at once."""

    def __init__(self) -> None:
        self._places: tuple[Path | str, ...] = ()
        self._seen = Resources()
        self._seen_at = -GOOD_S

    def look(self, directories: Iterable[Path | str], now: float) -> Resources:
        """As `look` does; what was seen may be `GOOD_S` old.

        Args:
            directories: where sinks write.
            now: the loop's time, seconds.
        """
        places = tuple(directories)
        if places != self._places or now - self._seen_at >= GOOD_S:
            self._places, self._seen, self._seen_at = places, look(places), now
        return self._seen


def look(directories: Iterable[Path | str]) -> Resources:
    """Look at disks and memory; microseconds on a local disk.

    Args:
        directories: where sinks write; those that do not exist yet count as where they would be made.
    """
    return Resources(
        {str(place): free for place in directories if (free := _free_mb(place)) is not None}, memory_mb()
    )


def memory_mb() -> float:
    """The memory that this process holds; 0 where the system has no ``/proc``."""
    with suppress(OSError):
        resident_pages = int(_STATM.read_text("ascii").split()[1])
        return resident_pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE
    return 0.0


def _free_mb(directory: Path | str) -> float | None:
    place = Path(directory).absolute()
    with suppress(OSError):
        nearest = next(path for path in (place, *place.parents) if path.exists())
        return shutil.disk_usage(nearest).free / _MEGABYTE
    return None
