"""Who waits too long goes, and who waits longest makes room; who is served stays."""

import pytest

from rtms_engine.serving.lobby import Bounds, Lobby

BOUNDS = Bounds(head_s=10.0, idle_s=100.0, connections=4, waiting_per_address=2)


@pytest.fixture
def lobby() -> Lobby[str]:
    return Lobby(BOUNDS)


def test_a_head_that_does_not_come(lobby: Lobby[str]) -> None:
    assert lobby.deadline() is None
    assert lobby.arrives("a", "192.0.2.1", 0.0) == []
    assert lobby.arrives("b", "192.0.2.2", 4.0) == []
    assert lobby.deadline() == 10.0
    assert lobby.on_deadline(9.9) == []
    assert lobby.on_deadline(10.0) == ["a"]
    assert lobby.deadline() == 14.0


def test_more_bytes_of_a_head_give_no_more_time(lobby: Lobby[str]) -> None:
    lobby.arrives("a", "192.0.2.1", 0.0)
    lobby.speaks("a", 9.0)
    assert lobby.deadline() == 10.0


def test_between_two_requests(lobby: Lobby[str]) -> None:
    lobby.arrives("a", "192.0.2.1", 0.0)
    lobby.is_served("a")
    assert lobby.deadline() is None, "a handler takes as long as it takes"
    lobby.rests("a", 50.0)
    assert lobby.deadline() == 150.0
    lobby.speaks("a", 149.0)
    lobby.speaks("a", 155.0)
    assert lobby.deadline() == 159.0, "the first byte began the time of the head"
    lobby.is_served("a")
    lobby.leaves("a")
    lobby.rests("a", 160.0)
    assert lobby.deadline() is None, "who has gone does not come back by an answer"


def test_one_address_cannot_wait_everywhere(lobby: Lobby[str]) -> None:
    lobby.arrives("a", "192.0.2.1", 0.0)
    lobby.arrives("b", "192.0.2.1", 1.0)
    assert lobby.arrives("c", "192.0.2.1", 2.0) == ["a"]
    assert lobby.arrives("d", "192.0.2.2", 3.0) == []


def test_those_who_are_served_do_not_count_for_their_address(lobby: Lobby[str]) -> None:
    """A proxy's burst of webhooks."""
    for number, guest in enumerate("abcd"):
        assert lobby.arrives(guest, "192.0.2.1", float(number)) == []
        lobby.is_served(guest)
    assert not lobby.has_room


def test_a_full_house(lobby: Lobby[str]) -> None:
    for number, guest in enumerate("abcd"):
        assert lobby.has_room
        assert lobby.arrives(guest, f"192.0.2.{number}", float(number)) == []
    lobby.is_served("a")
    lobby.rests("c", 0.5)
    assert lobby.has_room
    assert lobby.arrives("e", "192.0.2.9", 9.0) == ["c"], "of all who wait, the one who has for longest"
    assert lobby.arrives("f", "192.0.2.10", 9.0) == ["b"]
