"""What is told of what happens."""

from rtms_engine.notifications.progress import Interruptions, Outcome, of_recording
from rtms_engine.telemetry.story import Entry


def told(*events: tuple[str, str]) -> list[str]:
    interruptions = Interruptions()
    heard = [interruptions.hear("stream", Entry(1, "info", event, "", leg)) for event, leg in events]
    return [one.event if one else "" for one in heard]


def test_the_first_loss_interrupts_and_the_last_return_recovers() -> None:
    assert told(
        ("StreamStarted", ""),
        ("ConnectionAccepted", "audio"),
        ("ConnectionLost", "audio"),
        ("ConnectionLost", "signaling"),
        ("ConnectionRestored", "signaling"),
        ("ConnectionRestored", "audio"),
        ("ConnectionRestored", "audio"),
        ("ConnectionLost", "video"),
        ("StreamEnded", ""),
        ("ConnectionLost", "video"),
    ) == [
        "stream.started",
        "",
        "stream.interrupted",
        "",
        "",
        "stream.recovered",
        "",
        "stream.interrupted",
        "",
        "stream.interrupted",
    ]


def ends(outcome: Outcome) -> list[str]:
    return [one.event for one in of_recording("stream", 1, outcome)]


def test_how_a_recording_ended() -> None:
    assert ends(Outcome("done", ["mixed"])) == ["recording.done"]
    assert ends(Outcome("done", ["mixed", "transcript"])) == ["recording.done", "transcript.done"]
    assert ends(Outcome("failed", ["transcript"], "full")) == ["recording.failed", "transcript.done"]
    assert ends(Outcome("deleted", cause="revoked")) == ["recording.deleted"]
    assert ends(Outcome("recording")) == []
