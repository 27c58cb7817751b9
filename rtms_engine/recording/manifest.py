"""``manifest.json``: what a recording consists of, and how it came to its end.

The schema carries its own version. Readers must tolerate keys that they do not know; keys that have
nothing to say are left out.
"""

import hashlib
from pathlib import Path
from typing import Any, Final, Literal, Self

import msgspec

from ..model.media import MediaKind, Params
from ..model.reasons import StopReason, explain
from .folder import Folder
from .participants import Attendance

NAME = "manifest.json"
SCHEMA_VERSION: Final = 1

State = Literal["recording", "done", "failed", "deleted"]


class Artefact(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of the recording. Its time begins at the manifest's ``t0_ms``, like every file's."""

    path: str
    """Below the folder of the manifest."""
    kind: str
    bytes: int
    sha256: str
    user_id: int | None = None
    name: str = ""
    channel_id: str = ""
    start_ms: int | None = None
    """Unix milliseconds of the first medium in the file."""
    end_ms: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    samples: int | None = None
    """How many samples (per channel) Zoom sent; the rest of the file is silence."""
    width: int | None = None
    height: int | None = None
    access_units: int | None = None

    @classmethod
    def of(cls, folder: Folder, path: Path, kind: str, **details: Any) -> Self:
        """Describe a file as it is now; ``details`` are fields. Blocks; raises OSError."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(folder.relative(path), kind, path.stat().st_size, digest, **details)


class Skipped(msgspec.Struct):
    """What came and is not in the recording, counted."""

    empty_payloads: int = 0
    impossible_timestamps: int = 0
    """Frames whose time cannot be one of this stream."""
    overlapping_samples: int = 0
    """Samples for a time that was already written; the earlier ones stay."""
    undecodable_audio: int = 0
    bad_pictures: int = 0
    """Pictures of an unknown format, and key frames that no decoder understands."""
    pictures_before_key_frame: int = 0
    """Access units that cannot be shown, since the key frame they build on is missing."""


class Stop(msgspec.Struct, frozen=True):
    """Why the stream ended (V1.md §9.5)."""

    code: int
    name: str
    cause: str
    detail: str = ""

    @classmethod
    def of(cls, reason: StopReason, detail: str = "") -> Self:
        """The reason in words."""
        return cls(int(reason), reason.name, explain("stop", int(reason)).cause, detail)


class Media(msgspec.Struct, frozen=True):
    """Parameters by kind of medium."""

    requested: dict[MediaKind, Params]
    granted: dict[MediaKind, dict[str, Any]]
    """As Zoom reported them."""
    refused: dict[MediaKind, str]
    """The reason of each."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole recording. Times are Unix milliseconds."""

    schema_version: Literal[1]
    state: State
    rtms_stream_id: str
    entity_id: str
    product: str
    app: str
    meeting_id: str = ""
    account_id: str = ""
    operator_id: str = ""
    started_ms: int
    """``event_ts`` of the start webhook."""
    t0_ms: int
    """Where the time of every file begins."""
    ended_ms: int | None = None
    stop_reason: Stop | None = None
    failure: str = ""
    """In state ``failed``: what went wrong. The files hold what came until then."""
    media: Media
    participants: list[Attendance] = []
    artefacts: list[Artefact] = []
    skipped: Skipped | None = None


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """What remains of a recording that had to be erased: that there was one, and why it is gone."""

    schema_version: Literal[1]
    state: Literal["deleted"]
    rtms_stream_id: str
    product: str
    started_ms: int
    ended_ms: int
    stop_reason: Stop


def save(folder: Folder, manifest: Manifest | Tombstone) -> None:
    """Write the manifest, all of it or nothing. Blocks; raises OSError."""
    folder.replace(NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=2))


def stream_of(path: Path) -> str:
    """Whose manifest it is; empty if that cannot be said. Blocks; raises OSError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Identity).rtms_stream_id
    except msgspec.DecodeError:
        return ""


class _Identity(msgspec.Struct):
    rtms_stream_id: str
