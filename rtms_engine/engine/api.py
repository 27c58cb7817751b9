"""The HTTP API of an engine, built of its operations.

Only an engine that has one imports this: it needs codecs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..api import chronicle, metrics
from ..api.access import Doorkeeper
from ..api.artifacts import Artifacts
from ..api.chronicle import Chronicle
from ..api.connected_people import ConnectedPeople
from ..api.control import Control
from ..api.direct_connect import DirectConnect
from ..api.engine import EngineStatus, engine_operation
from ..api.face import EngineFace
from ..api.intake import Intake
from ..api.links import Links, key_of
from ..api.live import Live
from ..api.metrics import metrics_operation
from ..api.picture import Pictures
from ..api.recordings import Recordings
from ..api.server import ApiServer
from ..api.session import Sessions
from ..api.streams import Streams
from ..api.tokens import TokenFile
from ..config import Config
from ..keeping import shelf_of
from ..recording.library import Library


class Served(EngineFace, chronicle.Face, metrics.Face, Protocol):
    """All that the API asks of an engine."""

    def status(self) -> EngineStatus:
        """How it fares, at a look."""

    def recording_roots(self) -> Sequence[Path]:
        """Where recordings lie."""


def api_server(engine: Served, config: Config, unix_ms: Callable[[], int]) -> ApiServer:
    """Serves an engine; ``config`` is what it was started with."""
    api, library, roots = config.api, Library(), engine.recording_roots
    state = Path(config.state.directory) if config.state.directory else None
    doorkeeper = Doorkeeper(
        TokenFile(state).find if state else _no_token,
        anonymous=api.anonymous,
        hosts=frozenset(api.hosts),
        requests_per_s=api.requests_per_s,
    )
    links = Links(key_of(state), lambda: unix_ms() / 1000)
    return ApiServer(
        [
            *Streams(engine).operations(),
            *Intake(engine, unix_ms).operations(),
            *Control(engine).operations(),
            *DirectConnect(engine, library, roots, unix_ms, links).operations(),
            *ConnectedPeople(library, roots).operations(),
            *Live(engine).operations(),
            *Recordings(library, roots).operations(),
            *Artifacts(engine, library, roots).operations(),
            *Chronicle(engine, shelf_of(config)).operations(),
            *Pictures(engine, library, roots).operations(),
            *Sessions(doorkeeper).operations(),
            engine_operation(engine.status),
            metrics_operation(engine),
        ],
        doorkeeper,
        engine,
        links,
        version=engine.version,
        host=api.host,
        port=api.port,
    )


def _no_token(_text: str) -> None:
    """Without a state directory there are none."""
