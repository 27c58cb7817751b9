"""Ids in a file system."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.model.ids import path_safe
from tests.wire.strategies import unhurried


@pytest.mark.parametrize(
    "identifier", ["609340fb2a7946909659956c8aa9250c", "4444AAAiAAAAAiAiAiiAii==", "a-b_c=+"]
)
def test_harmless_ids_stay_as_they_are(identifier):
    assert path_safe(identifier) == identifier


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        ".",
        "..",
        "../../etc",
        "a/b",
        "a\\b",
        "CON",
        "nul",
        "com1",
        "a\x00b",
        "\u202egpj",
        "x" * 101,
        "a b",
        "~",
    ],
)
def test_others_are_spelt_differently(identifier):
    spelt = path_safe(identifier)
    assert spelt != identifier
    assert "~" in spelt
    assert not set(spelt) & set("/\\.\0 ")


@unhurried
@given(st.text(), st.text())
def test_two_ids_never_share_a_path(one, other):
    assert (path_safe(one) == path_safe(other)) == (one == other)


@unhurried
@given(st.text(alphabet=st.characters()))
def test_any_id_is_one_component(identifier):
    """Of a length that every file system takes, in ASCII."""
    spelt = path_safe(identifier)
    assert 0 < len(spelt.encode()) <= 120
    assert spelt.isascii()
    assert "/" not in spelt
