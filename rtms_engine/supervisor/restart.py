"""Whether a stream that ended is to be started again through Zoom's REST API (V1.md §8.5, §8.8). Pure."""

from collections import OrderedDict, deque

from ..model.reasons import Outcome, StopReason

MOST = 3
WINDOW_S = 600.0
"""A meeting's streams are started again at most `MOST` times in this."""
REMEMBERED = 10_000
"""So many meetings are kept in mind; if more need restarts in one window, the oldest are forgotten and
may have more, since a lost stream is worse than a restart too many."""

_MOST_AFTER = {StopReason.AUTHENTICATION_FAILURE: 1}
"""What restarts seldom cure: with wrong credentials every stream ends so, a second after it began."""

_History = deque[tuple[float, StopReason]]


class RestartPolicy:
    """Counts the restarts of every meeting.

    Args:
        most: restarts of a meeting in ``window_s``.
        window_s: seconds.
    """

    def __init__(self, most: int = MOST, window_s: float = WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._restarts: OrderedDict[str, _History] = OrderedDict()

    def __repr__(self) -> str:
        return f"<RestartPolicy meetings={len(self._restarts)}>"

    def wants_restart(self, entity_id: str, reason: int, now: float) -> bool:
        """Whether to start a stream again. A yes counts as a restart, whatever becomes of it.

        Args:
            entity_id: of its meeting; without one there is nothing to start.
            reason: why it ended (V1.md §9.5).
            now: monotonic seconds, never less than before.
        """
        reason = StopReason(reason)
        if not entity_id or reason.outcome is not Outcome.RESTART:
            return False
        self._forget(now)
        history = self._restarts.pop(entity_id, _History())
        while history and history[0][0] <= now - self._window_s:
            history.popleft()
        same = sum(earlier == reason for _, earlier in history)
        wanted = len(history) < self._most and same < _MOST_AFTER.get(reason, self._most)
        if wanted:
            history.append((now, reason))
        self._remember(entity_id, history)
        return wanted

    def _remember(self, entity_id: str, history: _History) -> None:
        if history:
            self._restarts[entity_id] = history
        if len(self._restarts) > REMEMBERED:
            self._restarts.popitem(last=False)

    def _forget(self, now: float) -> None:
        """Let go of meetings whose restarts are all past the window, from the one asked about longest ago."""
        while self._restarts:
            entity_id, history = next(iter(self._restarts.items()))
            if history[-1][0] > now - self._window_s:
                return
            del self._restarts[entity_id]
