"""Signals about streams that nobody has heard of."""

from rtms_engine.model.ids import StreamId
from rtms_engine.model.products import MEETING
from rtms_engine.model.signals import StreamInterrupted, StreamStarted, StreamStopped

NOW_S = 1_790_000_000.0
HOUR_S = 3600.0
ENDED, REVOKED = 6, 8
"""Stop reasons (V1.md §9.5)."""


class Clock:
    """The wall clock; it stands still until it is moved."""

    def __init__(self, now_s=NOW_S):
        self.now_s = now_s

    def __call__(self):
        return self.now_s

    @property
    def now_ms(self):
        return int(self.now_s * 1000)


def started(stream="s1", ts=100, url="wss://one.zoom.us", **fields):
    fields = {"app": "mine", "product": MEETING, "entity_id": f"of {stream}/+==", **fields}
    return StreamStarted(stream_id=StreamId(stream), server_urls=(url,), event_ts_ms=ts, **fields)


def interrupted(stream="s1", ts=150, *urls):
    return StreamInterrupted("mine", MEETING, f"of {stream}/+==", StreamId(stream), ts, urls)


def stopped(stream="s1", ts=200, reason=ENDED):
    return StreamStopped("mine", MEETING, f"of {stream}/+==", StreamId(stream), ts, reason)
