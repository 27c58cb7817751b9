"""How fast one clock runs against another, in parts per million. Pure.

Two pairs of clocks are compared:

* *sound against Zoom's time stamps*, for every voice: how many samples came in the time that their
  stamps say. A track does not suffer from it, since stamps decide where sound lies (`timeline`); but it
  tells why a long turn has a seam every few minutes.
* *Zoom's media clock against ours*, for every kind of media: how far stamps move in the time in which
  they are received. The difference of two kinds is how sound and picture drift apart at the sender.

Both need the same few numbers for a minute as for a day.
"""

import numpy as np

_ROUNDING_MS2 = 1 / 12
"""The variance of a stamp in whole milliseconds: nothing is known better than that."""
_SURE_PPM = 10.0
"""A drift is told when its standard error is below this: after some 20 s of one voice."""
_WINDOW_S = 10.0
_MOST_WINDOWS = 128
_FEWEST_WINDOWS = 6


class SampleDrift:
    """Samples against time stamps, by linear regression within stretches of sound without a break.

    What comes in a batch is one point, at the median of its packets: a wild stamp moves nothing.
    Stretches are pooled, each around a mean of its own, for a seam says nothing about clocks.
    """

    def __init__(self) -> None:
        self._sums = (0, 0.0, 0.0, 0.0, 0.0, 0.0)
        """Of the present stretch: points, x, y, xx, xy, yy."""
        self._origin_ms = 0.0
        self._xx = self._xy = self._yy = 0.0
        """Of all stretches before, each around its mean."""
        self._points = 0

    def seam(self) -> None:
        """What comes next does not follow what was before."""
        points, xx, xy, yy = self._centred()
        self._points += points
        self._xx += xx
        self._xy += xy
        self._yy += yy
        self._sums = (0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def note(self, at_ms: float, ahead_ms: float) -> None:
        """Take notice of the packets of a batch that follow each other.

        Args:
            at_ms: when they are.
            ahead_ms: how far the samples of one in the middle are ahead of its stamp.
        """
        n, sum_x, sum_y, sum_xx, sum_xy, sum_yy = self._sums
        if not n:
            self._origin_ms = at_ms
        x, y = at_ms - self._origin_ms, ahead_ms
        self._sums = (n + 1, sum_x + x, sum_y + y, sum_xx + x * x, sum_xy + x * y, sum_yy + y * y)

    @property
    def ppm(self) -> float | None:
        """How much faster the samples come than their stamps say; None while that is not certain."""
        points, xx, xy, yy = self._centred()
        points, xx, xy, yy = points + self._points, xx + self._xx, xy + self._xy, yy + self._yy
        if points <= 0 or xx <= 0:
            return None
        scatter = max((yy - xy * xy / xx) / points, _ROUNDING_MS2)
        if (scatter / xx) ** 0.5 * 1e6 > _SURE_PPM:
            return None
        return round(xy / xx * 1e6, 1)

    def _centred(self) -> tuple[int, float, float, float]:
        """Degrees of freedom and sums of squares of the present stretch, around its mean."""
        n, x, y, xx, xy, yy = self._sums
        if n < 3:  # noqa: PLR2004 - a line goes through any two points
            return 0, 0.0, 0.0, 0.0
        return int(n) - 2, xx - x * x / n, xy - x * y / n, yy - y * y / n


class ClockDrift:
    """Zoom's media clock against the one of `Frame.received_at`.

    Media may be late, never early: of each window of time, what took the shortest way counts. When
    there are too many windows, every two become one. The slope is the median of those between all pairs
    of windows (Theil and Sen), so that an outage whose media come late moves nothing.
    """

    def __init__(self) -> None:
        self._width_s = _WINDOW_S
        self._windows: list[tuple[float, float]] = []
        """Of each: when, in seconds, and by how many milliseconds the stamp was ahead of our clock."""

    def note(self, timestamp_ms: int, received_at: float) -> None:
        """Take notice of a frame; one in a batch is enough."""
        ahead_ms = timestamp_ms - received_at * 1000
        if self._windows and received_at // self._width_s <= self._windows[-1][0] // self._width_s:
            if ahead_ms > self._windows[-1][1]:
                self._windows[-1] = (self._windows[-1][0], ahead_ms)
            return
        self._windows.append((received_at, ahead_ms))
        if len(self._windows) > _MOST_WINDOWS:
            self._width_s *= 2
            pairs = zip(self._windows[::2], [*self._windows[1::2], self._windows[-1]], strict=False)
            self._windows = [(one[0], max(one[1], other[1])) for one, other in pairs]

    @property
    def ppm(self) -> float | None:
        """How much faster Zoom's clock runs than ours; None in the first minute."""
        if len(self._windows) < _FEWEST_WINDOWS:
            return None
        at_s, ahead_ms = np.array(self._windows).T
        earlier, later = np.triu_indices(len(at_s), 1)
        apart = at_s[later] - at_s[earlier]
        slopes = (ahead_ms[later] - ahead_ms[earlier])[apart > 0] / apart[apart > 0]
        return round(float(np.median(slopes)) * 1000, 1)
