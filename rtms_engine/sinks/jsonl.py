"""The sink for programs: every item of a stream as one line of JSON, in the order of arrival.

One file per stream, ``{path_safe(stream_id)}.jsonl``. Each line has a ``type``: ``audio``, ``video``,
``share``, ``transcript``, ``chat``, or that of an event (`rtms_engine.model.events`); the first line
is ``stream``, the last one ``ending``. A stream that the engine takes up again is appended to.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from ..errors import SinkError, VaultError
from ..model.ids import StreamId, path_safe
from ..model.reasons import Outcome
from ..vault import files
from ..vault.files import Appended, adopt
from .base import DeletionCause, Ending, Item, Kept, SinkSpec, StreamInfo
from .lines import ending_line, item_line, stream_line

_log = structlog.get_logger()


class JsonlConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "jsonl"``."""

    path: Path
    """The directory; it is made if it is missing, for its owner alone."""
    media: bool = False
    """Keep the bytes of audio, video and share, as Base64. Off: only their number, ``payload_bytes``."""


class JsonlSink:
    """Appends to one file; between two batches the file is closed and complete."""

    def __init__(self, config: JsonlConfig) -> None:
        self._config = config
        self._path = config.path
        self._file = Appended(self._path)

    async def open(self, stream: StreamInfo) -> None:
        """Begin the file. Raises SinkError if that is not possible."""
        self._path = self._config.path / f"{path_safe(stream.stream_id)}.jsonl"
        await asyncio.to_thread(self._begin, stream_line(stream))

    async def write(self, batch: Sequence[Item]) -> None:
        """Append a line for each item. Raises SinkError if that is not possible."""
        await asyncio.to_thread(self._append, map(self._record, batch))

    async def close(self, ending: Ending) -> None:
        """Finish the file; if what was stored must go, it is gone (V1.md §9.5, stop reason 8)."""
        if ending.stop_reason.outcome is Outcome.ERASE:
            await asyncio.to_thread(self._erase)
        else:
            await asyncio.to_thread(self._finish, [ending_line(ending)])

    def _record(self, item: Item) -> Any:
        return item_line(item, media=self._config.media)

    def _begin(self, header: dict[str, Any]) -> None:
        with self._translated():
            self._config.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            adopt(self._path)
            self._file = Appended(self._path, None if self._path.exists() else files.new_key(self._path))
        self._append([header])

    def _append(self, records: Iterable[Any]) -> None:
        """Add all of them, or none: a batch that failed comes again."""
        lines = _encoder.encode_lines(list(records))
        with self._translated():
            self._file.append(lines)

    def _finish(self, records: Iterable[Any]) -> None:
        self._append(records)
        with self._translated():
            files.finish(self._path)

    def _erase(self) -> None:
        with self._translated():
            files.delete(self._path)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(f"cannot write {self._path}: {error.strerror}") from error


_encoder = msgspec.json.Encoder()


_LONGEST_HEADER = 1 << 20
"""Of somebody else's file, not more is read."""


class _Header(msgspec.Struct):
    """What must be known of the first line."""

    stream_id: StreamId
    app: str
    started_ms: int
    account_id: str = ""


_decode_header = msgspec.json.Decoder(_Header).decode


class JsonlStore:
    """The files that there are; see `rtms_engine.sinks.base.Store`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def kept(self) -> Iterator[Kept]:
        """One for each file that begins as ours do; a stream ended when its file was written last.

        Raises VaultError behind all others if one is locked: whose it is, nobody knows now.
        """
        locked: VaultError | None = None
        for path in sorted(self._directory.glob("*.jsonl")):
            try:
                with files.reading(path) as file:
                    line = file.readline(_LONGEST_HEADER)
            except VaultError as error:
                _log.error("FileLocked", path=str(path), reason=error.why)
                locked = error
                continue
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                header = _decode_header(line)
                written_ms = int(path.stat().st_mtime * 1000)
                yield Kept(
                    str(path), header.stream_id, header.app, header.account_id, header.started_ms, written_ms
                )
        if locked is not None:
            raise locked

    def delete(self, kept: Kept, cause: DeletionCause, now_ms: int) -> tuple[int, int]:
        """Delete the file."""
        with contextlib.suppress(FileNotFoundError):  # another process deletes too
            size = Path(kept.place).stat().st_size
            files.delete(Path(kept.place))
            return 1, size
        return 0, 0

    def settle(self) -> int:
        """A file is there or not."""
        return 0

    def proof(self, stream: StreamInfo) -> Mapping[str, str]:
        """The file."""
        path = self._directory / f"{path_safe(stream.stream_id)}.jsonl"
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            return {str(path): hashlib.file_digest(file, "sha256").hexdigest()}
        return {}


SPEC = SinkSpec(
    "jsonl",
    JsonlSink,
    JsonlConfig,
    directory=lambda config: config.path,
    store=lambda config: JsonlStore(config.path),
    encrypts=True,
)
