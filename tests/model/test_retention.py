"""How long things are kept, as people write it."""

import pytest

from rtms_engine.model.retention import Retention

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("spelled", "days"), [("forever", None), ("none", 0), (30, 30), ("30d", 30), ("1d", 1), (36_500, 36_500)]
)
def test_spellings(spelled, days):
    assert Retention.spelled(spelled) == Retention(days)


@pytest.mark.parametrize(
    "spelled",
    ["", "d", "0d", 0, -1, True, 1.5, None, "30", "30 d", "²d", "forever ", 36_501, "9" * 5000 + "d", []],
)
def test_nonsense(spelled):
    assert Retention.spelled(spelled) is None


def test_when_it_is_over():
    assert not Retention().is_over(0, 10**15)
    assert not Retention(2).is_over(0, 2 * DAY_MS - 1)
    assert Retention(2).is_over(0, 2 * DAY_MS)
    assert Retention(0).is_over(0, 0)
    assert [str(Retention(days)) for days in (None, 0, 7)] == ["forever", "none", "7d"]
