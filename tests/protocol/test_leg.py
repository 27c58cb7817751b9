"""The reconnect book of one connection, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model.products import MEETING, PHONE, PRODUCTS, SESSION
from rtms_engine.model.reasons import StatusCode
from rtms_engine.protocol.backoff import backoff_s
from rtms_engine.protocol.commands import Connect
from rtms_engine.protocol.events import SIGNALING
from rtms_engine.protocol.leg import Leg, LegState
from tests.protocol.speaking import identity
from tests.wire.strategies import unhurried


def no_jitter():
    return 0.0


def a_leg(window_s=60.0, variants=1):
    return Leg(SIGNALING, window_s, variants)


def test_every_attempt_has_a_generation_of_its_own():
    leg = a_leg()
    assert leg.connect(0.0, "wss://a") == Connect(SIGNALING, 1, "wss://a")
    assert leg.lost(0.0, no_jitter)
    assert leg.connect(3.0) == Connect(SIGNALING, 2, "wss://a")
    assert leg.connect(3.0, "wss://b") == Connect(SIGNALING, 3, "wss://b")


def test_a_comeback_is_known_for_one():
    """Also after it only rested, because signaling was lost."""
    leg = a_leg()
    leg.connect(0.0, "wss://a")
    assert not leg.accepted()
    leg.lost(0.0, no_jitter)
    leg.connect(3.0)
    assert leg.accepted()
    leg.rest()
    leg.connect(9.0)
    assert leg.accepted()
    assert not leg.accepted()


def test_the_window_begins_with_the_loss():
    leg = a_leg(window_s=5.0)
    leg.connect(0.0, "wss://a")
    leg.accepted()
    assert leg.lost(1000.0, no_jitter)
    assert leg.retry_at == 1003.0
    leg.connect(1003.0)
    assert not leg.lost(1003.0, no_jitter)
    assert leg.state is LegState.EXPIRED
    assert leg.retry_at is None


def test_what_expired_has_another_chance_with_signaling_and_what_was_refused_with_new_servers():
    for end, after_rest in ((LegState.EXPIRED, LegState.IDLE), (LegState.GIVEN_UP, LegState.GIVEN_UP)):
        leg = a_leg()
        leg.state = end
        assert leg.is_out
        leg.rest()
        assert leg.state is after_rest
        leg.state = end
        leg.change_servers()
        assert leg.state is LegState.IDLE


def test_given_up_stays_given_up():
    leg = a_leg()
    leg.give_up()
    leg.rest()
    assert leg.state is LegState.GIVEN_UP


def test_a_refusal_that_leaves_nothing_to_try():
    leg = a_leg()
    leg.connect(0.0, "wss://a")
    assert not leg.refused(StatusCode.INVALID_SIGNATURE, 0.0, no_jitter)
    assert repr(leg) == "<Leg signaling given up generation=1>"


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(0, 3), (1, 6), (2, 12), (3, 24), (4, 30), (5, 30), (10_000, 30)]
)
def test_backoff(attempt, seconds):
    """min(3·2ⁿ, 30), counted before it is increased (V1.md §7, §7.2)."""
    assert backoff_s(attempt, no_jitter) == seconds


@unhurried
@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_jitter_only_shortens(attempt, random):
    longest = backoff_s(attempt, no_jitter)
    assert 0.9 * longest <= backoff_s(attempt, lambda: random) <= longest


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_variants_of_the_id_fields(product):
    """Every way names the entity, no two ways are the same."""
    ways = [tuple(identity(product).entity_fields(variant)) for variant in range(identity(product).variants)]
    assert len(set(ways)) == len(ways) == (1 if product is MEETING else 3)


@pytest.mark.parametrize("product", [SESSION, PHONE])
def test_the_first_way_sends_both(product):
    assert identity(product).entity_fields() == {"meeting_uuid": "U==", product.id_field: "U=="}
