"""How late ticks come."""

import pytest

from rtms_engine.telemetry.loop_lag import TICK_S, WINDOW_S, LoopLag


def test_ticks_in_time_show_no_lag() -> None:
    lag = LoopLag(10.0)
    assert lag.lag_s == 0.0
    assert lag.tick(10.0) == 10.0 + TICK_S
    lag.tick(10.0 + TICK_S)
    assert lag.lag_s == 0.0


def test_the_longest_wait_is_told_for_a_while() -> None:
    lag = LoopLag(0.0)
    now = lag.tick(0.0) + 0.7
    lag.tick(now)
    for _ in range(10):
        now = lag.tick(now)
    assert lag.lag_s == pytest.approx(0.7)
    lag.tick(now + WINDOW_S + 1)
    lag.tick(now + WINDOW_S + 1 + TICK_S)
    assert lag.lag_s == pytest.approx(WINDOW_S + 1 - 0.0, abs=1.0), "and this wait was longer"
