"""``rtms-engine doctor``: is everything around the engine as it needs it?"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...config import load_config
from ...errors import ConfigError
from ..doctor.probes import Row, examine
from ..doctor.verdicts import Verdict
from .options import config_options

_FAILED = 1
_STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "red", "SKIP": "dim"}


@click.command()
@click.option("--webhook-url", metavar="URL", help="The public one: say Zoom's challenge to it, signed.")
@click.option("--offline", is_flag=True, help="Ask nothing outside of this machine, but --webhook-url.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@config_options
def doctor(
    webhook_url: str | None,
    offline: bool,
    as_json: bool,
    config: Path | None,
    overrides: Mapping[str, str],
) -> None:
    """Examine what the engine needs of its surroundings: a line for each, with a remedy for what is not well.

    The clock, the configuration, the credentials' format, directories and disks, open files, certificates,
    ports, tokens, the way to Zoom, and the way of Zoom's webhooks to here. Exits with 1 if any line is FAIL.
    """
    rows = []
    try:
        loaded = load_config(config, overrides=overrides)
    except ConfigError as error:
        rows = [
            Row("configuration", Verdict("FAIL", problem, "rtms-engine check shows all of it."))
            for problem in error.problems
        ]
    else:
        rows.append(Row("configuration", Verdict("OK", "it is good")))
        rows.extend(examine(loaded, webhook_url, offline=offline))
    if as_json:
        lines = [{"check": row.check, **row.verdict._asdict()} for row in rows]
        click.echo(msgspec.json.encode(lines))
    else:
        _show(rows)
    if any(row.verdict.level == "FAIL" for row in rows):
        raise SystemExit(_FAILED)


def _show(rows: Iterable[Row]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for check, (level, text, remedy) in rows:
        told = Text(text)
        if remedy:
            told.append(f"\n→ {remedy}", style="bold")
        table.add_row(Text(level, style=_STYLES[level]), Text(check), told)
    Console().print(table)
