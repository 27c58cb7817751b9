"""``rtms-engine audit``: the log of what was kept, deleted and revoked."""

from collections.abc import Mapping
from pathlib import Path

import click

from ...audit.chain import BrokenChainError
from ...audit.log import AuditLog
from ...config import load_config
from ...errors import ConfigError
from .options import config_options

_BROKEN = 1


@click.group()
def audit() -> None:
    """Look after the audit log, audit.jsonl in the state directory."""


@audit.command()
@config_options
def verify(config: Path | None, overrides: Mapping[str, str]) -> None:
    """Check that no line was changed, removed or inserted.

    Lines that were cut off at the end cannot be noticed by the log alone: compare the hash that is printed
    with one that you have kept. Exits with 1 if the chain is broken.
    """
    directory = load_config(config, overrides=overrides).state.directory
    if not directory:
        raise ConfigError(["state.directory: the audit log needs one; it is empty"])
    log = AuditLog(Path(directory))
    try:
        entries = log.entries()
    except BrokenChainError as error:
        click.echo(f"{log.path}: {error}", err=True)
        raise SystemExit(_BROKEN) from error
    newest = f", the newest is {entries[-1].hash}" if entries else ""
    click.echo(f"{log.path}: {len(entries)} lines, all as they were written{newest}")
