"""For the tests of whoever builds on the engine: no Zoom account, no network, no meeting needed.

* `check_sink` runs the contract of sinks (`rtms_engine.sinks.base`) against a sink;
* the pytest fixture ``fake_zoom`` (`rtms_engine.testing.meetings`) plays scripted meetings to a sink, an
  engine, or a product in another process.
"""

from .checks import CHECKS, Check
from .compliance import Finding, NotCompliant, Report, check_sink
from .meetings import FakeZoomMeetings, Played

__all__ = [
    "CHECKS",
    "Check",
    "FakeZoomMeetings",
    "Finding",
    "NotCompliant",
    "Played",
    "Report",
    "check_sink",
]
