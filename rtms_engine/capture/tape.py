"""Writes captures, off the loop.

`Tape.note` appends to a deque and returns; one thread for all streams of an engine takes what has come
half a second later, redacts it, and appends it to the streams' files as blocks. A disk that is too slow or too full
costs the capture some of its messages, which it says, and the stream nothing.
"""

import asyncio
import contextlib
import shutil
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from ..errors import SinkError
from ..model.ids import StreamId, path_safe
from ..telemetry.throttle import Throttle
from ..vault import files
from ..vault.files import Appended
from . import format as rtmscap
from .format import Compression, Kind, Record
from .redact import msg_type_of, redact_message

FLUSH_S = 0.5
"""How much of a capture a kill costs, at most."""
BLOCK_BYTES = 1 << 20
BACKLOG_BYTES = 64 << 20
"""How far the disk may fall behind, per stream."""

_log = structlog.get_logger()
_FOLDER_MODE = 0o700


class Tape:
    """One stream's capture under way: a deque on the loop's side, a file on the thread's."""

    def __init__(self, directory: Path, stream_id: StreamId, compression: Compression) -> None:
        self.stream_id = stream_id
        self._directory = directory
        self._compression = compression
        self._notes: deque[tuple[float, Kind, str, int, bytes]] = deque()
        self._noted_bytes = 0
        self._written_bytes = 0
        self._omitted = 0
        self._throttle = Throttle()
        self._file: Appended | None = None
        self._failure = ""

    def __repr__(self) -> str:
        return (
            f"<Tape {self.stream_id} notes={len(self._notes)}{f' {self._failure}' if self._failure else ''}>"
        )

    # --- on the loop ---

    def note(self, time_s: float, kind: Kind, leg: str, connection: int, data: bytes) -> None:
        """Something happened. Never waits and never raises.

        Args:
            time_s: the loop's time.
            kind: what.
            leg: of which leg; one of `rtms_engine.capture.format.LEGS`.
            connection: which of its connections.
            data: see `Kind`.
        """
        if self._noted_bytes - self._written_bytes > BACKLOG_BYTES and kind in rtmscap.MESSAGES:
            self._omit(time_s)
            return
        self._noted_bytes += len(data)
        self._notes.append((time_s, kind, leg, connection, data))

    def _omit(self, time_s: float) -> None:
        self._omitted += 1
        if count := self._throttle.note(1, time_s):
            _log.error("CaptureFellBehind", stream_id=self.stream_id, dropped=count)
            said = f"{count} messages are not here: the disk was too slow"
            self._notes.append((time_s, Kind.OMITTED, "", 0, said.encode()))

    # --- on the thread ---

    def flush(self, why_not: str = "") -> None:
        """Append what was noted. Blocks.

        Args:
            why_not: why nothing may be written any more; empty: it may.
        """
        records: list[Record] = []
        size = 0
        try:
            if why_not and not self._failure:
                self._fail(why_not)
                if self._file is not None:
                    self._append([Record(self._newest_ns(), Kind.OMITTED, "", 0, why_not.encode())])
            while self._notes and not self._failure:
                time_s, kind, leg, connection, data = self._notes.popleft()
                self._written_bytes += len(data)
                if kind in rtmscap.MESSAGES:
                    data = redact_message(data)
                records.append(Record(round(time_s * 1e9), kind, leg, connection, data))
                size += len(data)
                if size >= BLOCK_BYTES:
                    self._append(records)
                    records, size = [], 0
            if records:
                self._append(records)
        except OSError as error:
            self._fail(error.strerror or str(error))
        if self._failure:
            self._notes.clear()
            self._written_bytes = self._noted_bytes

    def close(self) -> None:
        """Append what is left, and let go of the file. Blocks."""
        self.flush()
        if self._file is not None:
            with contextlib.suppress(OSError):
                files.finish(self._file.path)
            self._file = None

    def erase(self) -> None:
        """Delete every capture of the stream. Blocks; raises OSError."""
        self._notes.clear()
        self._failure = self._failure or "erased"
        self.close()
        for path in paths_of(self._directory, self.stream_id):
            files.delete(path)

    def _newest_ns(self) -> int:
        return round(self._notes[-1][0] * 1e9) if self._notes else 0

    def _append(self, records: list[Record]) -> None:
        if self._file is None:
            self._file = _create(self._directory, self.stream_id)
            self._file.append(rtmscap.file_header())
        self._file.append(rtmscap.encode_block(records, self._compression, msg_type_of))

    def _fail(self, why: str) -> None:
        self._failure = why
        _log.error("CaptureStopped", stream_id=self.stream_id, reason=why)


class TapeWriter:
    """The thread that writes all tapes of an engine; it starts with the first and ends with the last."""

    def __init__(self, why_not: Callable[[], str]) -> None:
        """``why_not`` says, asked before each round, why nothing may be written any more; see `disk_is_full`."""
        self._why_not = why_not
        self._tapes: set[Tape] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, tape: Tape) -> None:
        """Write this one from now on."""
        with self._lock:
            self._tapes.add(tape)
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="capture", daemon=True
                )
                self._thread.start()

    async def finish(self, tape: Tape, *, erase: bool) -> None:
        """Write what is left of it, or delete it. Raises SinkError if it cannot be deleted."""
        try:
            await asyncio.to_thread(self._finish, tape, erase)
        except OSError as error:
            raise SinkError(f"the capture of {tape.stream_id} cannot be deleted: {error.strerror}") from error

    def _finish(self, tape: Tape, erase: bool) -> None:
        with self._lock:
            self._tapes.discard(tape)
            if not self._tapes:
                self._stop.set()
                self._thread = None
            if erase:
                tape.erase()
            else:
                tape.close()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(FLUSH_S):
            with self._lock:
                tapes = list(self._tapes)
            why_not = self._why_not()
            for tape in tapes:
                with self._lock:
                    if tape in self._tapes:
                        tape.flush(why_not)


def disk_is_full(directory: Path, min_free_mb: int) -> Callable[[], str]:
    """Says when the disk has less than that left: captures stop before recordings do."""

    def why_not() -> str:
        place = directory
        while not place.exists() and place != place.parent:
            place = place.parent
        free_mb = shutil.disk_usage(place).free // 1_000_000
        return f"the disk has {free_mb} MB left" if free_mb < min_free_mb else ""

    return why_not


def paths_of(directory: Path, stream_id: StreamId) -> list[Path]:
    """The captures of a stream: more than one if it was taken up again. No id has a dot in its safe spelling."""
    safe = path_safe(stream_id)
    later = directory.glob(f"{safe}.*{rtmscap.SUFFIX}")
    return [path for path in (directory / f"{safe}{rtmscap.SUFFIX}", *sorted(later)) if path.exists()]


def _create(directory: Path, stream_id: StreamId) -> Appended:
    directory.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
    safe = path_safe(stream_id)
    part = 1
    while True:
        path = directory / (f"{safe}{rtmscap.SUFFIX}" if part == 1 else f"{safe}.{part}{rtmscap.SUFFIX}")
        try:
            files.claim(path, None)
        except FileExistsError:
            part += 1
            continue
        return Appended(path, files.new_key(path))


def encode_ending(stop_reason: int, timestamp_ms: int, detail: str, *, is_released: bool) -> bytes:
    """What an ``END`` record holds."""
    ending = {
        "stop_reason": stop_reason,
        "timestamp_ms": timestamp_ms,
        "detail": detail,
        "is_released": is_released,
    }
    return msgspec.json.encode(ending)
