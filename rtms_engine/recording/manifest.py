"""``manifest.json``: what a recording consists of, and how it came to its end.

The schema carries its own version, and lies beside as ``manifest.schema.json`` (`manifest_schema`). Readers
must tolerate keys that they do not know; keys that have nothing to say are left out.
"""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self

import msgspec

from ..errors import VaultError
from ..model.ids import path_safe
from ..model.media import MediaKind
from ..model.reasons import StopReason, explain
from ..sinks.base import DeletionCause, StreamInfo
from ..vault import files
from .encoding import ENCODED, Sound
from .folder import Folder
from .holes import sha256
from .interruptions import Gap, Reconnect
from .label import Label
from .participants import Attendance

NAME = "manifest.json"
SCHEMA_VERSION: Final = 1
ABANDONED = "the engine was killed before the stream ended"
"""The failure of a recording that nobody continued."""

State = Literal["recording", "processing", "done", "failed"]
"""``recording``: the stream runs. ``processing``: it is over, and its files are being finished; whoever
finds this after a crash completes it (`recovery`). ``failed``: something is missing, see ``failure``. A
recording that was deleted is a `Tombstone`."""
ArtefactState = Literal["recording", "done", "failed"]


class Artefact(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of the recording. Its time begins at the manifest's ``t0_ms``, or ``offset_ms`` later."""

    path: str
    """Below the folder of the manifest."""
    kind: str
    state: ArtefactState
    """``recording``: it grows. ``failed``: it could not be read when the recording was finished."""
    bytes: int | None = None
    sha256: str = ""
    """Of the finished file."""
    user_id: int | None = None
    name: str = ""
    channel_id: str = ""
    start_ms: int | None = None
    """Unix milliseconds of the first medium in the file."""
    offset_ms: int = 0
    """How long after ``t0_ms`` the file's own time begins: 0 unless its silence was trimmed away."""
    end_ms: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    samples: int | None = None
    """How many samples (per channel) Zoom sent; the rest of the file is silence. None for a mix, and
    where the process was killed that knew it."""
    drift_ppm: float | None = None
    """How much faster the samples came than Zoom's time stamps say, in parts per million; None while
    that is not certain. Files do not suffer from it: stamps decide where sound lies."""
    width: int | None = None
    height: int | None = None
    access_units: int | None = None

    @classmethod
    def of(cls, folder: Folder, path: Path, label: Label | str, **details: Any) -> Self:
        """Describe a finished file. Reads all of it; blocks.

        Args:
            folder: of the recording.
            path: in it.
            label: what the file says about itself, or the kind of one that says nothing.
            **details: further fields.
        """
        begun = cls.begun(folder, path, label)
        try:
            files.finish(path)
            with files.reading(path) as file:
                digest = sha256(file)
                size = file.tell()
        except OSError:
            return msgspec.structs.replace(begun, state="failed", **details)
        return msgspec.structs.replace(begun, state="done", bytes=size, sha256=digest, **details)

    @classmethod
    def begun(cls, folder: Folder, path: Path, label: Label | str) -> Self:
        """A file that is being written; nothing is read."""
        if isinstance(label, str):
            label = Label(0, label)
        fields = msgspec.structs.asdict(label)
        del fields["t0_ms"]
        return cls(path=folder.relative(path), state="recording", **fields)


class Skipped(msgspec.Struct):
    """What came and is not in the recording, counted."""

    empty_payloads: int = 0
    impossible_timestamps: int = 0
    """Frames whose time cannot be one of this stream."""
    overlapping_samples: int = 0
    """Samples for a time that was already written; the earlier ones stay."""
    undecodable_audio: int = 0
    bad_pictures: int = 0
    """Pictures of an unknown format, and access units that no decoder understands."""
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

    requested: dict[MediaKind, dict[str, Any]]
    granted: dict[MediaKind, dict[str, Any]]
    """As Zoom reported them."""
    refused: dict[MediaKind, str]
    """The reason of each."""


class Dropped(msgspec.Struct, frozen=True):
    """What one sink did not get of one kind (``event``: of none)."""

    sink: str
    kind: str
    count: int


class Billing(msgspec.Struct, frozen=True):
    """What Zoom is likely to bill, as far as can be told from here: an estimate, not an invoice."""

    billing_class: Literal["with_transcript", "without_transcript"] = msgspec.field(name="class")
    """Taking the transcript at any time makes the whole session one with transcript (V1.md §10)."""
    minutes: int
    """From the start to the end of the stream, begun ones counted."""

    @classmethod
    def estimate(cls, kinds: Collection[MediaKind], started_ms: int, ended_ms: int) -> Self:
        """``kinds``: what Zoom granted."""
        minutes = max(-(-(ended_ms - started_ms) // 60_000), 0)
        return cls("with_transcript" if MediaKind.TRANSCRIPT in kinds else "without_transcript", minutes)


class Encryption(msgspec.Struct, frozen=True):
    """How the files are encrypted, and what of the manifest is: names and checksums."""

    key: str
    """The id of the key, which is the name of its file in the directory of keys."""
    hidden: bytes = b""
    """``names`` of the participants, and ``artefacts`` with the name and the sum of each, encrypted."""


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
    sound: Sound = Sound()
    """What the sound is made into when the stream is over; it is in WAV files until then."""
    gaps: list[Gap] = []
    """What is missing, as far as it is known."""
    reconnects: list[Reconnect] = []
    participants: list[Attendance] = []
    artefacts: list[Artefact] = []
    """While it is recorded: the tracks, without their sizes. Single pictures are listed at the end."""
    skipped: Skipped | None = None
    clock_drift_ppm: dict[MediaKind, float] = {}
    """How much faster Zoom's clock of each medium runs than this machine's, in parts per million. The
    difference of two is how they drift apart at the sender. Kinds of which little came are left out."""
    dropped: list[Dropped] = []
    """What sinks of the stream did not get because they were too slow, this one or others."""
    billing: Billing | None = None
    encryption: Encryption | None = None
    """None: everything is in plain."""


_decode_manifest = msgspec.json.Decoder(Manifest).decode


class Tombstone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What remains of a recording that had to be erased: that there was one, and why it is gone.

    It is written before the files are deleted, so that whoever finds some beside it may delete them.
    """

    schema_version: Literal[1]
    state: Literal["deleted"]
    cause: DeletionCause
    rtms_stream_id: str
    product: str
    app: str
    account_id: str = ""
    started_ms: int
    ended_ms: int | None = None
    deleted_ms: int
    deleted_files: int
    deleted_bytes: int
    stop_reason: Stop | None = None


_decode_tombstone = msgspec.json.Decoder(Tombstone).decode


def begun(stream: StreamInfo, earlier: Manifest | None, sound: Sound | None) -> Manifest:
    """The manifest of a stream that is being recorded.

    What an earlier engine said of it goes on, but for how it came to an end. Of the files it listed
    those stay that know what nobody can find out from them.
    """
    requested = {
        kind: msgspec.to_builtins(stream.media.of(kind)) for kind in MediaKind if kind in stream.kinds
    }
    if earlier:
        media = msgspec.structs.replace(earlier.media, requested=requested | earlier.media.requested)
        listed = [artefact for artefact in earlier.artefacts if _is_unrepeatable(artefact)]
        failure = "" if earlier.failure == ABANDONED else earlier.failure
        return msgspec.structs.replace(
            earlier,
            state="recording",
            ended_ms=None,
            stop_reason=None,
            failure=failure,
            media=media,
            sound=sound or earlier.sound,
            participants=[],
            artefacts=listed,
            billing=None,
        )
    return Manifest(
        schema_version=SCHEMA_VERSION,
        state="recording",
        rtms_stream_id=stream.stream_id,
        entity_id=stream.entity_id,
        product=stream.product.name,
        app=stream.app,
        meeting_id=stream.meeting_id,
        account_id=stream.account_id,
        operator_id=stream.operator_id,
        started_ms=stream.started_ms,
        t0_ms=stream.started_ms,
        media=Media(requested, {}, {}),
        sound=sound or Sound(),
    )


def _is_unrepeatable(artefact: Artefact) -> bool:
    """Whether it says what the file itself cannot say."""
    return artefact.samples is not None or artefact.path.endswith(tuple(ENCODED))


class _Hidden(msgspec.Struct, frozen=True):
    """What of a manifest whoever has no key must not know."""

    names: list[str]
    artefacts: list[tuple[str, str]]


_decode_hidden = msgspec.json.Decoder(_Hidden).decode


def save(folder: Folder, manifest: Manifest | Tombstone, *, lasting: bool = True) -> None:
    """Write the manifest, all of it or nothing. Blocks; raises OSError.

    It is in plain, so that everybody can see whose recording it is and in which state. Where the files are
    encrypted, names and checksums are too.

    Args:
        folder: whose.
        manifest: what it says now.
        lasting: whether it must survive that the power fails right then: the first one, of a recording in which
            nothing is yet, need not, and waiting for the disk would hold up everybody who starts at once.
    """
    if isinstance(manifest, Manifest) and folder.key:
        hidden = _Hidden(
            [one.name for one in manifest.participants],
            [(one.name, one.sha256) for one in manifest.artefacts],
        )
        manifest = _with_hidden(
            manifest, _Hidden([""] * len(hidden.names), [("", "")] * len(hidden.artefacts))
        )
        encrypted = files.hide(folder.key, msgspec.json.encode(hidden))
        manifest = msgspec.structs.replace(manifest, encryption=Encryption(folder.key.id.hex(), encrypted))
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    folder.replace(NAME, content, lasting=lasting, in_plain=True)


def _with_hidden(manifest: Manifest, hidden: _Hidden) -> Manifest:
    """The same with other names and sums."""
    replace = msgspec.structs.replace
    return replace(
        manifest,
        participants=[
            replace(one, name=name) for one, name in zip(manifest.participants, hidden.names, strict=True)
        ],
        artefacts=[
            replace(one, name=name, sha256=digest)
            for one, (name, digest) in zip(manifest.artefacts, hidden.artefacts, strict=True)
        ],
    )


def names_in(path: Path, encryption: Encryption) -> list[str]:
    """The names of the participants in an encrypted manifest. Raises OSError."""
    return _revealed(path, encryption).names


def _revealed(path: Path, encryption: Encryption) -> _Hidden:
    try:
        return _decode_hidden(files.reveal(bytes.fromhex(encryption.key), encryption.hidden, path))
    except (msgspec.DecodeError, ValueError) as error:
        raise VaultError(path, "it is damaged") from error


def load(folder: Path) -> Manifest | None:
    """The manifest in a folder; None if there is none, it cannot be read, or its recording was deleted.

    Of an encrypted recording whose key cannot be had, it lacks names and checksums. Blocks; raises OSError.
    """
    path = folder / NAME
    try:
        found = _decode_manifest(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if found.encryption is not None:
        with contextlib.suppress(VaultError, ValueError):
            return _with_hidden(found, _revealed(path, found.encryption))
    return found


def load_tombstone(folder: Path) -> Tombstone | None:
    """The tombstone in a folder; None if there is none that can be read. Blocks; raises OSError."""
    try:
        return _decode_tombstone((folder / NAME).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def folders_below(root: Path) -> Iterator[Path]:
    """Every folder below ``root`` that has a manifest, oldest day first. Blocks; raises OSError."""
    yield from (path.parent for path in sorted(root.glob(f"*/*/*/{NAME}")))


def recordings_of(root: Path, entity_id: str, stream_id: str) -> list[Path]:
    """The folders of a stream below ``root``, oldest first: it may have been recorded in parts, and
    on several days. Blocks; raises OSError.
    """
    found = root.glob(f"*/{path_safe(entity_id)}/{path_safe(stream_id)}*/{NAME}")
    folders = [path.parent for path in found if _stream_of(path) == stream_id]
    return sorted(folders, key=lambda folder: (folder.parents[1].name, len(folder.name), folder.name))


def _stream_of(path: Path) -> str:
    try:
        return _decode_identity(path.read_bytes()).rtms_stream_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


class _Identity(msgspec.Struct):
    rtms_stream_id: str


_decode_identity = msgspec.json.Decoder(_Identity).decode
