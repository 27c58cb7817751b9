"""What follows a try."""

import pytest

from rtms_engine.outbound.schedule import WAITS_S, Answer, Verdict, judge, retry_after_s


@pytest.mark.parametrize("status", [0, 100, 301, 307, 400, 401, 404, 429, 500, 503])
def test_what_is_not_2xx_is_tried_eight_times_in_a_day(status):
    waits = [judge(Answer(status), tries) for tries in range(1, 8)]
    assert waits == [(Verdict.AGAIN, wait_s) for wait_s in (5, 300, 1800, 7200, 18000, 36000, 36000)]
    assert judge(Answer(status), 8) == (Verdict.GIVEN_UP, 0.0)
    assert sum(WAITS_S) > 24 * 3600


@pytest.mark.parametrize("status", [200, 202, 204])
def test_2xx_is_delivered(status):
    assert judge(Answer(status), 8) == (Verdict.DELIVERED, 0.0)


def test_410_ends_it_for_good():
    assert judge(Answer(410), 1) == (Verdict.DISABLED, 0.0)


def test_a_receiver_may_ask_for_more_time_and_not_for_less():
    assert judge(Answer(503, retry_after_s=60), 1) == (Verdict.AGAIN, 60)
    assert judge(Answer(503, retry_after_s=60), 2) == (Verdict.AGAIN, 300)
    assert judge(Answer(503, retry_after_s=10**9), 1) == (Verdict.AGAIN, 36_000)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("120", 120.0),
        ("9" * 400, 36_000.0),
        ("-1", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("", None),
    ],
)
def test_retry_after(header, expected):
    assert retry_after_s(header, 60.0) == expected
