"""How long what was recorded of an app's streams is kept."""

from typing import Self

import msgspec

_DAY_MS = 86_400_000
_LONGEST_DAYS = 36_500


class Retention(msgspec.Struct, frozen=True):
    """``"forever"``, a number of days, or ``"none"``: nothing of a stream ever touches a disk."""

    days: int | None = None
    """From the end of the stream; None: forever; 0: nothing is stored at all."""

    @classmethod
    def spelled(cls, value: object) -> Self | None:
        """From ``"forever"``, ``"none"``, ``30`` or ``"30d"``; None if it is something else."""
        if isinstance(value, str) and value in ("forever", "none"):
            return cls(None if value == "forever" else 0)
        if isinstance(value, str) and value.endswith("d") and value[:-1].isascii() and value[:-1].isdigit():
            value = int(value[:-1][:9])
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LONGEST_DAYS:
            return cls(value)
        return None

    @property
    def stores_nothing(self) -> bool:
        """Whether nothing of a stream may be written to a disk."""
        return self.days == 0

    def is_over(self, ended_ms: int, now_ms: int) -> bool:
        """Whether what ended then is to be deleted now, both in Unix milliseconds. What an app has left
        that may store nothing (any more) is.
        """
        return self.days is not None and now_ms - ended_ms >= self.days * _DAY_MS

    def __str__(self) -> str:
        return {None: "forever", 0: "none"}.get(self.days, f"{self.days}d")
