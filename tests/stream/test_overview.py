"""A stream as somebody sees it who looks at it."""

from rtms_engine.model.causes import Cause
from rtms_engine.model.events import (
    ActiveSpeakerChanged,
    ConnectionLost,
    GapNoted,
    MediaGranted,
    MediaRefused,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    SharingStarted,
    SharingStopped,
    StreamStateChanged,
    VideoStarted,
    VideoStopped,
)
from rtms_engine.model.media import MediaKind
from rtms_engine.stream.overview import MOST_GAPS, MOST_PARTICIPANTS, Overseer, Overview, ParticipantState

ANN, BOB = Participant(1, "Ann"), Participant(2, "Bob")


def seen(*events):
    overseer = Overseer()
    for event in events:
        overseer.hear(event)
    return overseer.overview()


def test_nothing_has_happened() -> None:
    assert seen() == Overview()


def test_who_is_there_and_what_they_do() -> None:
    overview = seen(
        ParticipantJoined(10, ANN),
        ParticipantJoined(11, BOB),
        VideoStarted(12, ANN),
        SharingStarted(13, BOB),
        ActiveSpeakerChanged(14, Participant(2)),
    )
    assert overview.participants == (
        ParticipantState(1, "Ann", 10, camera=True),
        ParticipantState(2, "Bob", 11, sharing=True),
    )
    assert overview.active_speaker == 2


def test_what_was_begun_ends() -> None:
    overview = seen(
        ParticipantJoined(10, ANN),
        VideoStarted(12, ANN),
        SharingStarted(13, ANN),
        VideoStopped(14, ANN),
        SharingStopped(15),
    )
    assert overview.participants == (ParticipantState(1, "Ann", 10),)
    overview = seen(ParticipantJoined(10, ANN), VideoStarted(12, ANN), ParticipantLeft(20, ANN))
    assert overview.participants == (ParticipantState(1, "Ann", 10, 20),)


def test_media_that_come_are_not_refused() -> None:
    overview = seen(
        MediaRefused(1, MediaKind.VIDEO, "scope"),
        MediaGranted(2, MediaKind.AUDIO, {"codec": "l16"}),
        MediaGranted(3, MediaKind.VIDEO, {}),
        MediaRefused(4, MediaKind.CHAT, "off"),
    )
    assert overview.granted == {MediaKind.AUDIO: {"codec": "l16"}, MediaKind.VIDEO: {}}
    assert overview.refused == {MediaKind.CHAT: "off"}


def test_gaps_are_corrected_and_counted() -> None:
    overview = seen(
        StreamStateChanged(1, "ACTIVE"),
        ConnectionLost(2, "audio", "closed by the server"),
        GapNoted(3, MediaKind.AUDIO, 100, 200, "reset"),
        GapNoted(4, MediaKind.AUDIO, 100, 150, "reset"),
    )
    assert overview.gaps == (GapNoted(4, MediaKind.AUDIO, 100, 150, "reset"),)
    assert (overview.state, overview.losses) == ("ACTIVE", {Cause.CLOSED: 1})


def test_it_is_bounded_whatever_comes() -> None:
    """Those who left go first."""
    many = (ParticipantJoined(n, Participant(n + 10)) for n in range(MOST_PARTICIPANTS + 5))
    gaps = (GapNoted(n, MediaKind.AUDIO, n, n + 1, "x") for n in range(MOST_GAPS + 5))
    overview = seen(ParticipantJoined(1, ANN), ParticipantLeft(2, ANN), *many, *gaps)
    assert len(overview.participants) == MOST_PARTICIPANTS
    assert ANN.user_id not in {one.user_id for one in overview.participants}
    assert len(overview.gaps) == MOST_GAPS
