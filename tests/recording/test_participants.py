"""Who rejoins is the same person under a new number; namesakes are not."""

from rtms_engine.model.events import Participant, ParticipantJoined, ParticipantLeft
from rtms_engine.model.frames import Speaker
from rtms_engine.recording.participants import Participants


def heard(*events: tuple[str, int, int, str]) -> Participants:
    participants = Participants()
    for what, at_ms, user_id, name in events:
        kind = ParticipantJoined if what == "joined" else ParticipantLeft
        participants.hear(kind(at_ms, Participant(user_id, name)))
    return participants


def presences(participants: Participants) -> list[tuple[str, list[tuple[int, int | None, int | None]]]]:
    return [
        (person.name, [(p.user_id, p.joined_ms, p.left_ms) for p in person.presences])
        for person in participants.persons()
    ]


def test_a_new_number_continues_a_person() -> None:
    participants = heard(
        ("joined", 0, 1, "Ana"), ("joined", 5, 2, "Cem"), ("left", 90, 1, ""), ("joined", 200, 3, "Ana")
    )
    participants.notice(Speaker(3, "Ana"), speaking=True)
    assert presences(participants) == [("Ana", [(1, 0, 90), (3, 200, None)]), ("Cem", [(2, 5, None)])]
    ana, cem = participants.persons()
    assert (ana.user_ids, ana.spoke, cem.spoke) == ([1, 3], True, False)
    assert [who.user_id for who in participants.everybody()] == [1, 2, 3], "files stay per number"


def test_the_old_number_may_leave_a_moment_after_the_new_one_came() -> None:
    participants = heard(("joined", 0, 1, "Ana"), ("joined", 100_000, 2, "Ana"), ("left", 130_000, 1, "Ana"))
    assert presences(participants) == [("Ana", [(1, 0, 130_000), (2, 100_000, None)])]


def test_namesakes_are_two_people() -> None:
    """Also if one of them leaves, long after the other came, and if nobody knows when they came."""
    participants = heard(("joined", 0, 1, "iPhone"), ("joined", 9, 2, "iPhone"), ("left", 900_000, 1, ""))
    assert len(participants.persons()) == 2
    nameless = heard(("joined", 0, 1, ""), ("left", 9, 1, ""), ("joined", 99, 2, ""))
    assert len(nameless.persons()) == 2
    nameless.notice(Speaker(5, "Eve"), speaking=True)
    nameless.notice(Speaker(6, "Eve"), speaking=True)
    assert len(nameless.persons()) == 4


def test_the_same_number_may_come_again() -> None:
    participants = heard(
        ("joined", 0, 1, "Ana"), ("joined", 4, 1, "Ana"), ("left", 9, 1, ""), ("joined", 50, 1, "Ana")
    )
    assert presences(participants) == [("Ana", [(1, 0, 9), (1, 50, None)])]
    [ana] = participants.everybody()
    assert (ana.joined_ms, ana.left_ms) == (0, None)


def test_a_channel_is_somebody() -> None:
    participants = Participants()
    participants.notice(Speaker(channel_id="c-1", name="caller"), speaking=True)
    [caller] = participants.persons()
    assert (caller.user_ids, caller.presences[0].channel_id) == ([], "c-1")
