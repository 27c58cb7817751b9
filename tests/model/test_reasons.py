"""Zoom's numbers with their names, causes and remedies (V1.md §9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model.reasons import (
    EXPLAINABLE,
    ContactCenterEventType,
    EventType,
    MessageType,
    Outcome,
    Reaction,
    SessionState,
    StatusCode,
    StopReason,
    StreamState,
    explain,
    numbers_of,
)
from tests.wire.strategies import unhurried

ENUMS = [MessageType, EventType, ContactCenterEventType, SessionState, StreamState, StatusCode, StopReason]


@pytest.mark.parametrize("codes", ENUMS)
@unhurried
@given(number=st.integers())
def test_every_number_is_a_value(codes, number):
    """Zoom adds some every quarter (V1.md §9)."""
    code = codes(number)
    assert code == number
    assert code.is_known == (number in set(map(int, codes)))
    assert code.is_known or code.name == f"UNKNOWN_{number}"


@pytest.mark.parametrize("codes", ENUMS)
def test_an_unknown_number_does_not_become_known(codes):
    """Being heard of once changes nothing."""
    assert not codes(777).is_known
    assert not codes(777).is_known
    assert 777 not in list(map(int, codes))
    with pytest.raises(ValueError, match="seven"):
        codes("seven")


@pytest.mark.parametrize(
    ("codes", "numbers"),
    [
        (MessageType, range(30)),
        (EventType, range(15)),
        (ContactCenterEventType, [0, *range(8, 30)]),
        (SessionState, range(6)),
        (StreamState, range(7)),
        (StatusCode, range(48)),
        (StopReason, range(27)),
    ],
)
def test_the_tables_are_complete(codes, numbers):
    """As many as V1.md §9 lists."""
    assert list(codes) == list(numbers)


@pytest.mark.parametrize(
    ("codes", "text", "number"),
    [
        (StatusCode, "STATUS_OK", 0),
        (StatusCode, "ok", 0),
        (StatusCode, "invalid signature", 3),
        (StopReason, "STOP_BC_MEETING_ENDED", 6),
        (StopReason, "MEETING_ENDED", 6),
        (StreamState, "STREAM_STATE_PAUSED", 5),
        (SessionState, "SESSION_STATE_PAUSED", 3),
        (MessageType, "KEEP_ALIVE_REQ", 12),
        (StatusCode, "", None),
        (StatusCode, "STATUS_", None),
        (StatusCode, "nothing", None),
    ],
)
def test_names_as_zoom_and_its_samples_spell_them(codes, text, number):
    assert codes.named(text) == number


@pytest.mark.parametrize("reason", [*range(30), 99])
def test_what_the_end_of_a_stream_means(reason):
    """V1.md §8.8; what nobody knows finishes normally."""
    restart = {*range(10, 20), 24}
    means = Outcome.ERASE if reason == 8 else Outcome.RESTART if reason in restart else Outcome.FINISH
    assert StopReason(reason).outcome is means


@pytest.mark.parametrize("number", range(48))
def test_every_known_status_has_a_reaction_of_its_own(number):
    assert isinstance(StatusCode(number).reaction, Reaction)
    assert (StatusCode(number).reaction is Reaction.NONE) == (number == 0)


def test_an_unknown_status_is_tried_again():
    assert StatusCode(48).reaction is Reaction.BACK_OFF


@pytest.mark.parametrize("table", EXPLAINABLE)
def test_every_number_can_be_explained(table):
    """With a name, a cause and a remedy, each a sentence."""
    for number in numbers_of(table):
        explanation = explain(table, int(number))
        assert explanation.name == number.name
        assert explanation.cause.endswith((".", "?"))
        assert explanation.remedy.endswith(".")


@pytest.mark.parametrize("table", EXPLAINABLE)
def test_an_unknown_number_is_explained_as_such(table):
    explanation = explain(table, 12345)
    assert explanation.name == "UNKNOWN_12345"
    assert "not published" in explanation.cause
