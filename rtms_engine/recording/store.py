"""All recordings below one directory, to be deleted when their time is over."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..model.ids import StreamId
from ..sinks.base import DeletionCause, Kept, StreamInfo
from . import erasure, manifest
from .folder import Folder


class RecordingStore:
    """See `rtms_engine.sinks.base.Store`. What has no manifest that can be read is nobody's, and stays."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def kept(self) -> Iterator[Kept]:
        """One for each folder that is not deleted."""
        for path in manifest.folders_below(self._root):
            if left := manifest.load(path):
                written_ms = int((path / manifest.NAME).stat().st_mtime * 1000)
                yield Kept(
                    str(path),
                    StreamId(left.rtms_stream_id),
                    left.app,
                    left.account_id,
                    left.started_ms,
                    written_ms if left.ended_ms is None else left.ended_ms,
                )

    def delete(self, kept: Kept, cause: DeletionCause, now_ms: int) -> tuple[int, int]:
        """Delete all of the recording but for a tombstone. Raises BlockingIOError if it is being written."""
        path = Path(kept.place)
        hold = Folder(path).hold()
        try:
            left = manifest.load(path)
            if left is None:
                return 0, 0
            tombstone = erasure.erase(path, left, cause, now_ms)
            return tombstone.deleted_files, tombstone.deleted_bytes
        finally:
            hold.release()

    def settle(self) -> int:
        """Delete what lies beside tombstones."""
        return sum(erasure.complete(path) for path in manifest.folders_below(self._root))

    def proof(self, stream: StreamInfo) -> Mapping[str, str]:
        """The manifests of the stream, which in turn hold the sums of its files."""
        folders = manifest.recordings_of(self._root, stream.entity_id, stream.stream_id)
        return {
            str(path): hashlib.sha256((path / manifest.NAME).read_bytes()).hexdigest() for path in folders
        }
