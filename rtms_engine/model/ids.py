"""Identifiers, and their spelling in a file system.

Zoom's ids are opaque: a ``meeting_uuid`` may hold ``/``, ``+`` and ``=`` and is never decoded,
trimmed or re-encoded on the wire (V1.md §11, trap 11). Only `path_safe` may spell them differently.
"""

import hashlib
from typing import NewType

StreamId = NewType("StreamId", str)
"""``rtms_stream_id``: one stream; a new one for every (re)start (V1.md §1.9.1)."""

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+")
_LONGEST = 100
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)]
)


def path_safe(identifier: str) -> str:
    """Spell an id as one component of a path.

    Ids of letters, digits and ``-_=+`` are kept as they are. Anything else (separators, dots,
    control and bidirectional characters, reserved Windows names, more than 100 characters) is
    replaced by ``_`` and a hash of the original is appended, so that two ids never share a path.
    """
    kept = "".join(c if c in _SAFE else "_" for c in identifier[:_LONGEST])
    if kept == identifier and kept and kept.lower() not in _RESERVED:
        return kept
    digest = hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{kept}~{digest}" if kept else f"~{digest}"
