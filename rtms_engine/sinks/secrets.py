"""Secrets of sinks: in the configuration, or in a file of their own."""

from collections.abc import Iterable
from pathlib import Path

from ..model.secret import Secret


def revealed(key: str, given: Iterable[Secret], file: Path | None) -> tuple[str, ...]:
    """The texts of a secret that may be there in both spellings.

    Args:
        key: what it is called in the configuration; the file's key is ``{key}_file``.
        given: in the configuration.
        file: which holds them, separated by white space.

    Raises:
        ValueError: there is none, there are both, or the file cannot be read; without any secret.
    """
    texts = tuple(secret.reveal() for secret in given)
    if bool(texts) == (file is not None):
        raise ValueError(f"give either {key} or {key}_file")
    if file is not None:
        try:
            texts = tuple(file.read_text("utf-8").split())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not a text file"
            raise ValueError(f"{key}_file cannot be read: {why}") from None
    if not texts or not all(texts):
        raise ValueError(f"{key} is empty")
    return texts
