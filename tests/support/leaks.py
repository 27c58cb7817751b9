"""Listens to everything that is logged while the suite runs, for secrets and for what people said.

It sees what a line is when it is written: rendered, or at least redacted where a test has taken the line for
itself (`structlog.testing.capture_logs`). It hears libraries that log with ``logging``, and the standard error of
the Python processes that the suite starts (`tests/support/heard/sitecustomize.py`).
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

import structlog

from rtms_engine.daemon.logging import redact

SECRETS = ("client-secret", "secret-token", "whsec_", "rtms_tok_")
"""Of the suite's apps and receivers, and how those begin that are made."""
CONTENT = ("Ana Reader", "Cem Dealer", "Ada Lovelace", "speaks from millisecond", "Are we recording")
"""Names and sentences of the suite's meetings."""
_SIGNATURE = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""HMAC-SHA256 in hexadecimal, as handshakes and webhooks are signed."""

HEARD = Path(__file__).parent / "heard"
FOLDER = "SUITE_HEARS_IN"

_Logger = structlog._base.BoundLoggerBase


def leak_in(line: str) -> str | None:
    """What a line of the log gives away; None if nothing."""
    for word in (*SECRETS, *CONTENT):
        if word in line:
            return word
    return "a signature" if _SIGNATURE.search(line) else None


class Listener:
    """Hears every line while it is installed."""

    def __init__(self, *words: str) -> None:
        """``words``: what else is a leak."""
        self._words = words
        self.lines = 0
        self.leaks: list[str] = []
        self._original = _Logger._process_event
        self._folder: Path | None = None
        self._read: dict[Path, int] = {}

    def install(self) -> None:
        """From now on."""
        original, hear = self._original, self._hear

        def process(logger: Any, method: str, event: str | None, kw: dict[str, Any]) -> Any:
            try:
                said = original(logger, method, event, dict(kw))
            except structlog.DropEvent:
                hear(str(redact(logger, method, {**logger._context, **kw, "event": event})))
                raise
            hear(str(said))
            return said

        _Logger._process_event = process
        make = logging.getLogRecordFactory()

        def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
            made = make(*args, **kwargs)
            hear(f"{made.getMessage()} {made.exc_info or ''}")
            return made

        logging.setLogRecordFactory(record)

    def remove(self) -> None:
        """No more."""
        _Logger._process_event = self._original
        logging.setLogRecordFactory(logging.LogRecord)

    def install_in_processes(self, folder: Path) -> None:
        """In all that are started from now on, with this environment or one made of it."""
        self._folder = folder
        os.environ[FOLDER] = str(folder)
        paths = [str(HEARD), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))

    def hear_processes(self) -> None:
        """What they have written since the last time."""
        if self._folder is None:
            return
        for path in self._folder.iterdir():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                said = file.read()
            whole = said.rfind(b"\n") + 1
            self._read[path] = self._read.get(path, 0) + whole
            for line in said[:whole].decode("utf-8", "replace").splitlines():
                self._hear(f"process {path.name}: {line}")

    def _hear(self, line: str) -> None:
        self.lines += 1
        leak = next((word for word in self._words if word in line), None) or leak_in(line)
        if leak is not None:
            self.leaks.append(f"{leak!r} in: {line[:300]}")
