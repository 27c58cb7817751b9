"""A folder for each stream, of sinks that write no manifest: whose it is, and how it goes.

In every folder lies ``.stream.json``, which says whose stream it is. What is to be deleted gets another name
first, at once: a process that is killed then leaves nothing that looks like a stream's.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ..model.ids import StreamId
from ..recording.folder import Folder
from ..vault import files
from .base import DeletionCause, Kept, StreamInfo

NAME = ".stream.json"
_GOING = ".deleted-"


class Whose(msgspec.Struct, frozen=True):
    """What ``.stream.json`` says."""

    stream_id: StreamId
    app: str
    account_id: str
    started_ms: int


_NOT_OURS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, FileNotFoundError)
_decode_whose = msgspec.json.Decoder(Whose).decode


def prepare(path: Path, stream: StreamInfo) -> None:
    """Make the folder of a stream, for its owner alone, or go on in it. Blocks; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if not (path / NAME).exists():
        whose = Whose(stream.stream_id, stream.app, stream.account_id, stream.started_ms)
        Folder(path).replace(NAME, msgspec.json.encode(whose))


def delete(path: Path) -> tuple[int, int]:
    """Delete the folder of a stream, and return how many files and bytes that were. Blocks; raises OSError."""
    going = path.with_name(f"{_GOING}{path.name}")
    if path.exists():
        if going.exists():
            shutil.rmtree(going)
        path.rename(going)
    counted = Folder(going).contents(spared=NAME)
    if going.exists():
        files.shred(going)
        shutil.rmtree(going)
    return counted


class FolderStore:
    """See `rtms_engine.sinks.base.Store`. What has no ``.stream.json`` is nobody's, and stays."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def kept(self) -> Iterator[Kept]:
        """One for each folder; a stream ended when something of it was written last."""
        for label in sorted(self._root.glob(f"[!.]*/{NAME}")):
            with contextlib.suppress(*_NOT_OURS):
                whose = _decode_whose(label.read_bytes())
                newest_s = max(path.lstat().st_mtime for path in label.parent.rglob("*"))
                yield Kept(
                    str(label.parent),
                    whose.stream_id,
                    whose.app,
                    whose.account_id,
                    whose.started_ms,
                    int(newest_s * 1000),
                )

    def delete(self, kept: Kept, cause: DeletionCause, now_ms: int) -> tuple[int, int]:
        """Delete the folder."""
        return delete(Path(kept.place))

    def settle(self) -> int:
        """Complete what was begun."""
        going = list(self._root.glob(f"{_GOING}*"))
        for path in going:
            files.shred(path)
            shutil.rmtree(path)
        return len(going)

    def proof(self, stream: StreamInfo) -> Mapping[str, str]:
        """Nothing describes such a folder."""
        return {}
