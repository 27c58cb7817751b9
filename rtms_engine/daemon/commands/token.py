"""``rtms-engine token``: who may use the API."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from ...api.tokens import Scope, TokenFile
from ...audit.chain import About, BrokenChainError
from ...audit.log import AuditLog
from ...config import load_config
from ...errors import ConfigError
from .options import config_options


@click.group()
def token() -> None:
    """Make, list and revoke tokens of the HTTP API. They lie in [state] directory, hashed."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=[Scope.READ.value],
    show_default=True,
    help="What it allows; may be repeated.",
)
@config_options
def new(name: str, scopes: tuple[str, ...], config: Path | None, overrides: Mapping[str, str]) -> None:
    """Make a token called NAME, and print it. It is shown only now."""
    directory = _directory(config, overrides)
    text = TokenFile(directory).new(name, [Scope(scope) for scope in scopes], _now_ms())
    _note(directory, "token_made", {"name": name, "scopes": ", ".join(sorted(scopes))})
    click.echo(text)


@token.command("list")
@config_options
def list_tokens(config: Path | None, overrides: Mapping[str, str]) -> None:
    """Show the tokens that there are."""
    for one in TokenFile(_directory(config, overrides)).tokens():
        made = datetime.fromtimestamp(one.created_ms / 1000, UTC)
        click.echo(f"{one.name}  {','.join(sorted(one.scopes))}  {made:%Y-%m-%d %H:%M}")


@token.command()
@click.argument("name")
@config_options
def revoke(name: str, config: Path | None, overrides: Mapping[str, str]) -> None:
    """Accept the token called NAME no more; a running engine notices at once."""
    directory = _directory(config, overrides)
    TokenFile(directory).revoke(name)
    _note(directory, "token_revoked", {"name": name})
    click.echo(f"revoked: {name}")


def _directory(config: Path | None, overrides: Mapping[str, str]) -> Path:
    directory = load_config(config, overrides=overrides).state.directory
    if not directory:
        raise ConfigError(["state.directory: tokens need one; it is empty"])
    return Path(directory)


def _note(directory: Path, action: str, about: About) -> None:
    try:
        AuditLog(directory).append(_now_ms(), action, about)
    except (OSError, BrokenChainError) as error:
        click.echo(f"{AuditLog(directory).path}: cannot be written: {error}", err=True)


def _now_ms() -> int:
    return int(time.time() * 1000)  # noqa: TID251 - the process
