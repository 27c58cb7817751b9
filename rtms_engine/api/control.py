"""What is to happen with a stream that runs: pause, resume, another camera."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from ..errors import ConfigError, LocalProtocolError, ZoomApiError
from ..model.ids import StreamId
from ..model.media import MediaKind
from ..stream.worker import StreamStatistics
from ..zoom_api.calls import Action
from .face import EngineFace
from .operation import Call, Operation
from .problem import Refused, not_found
from .tokens import Scope

PATIENCE_S = 20.0
"""How long somebody who asked is let wait for Zoom."""


class VideoChosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose camera to ask Zoom for."""

    user_id: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None
    """Of a participant; null: as ``[media.video] follow`` says."""


class Excluded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom it is about."""

    user_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    """Of a participant, as in the stream's ``people``."""


_ASKED_OF_ZOOM: Mapping[Action, str] = {
    "pause": "Have Zoom pause a stream, through its REST API.",
    "resume": "Have Zoom go on with a stream that it paused.",
}


class Control:
    """The operations that steer a stream."""

    def __init__(self, engine: EngineFace) -> None:
        self._engine = engine

    def operations(self) -> list[Operation]:
        """The rows."""
        one = "/api/v1/streams/{stream_id}"
        return [
            *(
                Operation(
                    "POST",
                    f"{one}/{action}",
                    f"{action}Stream",
                    summary,
                    partial(self._ask_zoom, action),
                    scope=Scope.CONTROL,
                    status=202,
                    problems=(404, 409, 502, 504),
                    description="Needs account_id, api_client_id and api_client_secret of the app.",
                )
                for action, summary in _ASKED_OF_ZOOM.items()
            ),
            Operation(
                "POST",
                f"{one}/video",
                "chooseVideo",
                "Choose the participant whose camera is recorded, with video of a single participant.",
                self._video,
                scope=Scope.CONTROL,
                body=VideoChosen,
                status=202,
                problems=(404, 409, 413),
            ),
            Operation(
                "POST",
                f"{one}/exclude",
                "excludeParticipant",
                "Let nothing of a participant be delivered or recorded from now on.",
                self._exclude,
                scope=Scope.CONTROL,
                body=Excluded,
                status=202,
                problems=(404, 409, 413),
                description="Sound, pictures, transcript and chat. It holds when they rejoin under the same name, "
                "and when the engine is started again. Mixed sound is dropped as a whole meanwhile. What was "
                "recorded before stays.",
            ),
            Operation(
                "POST",
                f"{one}/include",
                "includeParticipant",
                "Take an exclusion back.",
                self._include,
                scope=Scope.CONTROL,
                body=Excluded,
                status=202,
                problems=(404, 409, 413),
                description="Not one by the configuration or the consent hook. Video comes again with its next "
                "key picture.",
            ),
        ]

    async def _ask_zoom(self, action: Action, call: Call) -> None:
        stream = self._running(call)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._engine.control(stream.info.stream_id, action)
        except KeyError:
            raise _ended() from None
        except (ConfigError, LocalProtocolError) as error:
            raise Refused.of(
                409,
                "The stream cannot be steered through Zoom's REST API.",
                f"{error}",
            ) from error
        except ZoomApiError as error:
            raise Refused.of(502, f"{error}", "rtms-engine explain rest CODE tells more.") from error
        except TimeoutError as error:
            raise Refused.of(
                504,
                f"Zoom did not answer within {PATIENCE_S:.0f} s.",
                "Look at the stream's zoom_state; try again.",
            ) from error

    async def _video(self, call: Call) -> None:
        stream = self._running(call)
        info, user_id = stream.info, call.body.user_id
        if MediaKind.VIDEO not in info.kinds or info.media.video.mode != "single_participant":
            raise Refused.of(
                409,
                "The stream's video is not that of a single participant.",
                'Set [media.video] mode = "single_participant", and let a sink have video.',
            )
        here = [one.user_id for one in stream.overview.participants if one.left_ms is None]
        if user_id is not None and user_id not in here:
            raise Refused.of(
                409,
                "There is no such participant in the meeting now.",
                "Take a user_id from the stream's people.",
                field="body.user_id",
            )
        try:
            self._engine.follow(info.stream_id, user_id)
        except KeyError:
            raise _ended() from None

    async def _exclude(self, call: Call) -> None:
        await self._set_excluded(call, excluded=True)

    async def _include(self, call: Call) -> None:
        await self._set_excluded(call, excluded=False)

    async def _set_excluded(self, call: Call, *, excluded: bool) -> None:
        stream, user_id = self._running(call), call.body.user_id
        who = next((one for one in stream.overview.participants if one.user_id == user_id), None)
        if who is None:
            raise Refused.of(
                409,
                "No such participant is known.",
                "Take a user_id from the stream's people.",
                field="body.user_id",
            )
        if not excluded and who.excluded == "rule":
            raise Refused.of(
                409,
                "The configuration or the consent hook excludes them.",
                "Change [consent] exclude, or what the hook answers, for the next stream.",
                field="body.user_id",
            )
        try:
            await self._engine.exclude(stream.info.stream_id, user_id, excluded=excluded)
        except KeyError:
            raise _ended() from None
        except ConfigError as error:
            raise Refused.of(409, "Nobody can be excluded from this stream.", f"{error}") from error

    def _running(self, call: Call) -> StreamStatistics:
        stream_id = StreamId(call.path["stream_id"])
        stream = self._engine.live_streams().get(stream_id)
        if stream is not None and stream.ending is None:
            return stream
        if stream is not None or any(
            one.info.stream_id == stream_id for one in self._engine.recent_streams()
        ):
            raise _ended()
        raise not_found("stream of this id")


def _ended() -> Refused:
    return Refused.of(409, "The stream has ended already.", "Steer one whose state is live.")
