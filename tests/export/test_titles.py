"""Subtitles without gaps, and chapters that name who is seen or heard."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.export.titles import Chapter, Cue, Screen, chapters, read_vtt, screens
from rtms_engine.model.events import ActiveSpeakerChanged, Participant, ParticipantJoined
from rtms_engine.recording.video import PictureSourceChanged
from tests.recording.support import T0

ANA, CEM = Participant(1, "Ana"), Participant(2)
cues = st.lists(
    st.builds(
        lambda start, length, text: Cue(start, start + length, "", text),
        st.integers(0, 10_000),
        st.integers(1, 5_000),
        st.text(),
    ),
    max_size=12,
).map(lambda found: sorted(found, key=lambda cue: cue.start_ms))


def test_vtt_is_read_as_the_recorder_writes_it() -> None:
    text = (
        "WEBVTT\n\n00:00:01.500 --> 01:00:02.000\n<v A &amp; B>x &lt; y\n\n"
        "NOTE nothing\n\n00:00:00.000 --> 00:00:01.000\nnobody's\n"
    )
    assert read_vtt(text) == [Cue(0, 1000, "", "nobody's"), Cue(1500, 3_602_000, "A & B", "x < y")]
    assert read_vtt("") == read_vtt("\x00--> <v") == []


def test_what_is_said_at_once_is_shown_at_once() -> None:
    said = [Cue(500, 2000, "Ana", "one"), Cue(1500, 3000, "Cem", "two\nlines"), Cue(9000, 99_000, "", "cut")]
    assert list(screens(said, 10_000)) == [
        Screen(0, 500, ""),
        Screen(500, 1000, "Ana: one"),
        Screen(1500, 500, "Ana: one\nCem: two lines"),
        Screen(2000, 1000, "Cem: two lines"),
        Screen(3000, 6000, ""),
        Screen(9000, 1000, "cut"),
    ]


@given(cues, st.integers(1, 12_000))
def test_screens_touch_each_other(said: list[Cue], duration_ms: int) -> None:
    """From 0 on, whatever overlaps; no text is longer than MP4 allows."""
    found = list(screens(said, duration_ms))
    assert [a.at_ms + a.duration_ms for a in found[:-1]] == [b.at_ms for b in found[1:]]
    assert not found or found[0].at_ms == 0
    assert all(screen.duration_ms > 0 and len(screen.text.encode()) < 65_536 for screen in found)


def test_chapters_are_of_those_who_are_seen() -> None:
    """A name that only the roster knows is looked up; who is seen for a moment has no chapter."""
    happened = [
        ParticipantJoined(T0, Participant(2, "Cem\x07")),
        PictureSourceChanged(T0 + 3000, "camera", ANA),
        PictureSourceChanged(T0 + 5000, "share", CEM),
        PictureSourceChanged(T0 + 8000, "camera", CEM),
        PictureSourceChanged(T0 + 8500, "camera", ANA),
        PictureSourceChanged(T0 + 20_000, "camera", CEM),
        PictureSourceChanged(T0 + 90_000, "camera", ANA),
    ]
    assert chapters(happened, [], T0, 30_000) == [
        Chapter(0, 3000, "Start"),
        Chapter(3000, 20_000, "Ana"),
        Chapter(20_000, 30_000, "Cem"),
    ]


def test_chapters_come_from_whatever_names_most_people() -> None:
    """One camera says nothing of who speaks, and without events the transcript does."""
    said = [Cue(0, 1, "Ana", ""), Cue(5000, 6000, "Cem", ""), Cue(7000, 8000, "", "?")]
    one_camera = [PictureSourceChanged(T0, "camera", ANA)]
    assert [c.title for c in chapters(one_camera, said, T0, 9000)] == ["Ana", "Cem"]
    spoke = [ActiveSpeakerChanged(T0 - 50, ANA), ActiveSpeakerChanged(T0 + 4000, Participant(2, "Bo"))]
    assert [(c.start_ms, c.title) for c in chapters([*one_camera, *spoke], said, T0, 9000)] == [
        (0, "Ana"),
        (4000, "Bo"),
    ]
    assert chapters([], [], T0, 9000) == []


@given(st.lists(st.tuples(st.integers(-5000, 50_000), st.sampled_from("ABC")), max_size=20))
def test_chapters_touch_each_other(changes: list[tuple[int, str]]) -> None:
    happened = [ActiveSpeakerChanged(T0 + at, Participant(ord(name), name)) for at, name in changes]
    found = chapters(happened, [], T0, 20_000)
    assert all(a.end_ms == b.start_ms and a.title != b.title for a, b in itertools.pairwise(found))
    assert not found or (found[0].start_ms, found[-1].end_ms) == (0, 20_000)
    assert all(chapter.start_ms < chapter.end_ms for chapter in found)
