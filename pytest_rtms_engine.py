"""The pytest plugin of rtms-engine (entry point ``pytest11``): the fixture ``fake_zoom``.

It stands beside the package, since pytest loads it for every run, and to load the package takes time that
only those should spend who use it.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rtms_engine.testing import FakeZoomMeetings


@pytest.fixture
def fake_zoom() -> "FakeZoomMeetings":
    """A fake Zoom that plays scripted meetings: see `rtms_engine.testing.meetings`.

    ``await fake_zoom.play(MySink)`` in a coroutine, ``fake_zoom.run(MySink)`` elsewhere.
    """
    from rtms_engine.testing import FakeZoomMeetings

    return FakeZoomMeetings()
