"""``rtms-engine check``: is the configuration good, and who says what?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...config import Setting, load
from ..logging import REDACTED, is_sensitive
from .options import config_options

PIPED_WIDTH = 10_000
"""Who reads it from a pipe wants whole values, a line each."""


@click.command()
@config_options
def check(config: Path | None, overrides: Mapping[str, str]) -> None:
    """Check the configuration, and show where each value comes from.

    Exits with 0 if the engine could run with it, else with 2 and all that is wrong.
    """
    loaded = load(config, overrides=overrides)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    console.print(_table(loaded.settings))
    for note in loaded.notes:
        console.print(Text(f"Note: {note}"))
    console.print("The configuration is good.")


def _table(settings: Mapping[str, Setting]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Key", min_width=max(map(len, settings)))  # two keys cut short could look the same
    table.add_column("Value", overflow="fold")
    table.add_column("Source", overflow="fold")
    for key, setting in settings.items():
        source = Text(setting.source, style="dim" if setting.source == "default" else "")
        table.add_row(Text(key), Text(_shown(key, setting.value)), source)
    return table


def _shown(key: str, value: Any) -> str:
    own_key = key.rpartition(".")[2]
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case tuple() | list():
            return ", ".join(map(str, value))
        case frozenset():
            return ", ".join(sorted(map(str, value)))
        case str() if is_sensitive(own_key) and own_key != "name":
            return REDACTED
        case _:
            return str(value)
