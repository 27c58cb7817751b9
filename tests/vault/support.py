"""Vaults of tests."""

from pathlib import Path

from rtms_engine.vault.files import Vault
from rtms_engine.vault.keys import KeyDirectory, MasterKey

MASTER, OTHER = MasterKey.spelled("11" * 32), MasterKey.spelled("22" * 32)


def vault(directory: Path, *masters: MasterKey, covers: tuple[Path, ...] = ()) -> Vault:
    """A vault with its keys there; without masters, with `MASTER`."""
    made = Vault(KeyDirectory(directory, masters or (MASTER,)))
    made.cover(covers)
    return made
