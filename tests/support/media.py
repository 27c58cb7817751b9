"""Real media that do not come with the project: speech, H.264 and pictures, with a script."""

import os
from pathlib import Path

import pytest

MEDIA = Path(os.environ.get("RTMS_TEST_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
"""``RTMS_TEST_MEDIA``, or ``shared/media`` beside the checkout."""

needs_media = pytest.mark.skipif(not MEDIA.is_dir(), reason=f"no test media in {MEDIA}; set RTMS_TEST_MEDIA")
