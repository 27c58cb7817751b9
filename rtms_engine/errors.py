"""Every error that `rtms_engine` raises, in one tree.

::

    RtmsError
    ├── ConfigError             the configuration cannot be used; lists every problem at once
    ├── WebhookRejected         a delivery that must not be accepted; carries the HTTP status
    ├── LocalProtocolError      we were about to say something the protocol forbids
    ├── EndpointRefused         a server URL that is off the allow-list
    ├── StreamRefused           a stream that is not joined, because of a limit
    ├── ShuttingDown            a new stream came while the engine ends; Zoom must try again
    ├── ConnectFailed           a WebSocket could not be opened
    ├── ZoomApiError            Zoom's REST API refused, failed or could not be reached
    ├── JournalError            accepted signals cannot be remembered; Zoom must try again
    ├── CaptureError            a file that is no capture, or none that can be read
    ├── ExportError             a recording cannot be made into the file that was asked for
    ├── SinkError               a sink cannot do its work; the stream lives on
    └── VaultError              something encrypted cannot be read: no key, or it was changed; also an OSError

Errors carry data as attributes and build their sentence in ``__str__``. What arrives from the wire
does not raise through the engine: it becomes a value (`rtms_engine.wire.messages.Unknown`,
`Malformed`). Nothing here ever holds a secret, a signature or the content of a meeting.
"""

import errno
from collections.abc import Sequence

from .model.reasons import RestCode, explain


class RtmsError(Exception):
    """The parent of all errors of this package."""


class ConfigError(RtmsError):
    """The configuration cannot be used.

    ``problems`` holds one sentence per problem, each naming the file, the key and what is allowed.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class WebhookRejected(RtmsError):
    """A webhook delivery is refused with HTTP ``status``; ``reason`` is short and fit to be sent back."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.reason}"


class LocalProtocolError(RtmsError):
    """We were about to send what Zoom is known to reject (our fault or the configuration's)."""


class EndpointRefused(RtmsError):
    """A server URL is not connected to, because it is off the allow-list."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url = url
        self.why = why

    def __str__(self) -> str:
        return f"{self.url!r} is refused: {self.why}"


class StreamRefused(RtmsError):
    """A stream is not joined, because of a limit; the text says which."""


class ShuttingDown(RtmsError):
    """A new stream is announced to an engine that takes no more."""

    def __str__(self) -> str:
        return "the engine is shutting down"


class ConnectFailed(RtmsError):
    """A WebSocket to ``url`` could not be opened."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url = url
        self.why = why

    def __str__(self) -> str:
        return f"cannot connect to {self.url}: {self.why}"


class JournalError(RtmsError):
    """The journal at ``path`` cannot be written or read; what it was asked to do is not done."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"cannot use the journal {self.path}: {self.why}"


class CaptureError(RtmsError):
    """The capture at ``path`` cannot be read.

    ``offset`` is where it is damaged; None if that is not what is wrong.
    """

    def __init__(self, path: str, why: str, *, offset: int | None = None) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why
        self.offset = offset

    def __str__(self) -> str:
        return f"cannot use {self.path}: {self.why}"


class ZoomApiError(RtmsError):
    """A call of Zoom's REST API came to nothing, as often as it was tried.

    Args:
        status: of HTTP; 0 if there was no answer.
        code: Zoom's own, from the body; 0 if there is none.
        message: what Zoom, or the network, said.
        retry_after_s: how long Zoom wants to be left alone; None if it did not say.
    """

    def __init__(self, status: int, code: int, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        name, cause, remedy = explain("rest", self.reason)
        numbers = f"HTTP {self.status}" + (f", code {self.code}" if self.code else "")
        said = f"Zoom answered {numbers} {name}" if self.status else "Zoom's REST API is out of reach"
        return f"{said}: {self.message or 'no message'}. {cause} {remedy}"

    @property
    def reason(self) -> RestCode:
        """The number that says most; see `rtms_engine.model.reasons.explain`, table ``rest``."""
        return RestCode.said(self.status, self.code)

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed in a moment."""
        return self.reason.is_retryable


class SinkError(RtmsError):
    """A sink cannot do its work, for a reason that a person can act on."""


class ExportError(RtmsError):
    """A recording cannot be made into the file that was asked for; says why, and what to do."""


class VaultError(RtmsError, OSError):
    """What is encrypted at ``path`` cannot be read. Nothing of it is lost, unless the key ``is_gone``.

    It is an OSError, so that whoever reads files says of it what they say of a disk that fails.
    """

    def __init__(self, path: object, why: str, *, is_gone: bool = False) -> None:
        super().__init__(errno.EACCES, why)
        self.path = str(path)
        self.why = why
        self.is_gone = is_gone

    def __str__(self) -> str:
        return f"cannot read {self.path}: {self.why}"
