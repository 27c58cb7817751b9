"""Whose camera to ask for (V1.md §5.9)."""

import pytest

from rtms_engine.model.events import (
    ActiveSpeakerChanged,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    SharingStopped,
    VideoStarted,
    VideoStopped,
)
from rtms_engine.protocol.video_choice import VideoChoice


def on(user_id):
    return VideoStarted(0, Participant(user_id))


def off(user_id):
    return VideoStopped(0, Participant(user_id))


def speaks(user_id):
    return ActiveSpeakerChanged(0, Participant(user_id))


def joins(user_id, name):
    return ParticipantJoined(0, Participant(user_id, name))


def leaves(user_id):
    return ParticipantLeft(0, Participant(user_id))


STORIES = {
    "the active speaker, if their camera is on": (
        "active_speaker",
        [(on(1), 1), (on(2), None), (speaks(2), 2), (speaks(3), None), (speaks(1), 1), (speaks(1), None)],
    ),
    "a camera that goes on while its owner speaks": (
        "active_speaker",
        [(on(1), 1), (speaks(2), None), (on(2), 2)],
    ),
    "somebody else when the shown camera goes off": (
        "active_speaker",
        [(on(1), 1), (on(2), None), (off(1), 2)],
    ),
    "the same one again when the camera comes back": (
        "active_speaker",
        [(on(1), 1), (off(1), None), (on(1), 1)],
    ),
    "the speaker's camera comes back": (
        "active_speaker",
        [(on(1), 1), (on(2), None), (speaks(2), 2), (off(2), 1), (on(2), 2)],
    ),
    "who leaves is not shown": (
        "active_speaker",
        [(on(1), 1), (on(2), None), (leaves(1), 2), (leaves(2), None)],
    ),
    "a camera heard of twice": (
        "active_speaker",
        [(on(1), 1), (on(1), None), (off(1), None), (off(1), None)],
    ),
    "the first camera, as long as it is on": (
        "first_camera",
        [
            (on(1), 1),
            (on(2), None),
            (speaks(2), None),
            (off(2), None),
            (on(2), None),
            (off(1), 2),
            (on(1), None),
        ],
    ),
    "one user by id, nobody else": (
        "user:2",
        [(on(1), None), (speaks(1), None), (on(2), 2), (off(2), None), (on(2), 2)],
    ),
    "one user by name": ("user:Bea", [(on(1), None), (joins(2, "Bea"), None), (on(2), 2), (speaks(1), None)]),
    "one user whose name comes after the camera": ("user:Bea", [(on(2), None), (joins(2, "Bea"), 2)]),
    "other events": ("active_speaker", [(SharingStopped(0), None), (leaves(9), None), (off(9), None)]),
}


@pytest.mark.parametrize("story", STORIES)
def test_story(story):
    follow, steps = STORIES[story]
    choice = VideoChoice(follow)
    for event, wanted in steps:
        assert choice.hear(event) == wanted, event


@pytest.mark.parametrize(
    ("follow", "again"), [("active_speaker", 2), ("first_camera", 1), ("user:2", 2), ("user:9", None)]
)
def test_after_a_reconnect_it_is_asked_for_again(follow, again):
    """Zoom may have forgotten (V1.md §12, Q19)."""
    choice = VideoChoice(follow)
    for event in (on(1), on(2), speaks(2)):
        choice.hear(event)
    assert choice.again() == again
    assert choice.again() == again


def test_without_cameras_there_is_nothing_to_ask_for():
    assert VideoChoice("active_speaker").again() is None


def test_somebody_wants_another_camera():
    choice = VideoChoice("active_speaker")
    choice.hear(on(1))
    choice.hear(on(2))
    assert choice.choose("user:2") == 2
    assert choice.hear(speaks(1)) is None
    assert choice.choose("active_speaker") == 1
    assert choice.choose("user:9") is None
    assert choice.hear(on(9)) == 9, "as soon as it is on"
