import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.errors import ZoomApiError
from rtms_engine.zoom_api.retries import BACKOFF_S, LONGEST_WAIT_S, retry_after_s, wait_after, waits

NOW_S = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30),
        ("2026-09-21T14:14:20Z", 60),
        ("2026-09-21T14:14:20", 60),
        ("2020-05-31T00:00:00Z", 0),
        ("soon", None),
        ("-5", None),
        ("²", None),
    ],
)
def test_retry_after_as_zoom_sends_it(header, seconds):
    assert retry_after_s(header, NOW_S) == seconds


@given(st.text())
def test_retry_after_is_never_trusted(header):
    seconds = retry_after_s(header, NOW_S)
    assert seconds is None or seconds >= 0


@given(st.floats(0, 1, exclude_max=True))
def test_chance_only_shortens_a_wait(chance):
    assert all(most / 2 <= wait <= most for wait, most in zip(waits(lambda: chance), BACKOFF_S, strict=True))


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "backoff_s", "wait_s"),
    [
        (500, 0, None, 1.0, 1.0),
        (503, 503, 5.0, 1.0, 5.0),
        (599, 0, None, 2.0, 2.0),
        (0, 0, None, 1.0, 1.0),
        (429, 429, None, 4.0, 4.0),
        (429, 429, 0.5, 4.0, 4.0),
        (429, 429, LONGEST_WAIT_S, 4.0, LONGEST_WAIT_S),
        (429, 429, LONGEST_WAIT_S + 1, 4.0, None),
        (400, 3000, None, 1.0, 1.0),
        (400, 2308, None, 1.0, None),
        (400, 2310, None, 1.0, None),
        (401, 124, None, 1.0, None),
        (403, 0, None, 1.0, None),
        (404, 3001, None, 1.0, None),
        (302, 0, None, 1.0, None),
        (500, 0, None, None, None),
    ],
)
def test_what_is_tried_again_and_when(status, code, retry_after, backoff_s, wait_s):
    assert wait_after(ZoomApiError(status, code, "", retry_after_s=retry_after), backoff_s) == wait_s
