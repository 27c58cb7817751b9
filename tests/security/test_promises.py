"""Every test that SECURITY.md names exists, and every promise names one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rows(text):
    """Promises and the tests that hold them."""
    table = text.partition("## Promises")[2]
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith(("| promise", "|---")):
            promise, held = line.strip("| ").split(" | ")
            yield promise, re.findall(r"`(tests/[^`]+)`", held)


ROWS = list(rows((ROOT / "SECURITY.md").read_text("utf-8")))


def is_there(name, root=ROOT):
    """Whether there is such a file, with such a function."""
    path, _, function = name.partition("::")
    if not (root / path).is_file():
        return False
    tree = ast.parse((root / path).read_text("utf-8"))
    functions = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return function in functions if function else any(one.startswith("test_") for one in functions)


@pytest.mark.parametrize(("promise", "tests"), ROWS, ids=[str(n) for n in range(len(ROWS))])
def test_a_promise_is_held(promise, tests):
    assert tests, f"nothing holds: {promise}"
    assert not [name for name in tests if not is_there(name)]


def test_a_missing_test_is_noticed():
    assert len(ROWS) > 15
    assert not is_there("tests/security/test_promises.py::test_nothing")
    assert not is_there("tests/security/test_none.py")
