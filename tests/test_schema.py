import enum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from rtms_engine import schema


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    needed: str
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    whole: int = 0
    share: float = 0.5
    on: bool = False
    word: Literal["a", "b"] = "a"
    hosts: tuple[Annotated[str, Meta(pattern="^h", description="a host")], ...] = ()
    colours: frozenset[Colour] | None = None
    file: Path | None = None
    extra: dict[str, int] = {}
    anything: Any = None

    def __post_init__(self):
        if self.count == 7:
            raise ValueError("seven is taken")


def test_what_fits_is_converted():
    table = {"needed": "x", "count": 2, "hosts": ["h1"], "colours": ["red"], "file": "/tmp/f", "anything": {}}
    assert schema.problems(Table, table) == {}
    assert schema.convert(Table, table) == Table(
        "x", 2, hosts=("h1",), colours=frozenset({Colour.RED}), file=Path("/tmp/f"), anything={}
    )


def test_numbers_and_booleans_may_be_texts():
    table = {"needed": "x", "count": "3", "share": "0.25", "on": "true"}
    assert schema.convert(Table, table) == Table("x", 3, share=0.25, on=True)


def test_every_problem_at_once_with_what_is_allowed():
    table = {
        "count": 10,
        "whole": "many",
        "share": "half",
        "on": 7,
        "word": "c",
        "hosts": ["g"],
        "colours": ["green"],
        "file": 5,
        "extra": [],
        "cuont": 1,
    }
    assert schema.problems(Table, table) == {
        "cuont": "is not known; did you mean 'count'?",
        "needed": "is missing",
        "count": "must be a whole number from 1 to 9",
        "whole": "must be a whole number",
        "share": "must be a number",
        "on": "must be true or false",
        "word": "must be one of a, b",
        "hosts": "must be a list, each a host",
        "colours": "must be a list, each one of red, blue",
        "file": "must be a path",
        "extra": "must be a table",
    }


def test_what_the_whole_does_not_like():
    assert schema.problems(Table, {"needed": "x", "count": 7}) == {"": "seven is taken"}


def test_no_problem_repeats_a_value():
    found = schema.problems(Table, {"needed": ["hunter2"], "word": "hunter2", "file": ["hunter2"]})
    assert found
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("prt", {"port", "path"}, "; did you mean 'port'?"),
        ("zzz", {"port", "path"}, "; known are path, port"),
        ("zzz", set(), "; nothing can be set here"),
    ],
)
def test_nearest(word, known, expected):
    assert schema.nearest(word, known) == expected
