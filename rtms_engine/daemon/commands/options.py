"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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


def _existing_default(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
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
