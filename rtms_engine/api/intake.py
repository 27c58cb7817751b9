"""Streams that others announce: the webhooks of teams that have Zoom post to an endpoint of their own.

Who hands something in has shown a token, so Zoom's own signature is not looked at. What follows is the same
as for a webhook: it is on disk before the answer.
"""

import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from ..errors import JournalError, ShuttingDown, WebhookRejected
from ..model.signals import (
    StreamInterrupted,
    StreamSignal,
    StreamStarted,
    StreamStopped,
    Unusable,
)
from ..webhook.parse import parse
from .face import EngineFace
from .operation import Call, Operation
from .problem import Refused
from .tokens import Scope

_SIGNATURE = re.compile(r"[!-~]{1,512}")
_RETRY_S = "5"


class ZoomWebhook(msgspec.Struct, frozen=True):
    """The body of a webhook as Zoom posted it; fields that are not here are taken too."""

    event: str
    """``meeting.rtms_started``, ``…_interrupted``, ``…_stopped``, and their twins of other products."""
    payload: dict[str, Any]
    """Ids and ``server_urls``. A ``signature`` in it, HMAC-SHA256 of ``client_id,meeting_uuid,rtms_stream_id``,
    stands for the app's client secret."""
    event_ts: int | None = None
    """Unix milliseconds. The same event again is recognized by it."""


class AppQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose stream it is."""

    app: str = ""
    """The name of an ``[[apps]]``; needed only if there are several."""


class StreamAnnounced(msgspec.Struct, frozen=True):
    """What became of what was handed in."""

    id: str
    url: str
    """Where the stream can be looked at."""
    outcome: Literal["accepted", "known"]
    """``known``: the same event came before, and nothing more follows."""


class Intake:
    """The operation that takes webhooks from others.

    Args:
        engine: it.
        unix_ms: the wall clock.
    """

    def __init__(self, engine: EngineFace, unix_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._unix_ms = unix_ms

    def operations(self) -> list[Operation]:
        """The row."""
        return [
            Operation(
                "POST",
                "/api/v1/streams",
                "announceStream",
                "Hand in the body of a webhook that Zoom posted elsewhere.",
                self._announce,
                scope=Scope.CONTROL,
                query=AppQuery,
                body=ZoomWebhook,
                answer=StreamAnnounced,
                status=202,
                problems=(409, 413, 503),
            )
        ]

    async def _announce(self, call: Call) -> StreamAnnounced:
        app = app_of(self._engine, call.query.app, "query.app")
        signal = self._signal(await call.request.read(), app)
        if isinstance(signal, StreamStarted) and (signature := _signature(call.body.payload)):
            signal = msgspec.structs.replace(signal, signature=signature)
        return await hand_in(self._engine, signal, "body.payload.server_urls")

    def _signal(self, body: bytes, app: str) -> StreamSignal:
        try:
            signal = parse(body, app, self._unix_ms())
        except WebhookRejected as error:
            raise Refused.of(
                400, f"It is no webhook: {error.reason}.", "Hand in the body as Zoom posted it.", field="body"
            ) from error
        match signal:
            case StreamStarted() | StreamInterrupted() | StreamStopped():
                return signal
            case Unusable(why=why):
                raise Refused.of(
                    400, f"The webhook does not say enough: {why}.", "Hand it in whole.", field="body.payload"
                )
            case _:
                raise Refused.of(
                    400,
                    "It is not an event of a stream.",
                    "Hand in …rtms_started, …rtms_interrupted and …rtms_stopped alone.",
                    field="body.event",
                )


def app_of(engine: EngineFace, name: str, field: str) -> str:
    """The app of this name, or the only one. Raises Refused."""
    names = engine.app_names()
    if not name and len(names) == 1:
        return names[0]
    if name not in names:
        what = "There is no such app." if name else "There are several apps."
        raise Refused.of(400, what, "Give the name of one of [[apps]].", field=field)
    return name


async def hand_in(engine: EngineFace, signal: StreamSignal, urls_field: str) -> StreamAnnounced:
    """Give a signal to the engine. Raises Refused if nothing can follow from it."""
    urls = () if isinstance(signal, StreamStopped) else signal.server_urls[:1]
    if not all(map(engine.may_connect, urls)):
        raise Refused.of(
            400,
            "The server is not one that streams may be taken from.",
            "Add its host to [rtms] allowed_hosts, if it is Zoom's.",
            field=urls_field,
        )
    try:
        outcome = await engine.hand_in(signal)
    except ShuttingDown as error:
        raise Refused.of(
            503, "The engine is shutting down.", "Hand it in again.", Retry_After=_RETRY_S
        ) from error
    except JournalError as error:
        raise Refused.of(
            503, "It cannot be kept now.", "Hand it in again; see the engine's log.", Retry_After=_RETRY_S
        ) from error
    if outcome.why_not:
        raise Refused.of(409, outcome.why_not, "Its timeline tells more.")
    url = f"/api/v1/streams/{quote(signal.stream_id, safe='')}"
    return StreamAnnounced(signal.stream_id, url, "accepted" if outcome.is_new else "known")


def _signature(payload: dict[str, Any]) -> str:
    nested = payload.get("object")
    given = payload.get("signature") or (nested.get("signature") if isinstance(nested, dict) else None)
    return checked_signature(given, "body.payload.signature") if given is not None else ""


def checked_signature(given: Any, field: str) -> str:
    """A signature that may be sent to Zoom. Raises Refused."""
    if not isinstance(given, str) or not _SIGNATURE.fullmatch(given):
        raise Refused.of(400, "That is no signature.", "Give HMAC-SHA256 in hexadecimal.", field=field)
    return given
