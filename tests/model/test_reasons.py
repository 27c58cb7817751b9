"""Zoom's numbers with their names, causes and remedies (V1.md §9)."""

import re
from pathlib import Path

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
    in_words,
    loss_in_words,
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


def test_no_number_that_zoom_lists_is_without_an_explanation():
    """Having a name is not enough."""
    bare = [
        f"{table} {int(number)}"
        for table in EXPLAINABLE
        for number in numbers_of(table)
        if "nothing more to say" in explain(table, number).cause
    ]
    assert not bare


def test_the_same_words_in_logs_and_stories():
    assert in_words("stop", 6) == "The meeting is over."
    assert in_words("status", 3).startswith("The handshake's signature is wrong. Check that client_id")
    assert loss_in_words("closed by the server with 1011 (internal error)") == "The server failed inside."
    assert loss_in_words("closed by us with 1000 (OK)") == "It was closed in good order."
    assert not loss_in_words("no frame for 35 s")


SPECIFICATION = next(
    (
        path
        for parent in Path(__file__).resolve().parents
        if (path := parent / "shared/protocol/V1.md").is_file()
    ),
    None,
)
"""The description of the wire, where it lies beside the repository."""


def walk(heading, pattern):
    """The numbers and names in a section of the specification."""
    if SPECIFICATION is None:
        pytest.skip("the protocol's description, V1.md, does not lie beside this repository")
    text = SPECIFICATION.read_text("utf-8")
    section = re.search(rf"^### {re.escape(heading)}.*?(?=^###? |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"V1.md has no section {heading}"
    found = re.findall(pattern, section[0].partition("<details>")[0], re.MULTILINE)
    assert found
    return [(int(number), name) for number, name in found]


ROW, INLINE = r"\| (\d+) \| ([A-Z_]+)", r"(?:^|· )(\d+) ([A-Z_]+)"


@pytest.mark.parametrize(
    ("table", "heading", "pattern"),
    [
        ("message", "9.1", ROW),
        ("event", "9.2", INLINE),
        ("contact", "9.3", ROW),
        ("status", "9.4", ROW),
        ("stop", "9.5", ROW),
        ("session", "9.6", INLINE),
        ("state", "9.7", INLINE),
    ],
)
def test_every_row_of_the_specification_is_explained(table, heading, pattern):
    """Under the name that stands there."""
    numbers = walk(heading, pattern)
    assert {number for number, _ in numbers} == set(map(int, numbers_of(table)))
    for number, name in numbers:
        assert explain(table, number).name == name


@pytest.mark.parametrize(
    ("table", "heading", "pattern"),
    [("rest", "1.11", r"`()(\d{4})`|(\d{3}) / 5xx"), ("close", "8.6", r"\(()(1\d{3})")],
)
def test_every_code_in_the_prose_is_explained(table, heading, pattern):
    """REST's errors and close codes stand in sentences."""
    if SPECIFICATION is None:
        pytest.skip("the protocol's description, V1.md, does not lie beside this repository")
    text = SPECIFICATION.read_text("utf-8")
    section = text[text.index(f"### {heading} ") :].partition("\n### ")[0]
    numbers = {int(digits) for found in re.findall(pattern, section) for digits in found if digits}
    assert len(numbers) >= 2
    for number in numbers:
        assert "not published" not in explain(table, number).cause, number
