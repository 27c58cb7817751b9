"""What happens when, and what a late client is told."""

from rtms_engine.model.products import CONTACT_CENTER_VOICE, MEETING, SESSION
from rtms_engine.simulator import cues, demo_script
from rtms_engine.simulator.media import Media

MEDIA = Media(demo_script())


def test_the_demo() -> None:
    """In order, and each speaker once per turn."""
    happening = [(cue.at_ms, cue.event["event_type"]) for cue in cues.events(MEDIA, MEETING)]
    assert happening == [
        (0, 3), (0, 3), (400, 2), (1000, 8), (3000, 2), (4000, 5), (7200, 2), (9700, 2), (14_300, 2),
        (15_900, 2), (18_000, 2), (18_000, 6), (19_400, 2), (22_000, 9),
    ]  # fmt: skip


def test_a_late_client_is_told_what_holds() -> None:
    """Nobody speaks or shares at the very start; later all that can be told is."""
    assert list(cues.situation(MEDIA, SESSION, 0)) == [3]
    assert {kind: event.get("user_id") for kind, event in cues.situation(MEDIA, SESSION, 5000).items()} == {
        3: None,
        2: 16779264,
        5: 16779264,
        8: None,
    }


def test_calls_have_events_of_their_own() -> None:
    """The first participant is the consumer (V1.md §5.4, §9.3)."""
    first, second = cues.events(MEDIA, CONTACT_CENTER_VOICE)
    assert (first.event["event_type"], second.event["event_type"]) == (8, 10)
    assert first.event["participant_info"]["participant_mode"] == "caller"
    assert cues.situation(MEDIA, CONTACT_CENTER_VOICE, 0) == {}


def test_known_events() -> None:
    """By product: the numbers overlap."""
    assert cues.known_events(MEETING) == set(range(1, 15))
    assert cues.known_events(CONTACT_CENTER_VOICE) == {1, 7, *range(8, 30)}
