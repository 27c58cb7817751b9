"""The captures of a directory, to be deleted when their time is over."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import CaptureError
from ..sinks.base import DeletionCause, Kept, StreamInfo
from ..vault import files
from .format import SUFFIX
from .reader import CaptureReader


class CaptureStore:
    """See `rtms_engine.sinks.base.Store`. A capture whose beginning cannot be read is nobody's: it goes with
    what else is stored of the stream it is named after.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def kept(self) -> Iterator[Kept]:
        """One for each file; a stream ended when its file was written last."""
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            with contextlib.suppress(CaptureError, FileNotFoundError), CaptureReader(path) as capture:
                stream = capture.head.stream
                yield Kept(
                    str(path),
                    stream.stream_id,
                    stream.app,
                    stream.account_id,
                    stream.started_ms,
                    int(path.stat().st_mtime * 1000),
                )

    def delete(self, kept: Kept, cause: DeletionCause, now_ms: int) -> tuple[int, int]:
        """Delete the file."""
        with contextlib.suppress(FileNotFoundError):  # it went with what a sink has stored of the stream
            size = Path(kept.place).stat().st_size
            files.delete(Path(kept.place))
            return 1, size
        return 0, 0

    def settle(self) -> int:
        """A file is there or not."""
        return 0

    def proof(self, stream: StreamInfo) -> Mapping[str, str]:
        """A capture is checksummed by itself."""
        return {}
