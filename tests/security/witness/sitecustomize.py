"""Put on the path of a program, and of those that it starts: notes every file that it opens for writing.

One line for each in the file that ``RTMS_WITNESS`` names: what was done, and to which path. It sees what has no
name and what is deleted at once, which a look at the directories does not.
"""

import os
import sys

_OUT = os.open(os.environ["RTMS_WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_TMPFILE", 0)
_CHANGES = frozenset(
    {"os.mkdir", "os.rename", "os.link", "os.symlink", "sqlite3.connect", "tempfile.mkstemp"}
)


def _note(event: str, args: tuple[object, ...]) -> None:
    if event == "open":
        flags = args[2] if isinstance(args[2], int) else 0
        if flags & (_WRITES & ~os.O_DIRECTORY) and isinstance(args[0], str | bytes | os.PathLike):
            os.write(_OUT, f"open {os.fsdecode(args[0])}\n".encode("utf-8", "replace"))
    elif event in _CHANGES:
        os.write(_OUT, f"{event} {args[0]}\n".encode("utf-8", "replace"))


sys.addaudithook(_note)
