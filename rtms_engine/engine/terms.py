"""What a configuration says of everything that begins while it is in force.

A configuration read anew makes new terms; what runs keeps those under which it began.
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import NamedTuple

from ..config import AppConfig, Config
from ..keeping import keeper_of
from ..retention.keeper import Keeper, Removal
from ..sinks.base import DeletionCause
from ..stream_factory import StreamFactory

NOT_RELOADABLE = (
    "server.host",
    "server.port",
    "server.path",
    "server.workers",
    "server.worker_timeout_s",
    "server.pin_to_core",
    "api.enabled",
    "api.host",
    "api.port",
    "api.anonymous",
    "api.hosts",
    "api.requests_per_s",
    "notifications",
    "state.directory",
    "zoom.api_url",
    "zoom.oauth_url",
)
"""What a running engine cannot change."""


class Terms(NamedTuple):
    """Made by `terms_of`."""

    config: Config
    factory: StreamFactory
    """Makes the workers of new streams."""
    keeper: Keeper
    """Looks after what their sinks store."""

    def app(self, name: str) -> AppConfig | None:
        """An app by its name; None: it is not configured, or not any more."""
        return next((app for app in self.config.apps if app.name == name), None)

    def secret_tokens(self) -> dict[str, list[str]]:
        """What webhooks are signed with, by the name of the app."""
        return {app.name: [token.reveal() for token in app.secret_token] for app in self.config.apps}


InForce = Callable[[], Terms]
"""Asked whenever something begins."""


def terms_of(
    config: Config,
    unix_ms: Callable[[], int],
    random: Callable[[], float],
    deleted: Callable[[Removal, DeletionCause], None],
) -> Terms:
    """Raises ConfigError if a sink or the CA file cannot be used. ``deleted``: see `Keeper`."""
    factory = StreamFactory(config, unix_ms, random)
    return Terms(config, factory, keeper_of(config, factory.sinks, unix_ms, deleted))


def not_reloadable(before: Config, after: Config) -> Iterator[str]:
    """The keys that differ, and that only a restart can change."""
    return (key for key in NOT_RELOADABLE if attrgetter(key)(before) != attrgetter(key)(after))
