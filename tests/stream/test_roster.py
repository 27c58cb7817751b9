"""Who is in the meeting, who speaks, whose frame it is."""

import pytest

from rtms_engine.model.events import ActiveSpeakerChanged, Participant, ParticipantJoined, ParticipantLeft
from rtms_engine.model.frames import Speaker
from rtms_engine.stream.roster import Roster


def roster(*events):
    heard = Roster()
    for event in events:
        heard.hear(event)
    return heard


def joined(user_id, name):
    return ParticipantJoined(0, Participant(user_id, name))


def speaks(user_id, name=""):
    return ActiveSpeakerChanged(0, Participant(user_id, name))


@pytest.mark.parametrize(
    ("events", "packet", "speaker"),
    [
        ([], (5, "Ann", ""), Speaker(5, "Ann")),
        ([], (5, "", ""), Speaker(5, "")),
        ([joined(5, "Ann")], (5, "", ""), Speaker(5, "Ann")),
        ([joined(5, "Ann")], (5, "Anna", ""), Speaker(5, "Anna")),
        ([joined(5, "Ann"), joined(5, "")], (5, "", ""), Speaker(5, "Ann")),
        ([joined(5, "Ann"), joined(5, "Bea")], (5, "", ""), Speaker(5, "Bea")),
        ([speaks(5, "Ann")], (5, "", ""), Speaker(5, "Ann")),
        ([joined(5, "Ann"), ParticipantLeft(0, Participant(5))], (5, "", ""), Speaker(5, "Ann")),
        ([], (0, "", "7"), Speaker(0, "", "packet", "7")),
    ],
)
def test_whose_frame_it_is(events, packet, speaker):
    """The packet's own name, else the roster's; late frames of who left keep theirs."""
    assert roster(*events).speaker(*packet) == speaker


@pytest.mark.parametrize(
    ("events", "speaker"),
    [
        ([], Speaker(source="unknown")),
        ([joined(5, "Ann")], Speaker(source="unknown")),
        ([speaks(5, "Ann")], Speaker(5, "Ann", "active_speaker")),
        ([joined(5, "Ann"), speaks(5)], Speaker(5, "Ann", "active_speaker")),
        ([speaks(5, "Ann"), speaks(6, "Bea")], Speaker(6, "Bea", "active_speaker")),
    ],
)
def test_who_is_heard_in_the_mix(events, speaker):
    assert roster(*events).mixed_speaker() == speaker


def test_the_same_speaker_is_the_same_value():
    """No new value for each of 50 packets a second."""
    heard = roster()
    assert heard.speaker(5, "Ann", "") is heard.speaker(5, "Ann", "")


def test_hostile_names_do_not_fill_the_memory():
    heard = Roster(most_speakers=10)
    for n in range(100):
        assert heard.speaker(n, f"{n}", "").user_id == n
    assert len(heard._speakers) == 10
