"""Options that several commands share."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from ...config import load_keys
from ...keeping import vault_of
from ...vault import files

_F = TypeVar("_F", bound=Callable[..., Any])

_DEFAULT_FILE = Path("config.toml")


def config_options(command: _F) -> _F:
    """``--config FILE`` and ``--set KEY=VALUE``, as the arguments ``config`` and ``overrides``."""
    config = click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_existing_default,
        metavar="FILE",
        help="The configuration, in TOML. Without it: config.toml, if there is one.",
    )
    overrides = click.option(
        "--set",
        "overrides",
        multiple=True,
        callback=_pairs,
        metavar="KEY=VALUE",
        help="Say otherwise than the file: --set server.port=9000. May be repeated.",
    )
    return config(overrides(command))


def unlocking(command: Callable[..., None]) -> Callable[..., None]:
    """`config_options` for a command that reads what was stored: it can read what is encrypted, too."""

    @wraps(command)
    def with_keys(*args: Any, config: Path | None, overrides: Mapping[str, str], **options: Any) -> None:
        with files.unlocked(vault_of(load_keys(config, overrides=overrides))):
            command(*args, **options)

    return config_options(with_keys)


def _existing_default(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    return existing(path)


def existing(path: Path | None) -> Path | None:
    """The configuration that is meant: the default one, if there is one and no other is named."""
    return _DEFAULT_FILE if path is None and _DEFAULT_FILE.is_file() else path


def _pairs(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not (key and equals):
            raise click.BadParameter(f"{key!r} is not KEY=VALUE")
    return {key: value for key, _, value in pairs}


def engine_options(command: _F) -> _F:
    """``--url URL`` and ``--token-file FILE`` of a running engine's API, besides `config_options`."""
    url = click.option(
        "--url", metavar="URL", help="Of the engine's API. Without it: as [api] of the configuration says."
    )
    token_file = click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Holds a token for it. Or the environment: RTMS_ENGINE_TOKEN. None is needed on the same machine.",
    )
    return url(token_file(config_options(command)))
