"""An encrypted recording, folder or file is written anew, in plain. What is not encrypted is copied.

Everything is checked on the way: a byte that somebody has changed, and what is missing at the end of a file
that was finished. What can be read until there is written all the same, and said to be incomplete. Everything blocks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import VaultError
from ..vault import files
from . import manifest
from .folder import Folder
from .holes import sha256, stretches

_BLOCK = 1 << 20
_FOLDER_MODE = 0o700


class Decrypted(NamedTuple):
    """What became of one file."""

    path: Path
    """Of the plain one."""
    problem: str
    """Why it is not all of the encrypted one; empty if it is."""


def decrypt(source: Path, target: Path) -> Iterator[Decrypted]:
    """Write what is in ``source`` to ``target``, file by file.

    Args:
        source: a file, or a folder, which is decrypted with all that is below.
        target: must not be there.

    Raises:
        VaultError: there is no key for it.
        OSError: the disk does not let us.
    """
    for marker in source.rglob(files.MARKER):
        files.key_of_folder(marker.parent)
    if not source.is_dir():
        files.key_of_file(source)
        yield _file(source, target, is_over=False, digest="")
        return
    listed = {
        path.parent / one.path: one
        for path in source.rglob(manifest.NAME)
        if (known := manifest.load(path.parent))
        for one in known.artefacts
    }
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_symlink() or not path.is_file() or path.name.endswith(files.LEFTOVER):
            continue
        if path.name == files.MARKER:
            continue
        place.parent.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        known = manifest.load(path.parent) if path.name == manifest.NAME else None
        if known is not None and known.encryption is not None:
            manifest.save(Folder(place.parent), msgspec.structs.replace(known, encryption=None))
            yield Decrypted(place, "")
            continue
        artefact = listed.get(path)
        is_over = artefact is not None and artefact.state == "done"
        yield _file(path, place, is_over=is_over, digest=artefact.sha256 if artefact and is_over else "")


def _file(source: Path, target: Path, *, is_over: bool, digest: str) -> Decrypted:
    """One file; holes stay holes."""
    problem = ""
    try:
        encrypted = files.reading(source, tolerant=True)
    except VaultError as error:
        return Decrypted(target, error.why)
    with encrypted:
        try:
            is_final = files.verify(source)
            problem = "something is missing at its end" if is_over and not is_final else ""
        except VaultError as error:
            problem = error.why
        size = encrypted.seek(0, 2)
        with files.replacing(target, lasting=False) as plain:
            try:
                for start, stop in stretches(encrypted, 0, size):
                    encrypted.seek(start)
                    plain.seek(start)
                    while start < stop and (data := encrypted.read(min(_BLOCK, stop - start))):
                        plain.write(data)
                        start += len(data)  # noqa: PLW2901 - up to `stop`
            except VaultError as error:
                problem = error.why
            plain.truncate(size)
        if digest and not problem:
            with target.open("rb") as plain:
                problem = "" if sha256(plain) == digest else "it is not what the manifest says"
    return Decrypted(target, problem)
