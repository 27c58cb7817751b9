"""``rtms-engine purge``: delete what has been kept long enough, now."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from ...config import load_config
from ...keeping import keeper_of, vault_of
from ...sinks import registry
from ...vault import files
from .. import logging
from .options import config_options


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@config_options
def purge(dry_run: bool, config: Path | None, overrides: Mapping[str, str]) -> None:
    """Delete what sinks have stored for longer than the retention of its app, and what a killed engine has
    begun to delete.

    A running engine does this by itself, at its start and every hour; both may run at once. What is being
    written is left alone.
    """
    loaded = load_config(config, overrides=overrides)
    logging.configure("warning")
    sinks = [registry.build(sink) for sink in loaded.sinks]
    click.get_current_context().with_resource(files.unlocked(vault_of(loaded, sinks)))
    keeper = keeper_of(
        loaded,
        sinks,
        lambda: int(time.time() * 1000),  # noqa: TID251 - a composition root
    )
    removals = keeper.sweep(dry_run=dry_run)
    for removal in removals:
        ended = datetime.fromtimestamp(removal.kept.ended_ms / 1000, UTC)
        click.echo(f"{removal.kept.place}  {removal.kept.app}, ended {ended:%Y-%m-%d %H:%M}")
    click.echo(f"{len(removals)} {'would be ' if dry_run else ''}deleted.")
