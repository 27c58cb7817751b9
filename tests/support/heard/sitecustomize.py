"""Imported by Python at the start of every process that the suite starts (its folder is in ``PYTHONPATH``).

What the process writes to its standard error is written once more, to a file of its own below the folder that
`FOLDER` names, where `tests.support.leaks` reads it.
"""

import os
import sys
from pathlib import Path

FOLDER = "SUITE_HEARS_IN"


class Tee:
    """A text stream that is heard."""

    def __init__(self, stream, path):
        self._stream = stream
        self._path = path

    def write(self, text):
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            pass  # the suite is over, or has no room; the process must not notice
        return self._stream.write(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)


if os.environ.get(FOLDER) and sys.stderr is not None:
    sys.stderr = Tee(sys.stderr, Path(os.environ[FOLDER]) / str(os.getpid()))
