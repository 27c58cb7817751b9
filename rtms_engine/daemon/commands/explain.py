"""``rtms-engine explain``: Zoom's numbers in words."""

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...model import reasons
from ...model.reasons import EXPLAINABLE
from ...schema import nearest

_TABLES = {
    "status": "answers to handshakes, as in 'status 3'",
    "stop": "why a stream ended, as in rtms_stopped",
    "event": "what happens in a meeting",
    "contact": "what happens in a Contact Center call",
    "message": "types of messages on the wire",
    "state": "where a stream stands, as Zoom sees it",
    "session": "where a session of a stream stands",
    "close": "how a WebSocket ended, as in 'closed by the server with 1011'",
    "rest": "errors of Zoom's REST API, as in 'code 2308'",
}

_LONGEST_NUMBER = 10
"""Digits; Zoom's numbers have 32 bits."""


@click.command()
@click.argument("table", required=False)
@click.argument("number", required=False)
def explain(table: str | None, number: str | None) -> None:
    """Say what a number of Zoom's means, and what to do about it.

    \b
    rtms-engine explain                    the tables
    rtms-engine explain stop               all numbers of a table
    rtms-engine explain status 3           one of them
    rtms-engine explain stop USER_LEFT     the same by name
    """  # noqa: D301 - click keeps the lines of a paragraph that begins so
    if table is None:
        _print_rows([(name, _TABLES[name]) for name in EXPLAINABLE])
    elif table not in EXPLAINABLE:
        raise click.BadParameter(f"{table!r} is no table{nearest(table, EXPLAINABLE)}")
    elif number is None:
        rows = [(int(code), reasons.explain(table, code)) for code in reasons.numbers_of(table)]
        _print_rows([(f"{code}", row.name, row.cause) for code, row in rows])
    else:
        code = _number(table, number)
        name, cause, remedy = reasons.explain(table, code)
        click.echo(f"{table} {code}: {name}\n{cause}\n{remedy}")


def _number(table: str, word: str) -> int:
    if word.removeprefix("-").isdecimal() and len(word) <= _LONGEST_NUMBER:
        return int(word)
    codes = reasons.numbers_of(table)
    found = type(codes[0]).named(word)
    if found is None:
        known = nearest(word.upper(), [code.name for code in codes])
        raise click.BadParameter(f"{word!r} is no number or name of {table}{known}")
    return int(found)


def _print_rows(rows: list[tuple[str, ...]]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
