"""Who is let in."""

import pytest

from rtms_engine.api.access import ANYBODY, FORWARDED, Buckets, Doorkeeper, require
from rtms_engine.api.problem import Refused
from rtms_engine.api.tokens import Scope, Token

READER = Token("reader", "hash", frozenset({Scope.READ}), 0)
HERE = {"Host": "localhost:8081"}


def doorkeeper(
    anonymous: str = "loopback", hosts: frozenset[str] = frozenset({"rtms.example.com"})
) -> Doorkeeper:
    tokens = {"good": READER}
    return Doorkeeper(tokens.get, anonymous=anonymous, hosts=hosts, requests_per_s=10.0)


def refusal(door: Doorkeeper, peer: str = "127.0.0.1", cookie: str = "", **headers: str) -> Refused:
    with pytest.raises(Refused) as caught:
        door.admit(peer, {**HERE, **headers}, cookie, 0.0)
    return caught.value


def test_who_is_on_this_machine_needs_no_token() -> None:
    assert doorkeeper().admit("127.0.0.1", HERE, "", 0.0) is ANYBODY
    assert doorkeeper().admit("::1", {"Host": "[::1]:8081"}, "", 0.0) is ANYBODY


@pytest.mark.parametrize("header", FORWARDED)
def test_who_comes_through_a_proxy_is_not_on_this_machine(header: str) -> None:
    assert refusal(doorkeeper(), **{header: "203.0.113.7"}).problem.status == 401


def test_others_need_a_token() -> None:
    refused = refusal(doorkeeper(), "203.0.113.7", Host="rtms.example.com")
    assert refused.problem.status == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    door = doorkeeper()
    headers = {"Host": "rtms.example.com", "Authorization": "Bearer good"}
    assert door.admit("203.0.113.7", headers, "", 0.0) is READER
    assert door.admit("203.0.113.7", {"Host": "rtms.example.com"}, "good", 0.0) is READER


def test_a_wrong_token_is_refused_even_here() -> None:
    refused = refusal(doorkeeper(), Authorization="Bearer bad")
    assert refused.problem.status == 401
    assert "bad" not in str(refused.problem)


def test_never_and_everywhere() -> None:
    assert refusal(doorkeeper("never")).problem.status == 401
    assert doorkeeper("everywhere").admit("203.0.113.7", HERE, "", 0.0) is ANYBODY


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "", "localhost.evil.example", "[::1"])
def test_another_name_is_a_rebound_one(host: str) -> None:
    assert refusal(doorkeeper(), Host=host).problem.field == "header.Host"


def test_any_name_if_so_configured() -> None:
    door = doorkeeper(hosts=frozenset({"*"}))
    assert door.admit("127.0.0.1", {"Host": "whatever.example"}, "", 0.0) is ANYBODY


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9999"])
def test_pages_of_others_are_refused(origin: str) -> None:
    assert refusal(doorkeeper(), Origin=origin).problem.field == "header.Origin"


def test_our_own_page_is_let_in() -> None:
    headers = {**HERE, "Origin": "http://localhost:8081"}
    assert doorkeeper().admit("127.0.0.1", headers, "", 0.0) is ANYBODY


def test_a_scope_reaches_as_far_as_it_does() -> None:
    require(READER, Scope.READ)
    with pytest.raises(Refused) as caught:
        require(READER, Scope.DELETE)
    assert caught.value.problem.status == 403
    assert "delete" in caught.value.problem.remedy


def test_too_many_requests_wait() -> None:
    door = doorkeeper()
    for _ in range(20):
        door.admit("127.0.0.1", HERE, "", 0.0)
    refused = refusal(door)
    assert (refused.problem.status, refused.headers["Retry-After"]) == (429, "1")
    assert door.admit("::1", HERE, "", 0.0) is ANYBODY, "another client is not made to wait"
    assert door.admit("127.0.0.1", HERE, "", 0.2) is ANYBODY


def test_as_many_clients_as_there_may_be() -> None:
    buckets = Buckets(1.0, 1.0, most=2)
    for client in "abc":
        assert buckets.take(client, 0.0) == 0.0
    assert buckets.take("c", 0.0) > 0.0
    assert buckets.take("a", 0.0) == 0.0, "forgotten"
