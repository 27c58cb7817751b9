"""Every error that `rtms_engine` raises, in one tree.

::

    RtmsError
    ├── ConfigError             the configuration cannot be used; lists every problem at once
    ├── WebhookRejected         a delivery that must not be accepted; carries the HTTP status
    ├── WireError
    │   ├── LocalProtocolError  we were about to say something the protocol forbids
    │   └── RemoteProtocolError Zoom's side said something that cannot be read
    ├── EndpointRefused         a server URL that is off the allow-list
    ├── ConnectFailed           a WebSocket could not be opened
    └── SinkError               a sink cannot do its work; the stream lives on

Errors carry data as attributes and build their sentence in ``__str__``. What arrives from the wire
does not raise through the engine: it becomes a value (`rtms_engine.wire.messages.Unknown`,
`Malformed`). Nothing here ever holds a secret, a signature or the content of a meeting.
"""

from collections.abc import Sequence


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


class WireError(RtmsError):
    """A message and the protocol do not fit."""


class LocalProtocolError(WireError):
    """We were about to send what Zoom is known to reject (our fault or the configuration's)."""


class RemoteProtocolError(WireError):
    """The other side sent what cannot be read (its fault)."""


class EndpointRefused(RtmsError):
    """A server URL is not connected to, because it is off the allow-list."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url = url
        self.why = why

    def __str__(self) -> str:
        return f"{self.url!r} is refused: {self.why}"


class ConnectFailed(RtmsError):
    """A WebSocket to ``url`` could not be opened."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url = url
        self.why = why

    def __str__(self) -> str:
        return f"cannot connect to {self.url}: {self.why}"


class SinkError(RtmsError):
    """A sink cannot do its work, for a reason that a person can act on."""
