"""The books of one reading of the configuration: what is wrong, and who said what."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import schema

DEFAULT = "default"
"""The source of what nobody has said."""


class Setting(NamedTuple):
    """The value of a key, and who said so."""

    value: Any
    source: str


class Report:
    """Collects problems, effective settings and notes.

    Args:
        file: what the file is called in problems.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[str] = []
        self.settings: dict[str, Setting] = {}
        self.notes: list[str] = []

    def problem(self, key: str, why: str, source: str | None = None) -> None:
        """Note what is wrong with a key; without ``source``, where its recorded setting came from."""
        said_by = source or self.settings.get(key, Setting(None, self.file)).source
        self.problems.append(f"{self.file if said_by == DEFAULT else said_by}: {key}: {why}")

    def refuse_unknown(self, prefix: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
        """Note every key of a table that is not known."""
        known = set(known)
        for key in table:
            if key not in known:
                self.problem(f"{prefix}{key}", f"is not known{schema.nearest(key, known)}")

    def refuse_twice(self, section: str, names: Sequence[str]) -> None:
        """Note every name that two of a section have."""
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self.problem(f"{section}.{name}", "is there twice; give each its own name")

    def record(self, key: str, value: Any, said: Mapping[str, Setting], said_key: str) -> None:
        """Remember the effective value of ``key``, with the source of ``said_key``."""
        self.settings[key] = Setting(value, said[said_key].source if said_key in said else DEFAULT)
