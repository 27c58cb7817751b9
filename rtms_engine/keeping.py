"""What keeps, for a configuration: the keeper of recordings, their keys, the shelf of stories."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .api.chronicle import PLACE
from .audit.log import AuditLog
from .capture.store import CaptureStore
from .capture.tape import paths_of
from .config import Config, StateConfig
from .coordination.shelf import Shelf
from .retention.keeper import Keeper, Removal
from .sinks.base import DeletionCause
from .sinks.registry import ReadySink
from .vault.files import Vault

CAPTURES = "capture"
"""What captures are called among sinks."""


def keeper_of(
    config: Config,
    sinks: Iterable[ReadySink],
    unix_ms: Callable[[], int],
    deleted: Callable[[Removal, DeletionCause], None] = lambda _removal, _cause: None,
) -> Keeper:
    """The keeper of what these sinks store; ``deleted`` is told of what it deleted, in its thread."""
    shelf = shelf_of(config)
    state, captures = config.state.directory, Path(config.rtms.capture_directory)
    stores = {sink.name: sink.spec.store(sink.config) for sink in sinks if sink.spec.store}
    return Keeper(
        {CAPTURES: CaptureStore(captures), **stores},
        {app.name: app.retention for app in config.apps},
        AuditLog(Path(state)) if state else None,
        unix_ms,
        lambda stream_id: [*paths_of(captures, stream_id), *_story(shelf, stream_id)],
        deleted,
    )


def vault_of(config: Config, sinks: Iterable[ReadySink] = ()) -> Vault | None:
    """The keys of what these sinks, and captures, store; None: nothing is encrypted, nor ever was.

    Without a master key it is there to destroy keys, and nothing new is encrypted. Blocks.
    """
    place = key_directory(config)
    masters = config.encryption.masters()
    if place is None or not (masters or place.is_dir()):
        return None
    from .vault.keys import KeyDirectory

    vault = Vault(KeyDirectory(place, masters))
    if masters:
        vault.cover(sink.directory for sink in sinks if sink.writes_to_disk and sink.spec.encrypts)
        vault.cover(filter(None, [config.rtms.capture_directory, spill_directory(config.state)]))
    return vault


def key_directory(config: Config) -> Path | None:
    """Where the keys of recordings lie; None: nowhere."""
    if config.encryption.directory:
        return Path(config.encryption.directory)
    return Path(config.state.directory) / "keys" if config.state.directory else None


def spill_directory(state: StateConfig) -> Path | None:
    """Where items may wait on disk; None: nowhere, since nothing at all is to be kept."""
    if state.spill_directory:
        return Path(state.spill_directory)
    return Path(state.directory) / "spill" if state.directory else None


def _story(shelf: Shelf | None, stream_id: str) -> Sequence[Path]:
    path = shelf.path_of(stream_id) if shelf else None
    return [path] if path and path.exists() else []


def shelf_of(config: Config) -> Shelf | None:
    """Where stories are kept; None: nowhere."""
    directory = config.state.directory
    return Shelf(Path(directory) / PLACE) if directory else None
