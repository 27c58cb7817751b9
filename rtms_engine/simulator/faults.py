"""How a simulated stream differs from a plain one: tolerated variants, refusals, garbage.

The one seam for misbehaviour; what is not here happens by calling `LiveMeeting` (drop, pause …).
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..model.media import MediaKind

LegName = Literal["signaling", "audio", "video", "share", "transcript", "chat"]


class Injection(msgspec.Struct, frozen=True):
    """Send ``payload`` as it is, at ``at_ms`` of the script, on the socket of this leg."""

    at_ms: int
    leg: LegName
    payload: bytes


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """The default has none."""

    binary_frames: bool = False
    """JSON in binary WebSocket frames (V1.md §3.1)."""
    string_content: bool = False
    """``content`` of mixed audio is the bare Base64 string (V1.md §6.1)."""
    extra_keys: Mapping[str, Any] = {}
    """Added to every message."""
    injections: tuple[Injection, ...] = ()
    signaling_statuses: tuple[int, ...] = ()
    """The statuses with which the first signaling handshakes are answered, one each."""
    media_statuses: Mapping[MediaKind, tuple[int, ...]] = {}
    """The same for the media handshakes of a kind."""
    mute_keep_alives: frozenset[LegName] = frozenset()
    """Legs on which no keep-alive is sent (V1.md §7: "when no data is flowing")."""

    def reshaped(self, message: bytes) -> bytes:
        """The message in its variant."""
        if not self.string_content and not self.extra_keys:
            return message
        fields = msgspec.json.decode(message)
        if self.string_content and fields["msg_type"] == 14 and fields["content"]["user_id"] == 0:
            content = fields.pop("content")
            fields |= {**content, "content": content["data"]}
            del fields["data"]
        return msgspec.json.encode({**fields, **self.extra_keys})
