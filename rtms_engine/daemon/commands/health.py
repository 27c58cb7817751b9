"""``rtms-engine health``: asks a running engine how it is, for health checks where there is no curl."""

import http.client
from collections.abc import Mapping
from pathlib import Path

import click

from ...config import load_config
from .options import config_options

_WITHIN_S = 3.0
_FAILED = 1


@click.command()
@click.option("--ready", is_flag=True, help="Ask whether it takes new streams, not only whether it lives.")
@config_options
def health(ready: bool, config: Path | None, overrides: Mapping[str, str]) -> None:
    """Ask the engine on this machine whether it lives. Exits with 0 if so, else with 1."""
    server = load_config(config, overrides=overrides).server
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - from all to one
    probe = "/readyz" if ready else "/healthz"
    connection = http.client.HTTPConnection(host, server.port, timeout=_WITHIN_S)
    try:
        connection.request("GET", probe)
        answer = connection.getresponse()
        status, said = answer.status, answer.read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        click.echo(f"{probe} at {host}:{server.port}: {error}", err=True)
        raise SystemExit(_FAILED) from None
    finally:
        connection.close()
    click.echo(f"{probe}: {status} {said}")
    if status != http.HTTPStatus.OK:
        raise SystemExit(_FAILED)
