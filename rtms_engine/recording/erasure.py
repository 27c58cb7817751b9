"""Deleting a recording: at once, all of it, and so that a killed process cannot leave a part in silence.

The tombstone comes first. From then on the folder says that everything else in it is to go, and
`complete` makes that true, however often it is called. Of an encrypted recording the key goes before the
files: nobody can read them any more, wherever copies of them lie.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..sinks.base import DeletionCause
from ..vault.files import LEFTOVER, MARKER, shred
from . import manifest
from .folder import Folder
from .log import EVENTS
from .manifest import Manifest, Tombstone


def erase(path: Path, left: Manifest, cause: DeletionCause, at_ms: int) -> Tombstone:
    """Delete everything in the folder of a recording. Blocks; raises OSError.

    Args:
        path: the folder; one that was erased before is only emptied.
        left: what is known of the recording.
        cause: why.
        at_ms: Unix milliseconds, now.
    """
    tombstone = manifest.load_tombstone(path)
    if tombstone is None:
        count, size = Folder(path).contents(spared=manifest.NAME)
        tombstone = Tombstone(
            schema_version=manifest.SCHEMA_VERSION,
            state="deleted",
            cause=cause,
            rtms_stream_id=left.rtms_stream_id,
            product=left.product,
            app=left.app,
            account_id=left.account_id,
            started_ms=left.started_ms,
            ended_ms=left.ended_ms,
            deleted_ms=at_ms,
            deleted_files=count,
            deleted_bytes=size,
            stop_reason=left.stop_reason,
        )
        manifest.save(Folder(path), tombstone)
    complete(path)
    return tombstone


def complete(path: Path) -> bool:
    """Delete what lies beside a tombstone. Blocks; raises OSError.

    Returns:
        Whether there was anything.
    """
    if manifest.load_tombstone(path) is None or not Folder(path).contents(spared=manifest.NAME)[0]:
        return False
    shred(path)
    Folder(path).empty(spared=manifest.NAME)
    return True


def vanish(path: Path) -> bool:
    """Delete a folder in which nothing was ever recorded, and return whether it was one: who is killed while a
    stream is erased begins another folder for it, which needs no tombstone. Blocks; raises OSError.
    """
    files = [file for file in path.rglob("*") if not file.is_dir() and not file.name.endswith(LEFTOVER)]
    holds = any(file.name not in (manifest.NAME, EVENTS, MARKER) and file.lstat().st_size for file in files)
    if holds or manifest.load_tombstone(path) is not None:
        return False
    shred(path)
    shutil.rmtree(path)
    return True


def unbegun(path: Path, stream: str) -> Iterator[Path]:
    """Folders beside that of a recording which are its stream's by name, and have no manifest. Blocks.

    Args:
        path: of the recording; it may be gone.
        stream: how folders of the stream are called.
    """
    name = re.compile(re.escape(stream) + r"(-\d+)?")
    for one in path.parent.iterdir():
        if name.fullmatch(one.name) and one.is_dir() and not (one / manifest.NAME).exists():
            yield one
