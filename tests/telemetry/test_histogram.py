"""Durations in buckets."""

from rtms_engine.telemetry.histogram import Histogram


def test_buckets_add_up() -> None:
    histogram = Histogram((0.1, 1.0), [0.05, 0.1, 0.5, 7.0])
    assert histogram.buckets() == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert histogram.sum_s == 7.65


def test_two_together() -> None:
    both = Histogram((0.1, 1.0), [0.05]) + Histogram((0.1, 1.0), [0.5])
    assert both.buckets() == [("0.1", 1.0), ("1.0", 2.0), ("+Inf", 2.0)]
    assert both.sum_s == 0.55
