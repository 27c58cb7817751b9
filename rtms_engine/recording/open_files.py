"""Files that stay open from one batch to the next, as many as the process can afford.

To open and close a file costs as much as to write a second of sound into it, and every call of the system
lets another thread have the interpreter. But a meeting may have a thousand voices, and a process two
thousand meetings: who finds no room opens the file for each batch.
"""

import os
import resource
import threading
import weakref

SHARE = 4
"""One in so many of the files that the process may have open; most of the others are sockets."""


class OpenFile:
    """A file that is open, until it is closed or nobody has it any more."""

    def __init__(self, number: int, room: "Room") -> None:
        self.number = number
        """Its file descriptor."""
        self.close = weakref.finalize(self, _close, number, room)
        """Close it; may be called twice."""

    @property
    def is_deleted(self) -> bool:
        """Whether nobody will find what is written. Raises OSError."""
        return os.fstat(self.number).st_nlink == 0


class Room:
    """For a number of open files; threads share it."""

    def __init__(self, files: int) -> None:
        self._left = files
        self._lock = threading.Lock()

    def open(self, path: str) -> OpenFile | None:
        """Open a file to read and write; None if there is no room. Raises OSError."""
        with self._lock:
            if not self._left:
                return None
            self._left -= 1
        try:
            return OpenFile(os.open(path, os.O_RDWR), self)
        except OSError:
            self.leave()
            raise

    def leave(self) -> None:
        """One was closed."""
        with self._lock:
            self._left += 1


def _close(number: int, room: Room) -> None:
    os.close(number)
    room.leave()


ROOM = Room(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // SHARE)
"""Of this process."""
