"""``rtms-engine run``: the daemon."""

from collections.abc import Callable, Mapping
from pathlib import Path

import click
import structlog

from ... import cores
from ...config import Config, load_config
from ...engine import Engine
from ...errors import ConfigError
from .. import logging, notify, process
from .options import config_options

_FINISH_S = 60.0
"""How long recordings may take to be finished when the streams are let go."""

_log = structlog.get_logger()


@click.command()
@config_options
@click.option("--host", help="Listen for webhooks on this address.")
@click.option("--port", type=int, help="Listen for webhooks on this port; 0 for any.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["console", "json"]))
@click.option("--end-streams", is_flag=True, help="When stopping, end the streams at Zoom too.")
def run(
    config: Path | None,
    overrides: Mapping[str, str],
    host: str | None,
    port: int | None,
    log_level: str | None,
    log_format: str | None,
    end_streams: bool,
) -> None:
    """Wait for Zoom's webhooks, and join and record every stream they announce.

    SIGTERM or Ctrl-C: no new streams; those that run go on until their meetings end, at most
    server.drain_timeout_s. Then, or at a second signal, the engine lets go of them without ending them at
    Zoom, so that another one can take over, and finishes the recordings. SIGHUP reads the
    configuration again.
    """
    spoken = {"server.host": host, "server.port": port, "log.level": log_level, "log.format": log_format}
    given = {key: str(value) for key, value in spoken.items() if value is not None}

    def load() -> Config:
        loaded = load_config(config, overrides={**overrides, **given})
        logging.configure(loaded.log.level, loaded.log.format)
        return loaded

    process.run(_serve(load(), load, end_streams))


async def _serve(config: Config, load: Callable[[], Config], end_streams: bool) -> None:
    if config.server.pin_to_core and config.server.workers == 1:
        cores.settle()
    with notify.of_process() as manager:
        async with Engine(config) as engine:

            def reload() -> None:
                manager.reloading()
                _reload(engine, load)
                manager.ready(f"webhooks at {engine.webhook_url}")

            with process.Signals(hurry=engine.release, reload=reload) as signals:
                manager.ready(f"webhooks at {engine.webhook_url}")
                await signals.stop.wait()
                manager.stopping(engine.drain_timeout_s + _FINISH_S)
                await engine.drain(end_streams=end_streams)


def _reload(engine: Engine, load: Callable[[], Config]) -> None:
    try:
        engine.reload(load())
    except ConfigError as error:
        for problem in error.problems:
            _log.error("ReloadFailed", problem=problem)
