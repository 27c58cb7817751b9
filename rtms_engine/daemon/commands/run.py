"""``rtms-engine run``: the daemon."""

from collections.abc import Mapping
from pathlib import Path

import click

from ... import config as configuration
from ...engine import Engine
from .. import logging, process
from .options import config_options


@click.command()
@config_options
@click.option("--host", help="Listen for webhooks on this address.")
@click.option("--port", type=int, help="Listen for webhooks on this port; 0 for any.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["console", "json"]))
def run(
    config: Path | None,
    overrides: Mapping[str, str],
    host: str | None,
    port: int | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Wait for Zoom's webhooks, and join and record every stream they announce.

    SIGTERM or Ctrl-C lets go of the streams, finishes the recordings and ends; a second one ends at
    once.
    """
    spoken = {"server.host": host, "server.port": port, "log.level": log_level, "log.format": log_format}
    given = {key: str(value) for key, value in spoken.items() if value is not None}
    loaded = configuration.load_config(config, overrides={**overrides, **given})
    logging.configure(loaded.log.level, loaded.log.format)
    process.run(_serve(loaded))


async def _serve(config: configuration.Config) -> None:
    async with Engine(config):
        await process.until_told_to_stop()
