"""The state directory: made for its owner alone, because ids of meetings lie in it."""

import os
from pathlib import Path

from ..errors import ConfigError


def private_directory(directory: Path) -> None:
    """Make the directory if it is missing. Raises ConfigError if that is not possible."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(directory, error) from error


def private_file(path: Path) -> int:
    """Open a file for reading and writing, its owner's alone if it is made now.

    Returns:
        The descriptor, to be closed.

    Raises:
        ConfigError: that is not possible.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: Path, why: OSError | str) -> ConfigError:
    """The sentence for a person."""
    reason = why if isinstance(why, str) else (why.strerror or str(why))
    return ConfigError([f"state.directory: cannot use {path}: {reason}"])
