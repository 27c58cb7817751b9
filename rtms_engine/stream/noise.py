"""Messages that could not be used: counted, and spoken of once a second with the sum."""

from ..protocol.events import Noise
from ..telemetry.throttle import Throttle


class NoiseCounter:
    """Counts them by kind, for one stream."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._throttle = Throttle()

    def note(self, noise: Noise, now: float) -> int | None:
        """Count one. Returns how many to speak of now, or None."""
        self._counts[noise.kind.value] = self._counts.get(noise.kind.value, 0) + 1
        return self._throttle.note(1, now)

    def counts(self) -> dict[str, int]:
        """By kind, so far."""
        return dict(self._counts)
