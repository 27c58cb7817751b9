"""The book of what was sent."""

from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import Ledger, Sent
from rtms_engine.simulator.media import Frame

FRAME = Frame(MediaKind.AUDIO, 120, 100, 7, True, 640, 99, b"", ())


def test_sums_and_single_frames() -> None:
    """With the times that are on the wire."""
    ledger = Ledger()
    ledger.frame_sent(FRAME, 1000)
    ledger.client_error("audio", "was rude")
    assert ledger.of(MediaKind.AUDIO) == [Sent(MediaKind.AUDIO, 7, 1100, 640, 99)]
    assert ledger.of(MediaKind.VIDEO) == []
    snapshot = ledger.snapshot()
    assert (snapshot.frames, snapshot.payload_bytes) == ({"audio": 1}, {"audio": 640})
    assert snapshot.client_errors[0].what == "was rude"
    assert repr(ledger) == "<Ledger audio=1 client_errors=1>"


def test_sums_only() -> None:
    """For load tests."""
    ledger = Ledger(keeps_frames=False)
    ledger.frame_sent(FRAME, 1000)
    assert (ledger.sent, ledger.frames[MediaKind.AUDIO]) == ([], 1)
