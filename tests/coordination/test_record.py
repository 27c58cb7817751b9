"""The record of one stream, for every order in which signals may come."""

import itertools

import pytest
from msgspec.structs import replace

from rtms_engine.coordination.base import Unfinished
from rtms_engine.coordination.record import UNHEARD, ended, heard
from tests.coordination.signals import ENDED, REVOKED, interrupted, started, stopped

SECOND, THIRD = "wss://two.zoom.us", "wss://three.zoom.us"


def after(*signals):
    """The record after these signals, accepted at 1000, 2000, … ms; a number is the end at that time."""
    record = UNHEARD
    for now_ms, signal in zip(itertools.count(1000, 1000), signals, strict=False):
        record = ended(record, now_ms) if signal == "ended" else heard(record, signal, now_ms)
    return record


@pytest.mark.parametrize(
    ("signals", "owed"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([started()], Unfinished(started(), None, 1000), id="a start"),
        pytest.param(
            [started(), started(ts=150, url=SECOND)],
            Unfinished(started(ts=150, url=SECOND), None, 2000),
            id="a failover",
        ),
        pytest.param(
            [started(ts=150, url=SECOND), started()],
            Unfinished(started(ts=150, url=SECOND), None, 1000),
            id="a failover that overtook the start",
        ),
        pytest.param(
            [started(), interrupted()], Unfinished(started(), None, 1000), id="an interruption without URLs"
        ),
        pytest.param(
            [started(), interrupted("s1", 150, SECOND)],
            Unfinished(started(ts=150, url=SECOND), None, 2000),
            id="an interruption with newer URLs",
        ),
        pytest.param(
            [started(ts=160), interrupted("s1", 150, SECOND)],
            Unfinished(started(ts=160), None, 1000),
            id="an interruption with older URLs",
        ),
        pytest.param([interrupted("s1", 150, SECOND)], None, id="an interruption of nothing"),
        pytest.param([started(), stopped()], Unfinished(started(), stopped(), 1000), id="a stop"),
        pytest.param([stopped(), started()], None, id="a start that comes after its stop"),
        pytest.param(
            [stopped(), started(ts=300)], Unfinished(started(ts=300), None, 2000), id="a newer start"
        ),
        pytest.param(
            [started(), stopped(), started(ts=150, url=SECOND)],
            Unfinished(started(), stopped(), 1000),
            id="a failover that the stop overtook",
        ),
        pytest.param([started(), stopped(), "ended"], None, id="the end"),
        pytest.param([started(), "ended", stopped()], None, id="a stop after the end"),
        pytest.param([started(), "ended", started()], None, id="the start again after the end"),
        pytest.param(
            [started(), "ended", started(ts=300)],
            Unfinished(started(ts=300), None, 3000),
            id="a newer start after the end",
        ),
        pytest.param([started(), "ended", interrupted("s1", 150, THIRD)], None, id="URLs after the end"),
        pytest.param(
            [started(), stopped(), "ended", stopped(ts=190, reason=REVOKED)],
            Unfinished(started(), stopped(ts=190, reason=REVOKED), 1000),
            id="a revocation after the end",
        ),
        pytest.param(
            [started(), stopped(reason=REVOKED), "ended", stopped(ts=300, reason=REVOKED)],
            None,
            id="a second revocation after the end",
        ),
        pytest.param(
            [started(), stopped(reason=REVOKED), stopped(ts=300, reason=ENDED), started(ts=400)],
            Unfinished(started(), stopped(reason=REVOKED), 1000),
            id="nothing overrules a revocation",
        ),
        pytest.param(
            [started(), stopped(ts=200), stopped(ts=190)],
            Unfinished(started(), stopped(ts=200), 1000),
            id="an older stop",
        ),
        pytest.param(
            [started(), stopped(ts=200), stopped(ts=210)],
            Unfinished(started(), stopped(ts=210), 1000),
            id="a newer stop",
        ),
        pytest.param([stopped(), stopped(ts=210), "ended"], None, id="stops of nothing"),
    ],
)
def test_what_is_owed(signals, owed):
    assert after(*signals).unfinished == owed


def test_what_says_nothing_new_leaves_the_same_record():
    record = after(started(), stopped())
    for signal in (started(), interrupted(), stopped(), replace(stopped(), entity_id="")):
        assert heard(record, signal, 9000) is record
    assert ended(UNHEARD, 9000) is UNHEARD


def test_why_it_was_given_up():
    record = ended(after(started()), 9000, "its server is gone")
    assert (record.ended_ms, record.ended_why) == (9000, "its server is gone")
    assert after(started(), "ended", stopped(reason=REVOKED)).ended_why == ""
