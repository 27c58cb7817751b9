"""One engine per state directory: two would both take up the same streams, and Zoom would let the
second connection kick out the first.

The lock is the kernel's (`flock`) and ends with the process, however it ends; the file only says who
holds it. A file that nobody has locked means nothing.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import ConfigError
from .directory import private_directory, private_file, unusable

LOCK_FILE = "engine.lock"

_LONGEST_PID = 20


class DirectoryLock:
    """Holds ``{directory}/engine.lock`` while its ``with`` block runs; used once.

    Args:
        directory: the state directory; it is made if it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None

    def __repr__(self) -> str:
        return f"<DirectoryLock {self._directory} {'free' if self._file is None else 'held'}>"

    def __enter__(self) -> Self:
        """Take the lock. Raises ConfigError if another engine has it, or it cannot be had."""
        private_directory(self._directory)
        path = self._directory / LOCK_FILE
        with contextlib.ExitStack() as undo:
            file = private_file(path)
            undo.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(file, 0)
                os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            except BlockingIOError as error:
                raise ConfigError([self._held_by(os.pread(file, _LONGEST_PID, 0))]) from error
            except OSError as error:
                raise unusable(path, error) from error
            undo.pop_all()
        self._file = file
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            fcntl.flock(self._file, fcntl.LOCK_UN)  # a forked child may hold the file open
            os.close(self._file)
            self._file = None

    def _held_by(self, content: bytes) -> str:
        pid = content.decode(errors="replace").strip() or "unknown"
        return (
            f"state.directory: {self._directory.absolute()} is in use by another engine (pid {pid}); "
            "end that one, or give this one a directory of its own"
        )
