"""What the chaos in the simulator found in the lifecycle; each failed first."""

from rtms_engine.model.reasons import StatusCode
from rtms_engine.protocol.events import StatusHeard
from tests.support.playbook import Playbook, streaming


def test_the_successors_of_a_lost_unified_connection_come_back():
    """It was lost, then refused for good, and split: that the kinds are back must be said, or the gaps that
    began with the loss never end (chaos seed 4).
    """
    stream = Playbook("audio", "transcript", unified=True)
    stream.starts()
    stream.accepts("signaling")
    stream.accepts("all")
    assert stream.loses("all") == ["lost all: gone", "disconnect all"]
    stream.waits()
    stream.refuses("all", 12)
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]
    assert stream.accepts("transcript") == ["restored transcript", "acknowledge"]


def test_the_parts_of_a_unified_connection_that_never_was_are_no_comeback():
    stream = Playbook("audio", "transcript", unified=True)
    stream.starts()
    stream.accepts("signaling")
    stream.refuses("all", 12)
    assert stream.accepts("audio") == ["acknowledge"]


def test_no_ack_without_a_media_connection():
    """Zoom says 41 while every media connection is lost: the ACK follows the next handshake (chaos seed 1750)."""
    stream = streaming("audio", "transcript")
    stream.loses("audio")
    stream.loses("transcript")
    assert stream.hears(StatusHeard(StatusCode.INVALID_CLIENT_READY_ACK, "")) == []
    stream.waits()
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]
    assert stream.hears(StatusHeard(StatusCode.INVALID_CLIENT_READY_ACK, "")) == ["acknowledge"]


def test_the_end_is_not_before_zooms_window_is_over():
    """No attempt fits any more at 45 s, but a failover that is on its way does (chaos seed 2221)."""
    stream = streaming("audio")
    stream.loses("signaling")
    for _ in range(4):
        stream.waits()
        stream.loses("signaling")
    assert stream.now == 45
    assert stream.passes(14) == []
    assert stream.starts("wss://s/2") == ["connect signaling wss://s/2"]
    stream.accepts("signaling")
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]
