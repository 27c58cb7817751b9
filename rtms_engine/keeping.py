"""What keeps, for a configuration: the keeper of recordings, the shelf of stories."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .api.chronicle import PLACE
from .audit.log import AuditLog
from .capture.store import CaptureStore
from .capture.tape import paths_of
from .config import Config
from .coordination.shelf import Shelf
from .retention.keeper import Keeper, Removal
from .sinks.base import DeletionCause
from .sinks.registry import ReadySink

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


def _story(shelf: Shelf | None, stream_id: str) -> Sequence[Path]:
    path = shelf.path_of(stream_id) if shelf else None
    return [path] if path and path.exists() else []


def shelf_of(config: Config) -> Shelf | None:
    """Where stories are kept; None: nowhere."""
    directory = config.state.directory
    return Shelf(Path(directory) / PLACE) if directory else None
