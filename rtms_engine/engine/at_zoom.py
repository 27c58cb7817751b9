"""What is asked of Zoom through its REST API: to pause, to resume, and to start again what broke off."""

import structlog

from ..errors import ConfigError, RtmsError
from ..model.reasons import StopReason
from ..sinks.base import StreamInfo
from ..supervisor.restart import RestartPolicy
from ..zoom_api.calls import Action
from ..zoom_api.client import ZoomApi
from .terms import InForce

_log = structlog.get_logger()


class AtZoom:
    """Asks, as long as the client that it is given is open.

    Args:
        terms: in force when something is asked; they have the credentials.
        api: the client.
    """

    def __init__(self, terms: InForce, api: ZoomApi) -> None:
        self._terms = terms
        self._api = api
        self._policy = RestartPolicy()
        self._restarts = 0

    @property
    def restarts(self) -> int:
        """How often Zoom was asked to start a stream again that had ended for a technical reason."""
        return self._restarts

    async def control(self, stream: StreamInfo, action: Action) -> None:
        """Ask for one thing. Raises ConfigError if the stream's app cannot, and what `ZoomApi.control` raises."""
        app = self._terms().app(stream.app)
        if app is None:
            raise ConfigError([f"apps.{stream.app}: is not there any more"])
        await self._api.control(
            app,
            stream.product,
            stream.meeting_id or stream.entity_id,
            action,
            participant_user_id=stream.operator_id or None,
        )

    def wants_restart(self, stream: StreamInfo, reason: StopReason, now: float) -> bool:
        """Whether a stream that ended is to be started again (V1.md §8.5). A yes counts as a restart."""
        app = self._terms().app(stream.app)
        return app is not None and app.has_api and self._policy.wants_restart(stream.entity_id, reason, now)

    async def restart(self, stream: StreamInfo, reason: StopReason) -> None:
        """Have Zoom start it again; what comes of it is said in the stream's story."""
        log = _log.bind(stream_id=stream.stream_id, meeting=stream.entity_id, reason=reason.name)
        try:
            await self.control(stream, "start")
        except RtmsError as error:
            log.error("RestartFailed", why=str(error))
        else:
            self._restarts += 1
            log.info("RestartRequested")
