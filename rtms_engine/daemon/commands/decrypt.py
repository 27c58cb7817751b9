"""``rtms-engine decrypt``: what was encrypted at rest, in plain. ``rtms-engine rewrap``: another master key."""

from collections.abc import Mapping
from pathlib import Path

import click

from ...config import load_keys
from ...errors import ConfigError, VaultError
from ...keeping import vault_of
from ...recording.decryption import decrypt as decrypted
from .options import config_options, unlocking

_INCOMPLETE = 1


@click.command()
@click.argument("source", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Where to write it; must not be there."
)
@unlocking
def decrypt(source: Path, out: Path) -> None:
    """Write a recording that is encrypted at rest anew, in plain.

    PATH is the folder of a recording, one above several, or a single file, such as a log or a capture. It is only
    read. The keys are those of [encryption] in the configuration, or of the environment.

    Every file is checked: one that somebody has changed, or that lacks something at its end, is named, and
    written as far as it can be read. Exits with 1 if there is any.

    \b
    rtms-engine decrypt recordings/2026-01-31/MEETING/STREAM --out plain
    RTMS_ENGINE__ENCRYPTION__KEY_FILE=master.key rtms-engine decrypt rtms.jsonl --out plain.jsonl
    """  # noqa: D301 - click keeps the lines of a paragraph that begins so
    if out.exists():
        raise click.UsageError(f"{out} is there already")
    files, bad = 0, 0
    try:
        for one in decrypted(source, out):
            files += 1
            if one.problem:
                bad += 1
                click.echo(f"{one.path}: incomplete: {one.problem}", err=True)
    except OSError as error:
        said = str(error) if isinstance(error, VaultError) else f"{out}: {error.strerror or error}"
        raise click.ClickException(said) from error
    click.echo(f"{out}: {files} files")
    if bad:
        raise SystemExit(_INCOMPLETE)


@click.command()
@config_options
def rewrap(config: Path | None, overrides: Mapping[str, str]) -> None:
    """Wrap the keys of all recordings by the first master key of [encryption].

    For when one master key replaces another: put the new one before the old one, restart the engine, run this, and
    take the old one away. The recordings themselves stay as they are. Exits with 1 if a key cannot be opened.
    """
    loaded = load_keys(config, overrides=overrides)
    if not loaded.encryption.masters():
        raise ConfigError(
            ["encryption.key: there is none; set key_file, with the new key before the old one"]
        )
    vault = vault_of(loaded)
    done, locked = vault.keys.rewrap() if vault else (0, 0)
    click.echo(f"{done} keys wrapped anew.")
    if locked:
        click.echo(f"{locked} keys cannot be opened: their master key is not given.", err=True)
        raise SystemExit(_INCOMPLETE)
