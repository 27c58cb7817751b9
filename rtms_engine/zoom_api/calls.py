"""What is said to Zoom's REST API about a stream, by product. Pure."""

from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import msgspec

from ..errors import LocalProtocolError
from ..model.products import MEETING, SESSION, WEBINAR, Product

Action: TypeAlias = Literal["start", "stop", "pause", "resume"]

BASE_URL = r"^(https://[\w.-]+|http://(localhost|127(\.\d{1,3}){3}|\[::1\]))(:\d{1,5})?(/[\w./~-]*)?\Z"
"""What an address of Zoom's REST API must be like: tokens travel encrypted, or not off this machine."""


class Call(msgspec.Struct, frozen=True):
    """One request."""

    path: str
    """Below the API's URL, percent-encoded."""
    body: dict[str, Any]


class _Row(msgspec.Struct, frozen=True):
    path: str
    names_app: bool = True
    """Whether ``settings`` say whose stream it is; a session has one app only."""


_MEETINGS = _Row("/live_meetings/{}/rtms_app/status")
_ROWS = {
    MEETING.name: _MEETINGS,
    WEBINAR.name: _MEETINGS,
    SESSION.name: _Row("/videosdk/sessions/{}/rtms_app/status", names_app=False),
}


def status_call(
    product: Product,
    entity_id: str,
    action: Action,
    *,
    client_id: str,
    participant_user_id: str | None = None,
) -> Call:
    """Start, stop, pause or resume a stream.

    Args:
        product: what the entity is.
        entity_id: the number or UUID of a meeting, the id of a session.
        action: what to do.
        client_id: of the RTMS app.
        participant_user_id: whose app; None: the app of whoever owns the credentials.

    Raises:
        LocalProtocolError: Zoom has no such call for the product, or the id is none.
    """
    row = _ROWS.get(product.name)
    if row is None:
        known = ", ".join(_ROWS)
        raise LocalProtocolError(f"Zoom's REST API controls streams of {known}, none of {product.name}")
    settings = {"client_id": client_id}
    if participant_user_id:
        settings["participant_user_id"] = participant_user_id
    body = {"action": action, "settings": settings} if row.names_app else {"action": action}
    return Call(row.path.format(path_segment(entity_id)), body)


def path_segment(entity_id: str) -> str:
    """Spell an id as one segment of a path: encoded once, and once more if it holds a ``/``, which Zoom's
    gateway would otherwise take for two segments (V1.md §1.11).

    Raises:
        LocalProtocolError: it is empty, or dots, which would lead to another path.
    """
    if not entity_id.strip("."):
        raise LocalProtocolError(f"{entity_id!r} is not the id of a meeting or session")
    encoded = quote(entity_id, safe="")
    return quote(encoded, safe="") if "/" in entity_id else encoded
