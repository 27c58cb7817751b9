"""What is in the folder of a recording, whatever its state.

The files themselves say what they are (`recording.label`), so a recording that still runs, or whose
engine was killed, is read like one that has ended. Sound in formats that cannot say it is looked up in
the manifest.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ExportError
from ..recording import manifest, mp4
from ..recording.folder import Folder
from ..recording.log import TRANSCRIPT, Happened, events_in
from ..recording.parameter_sets import BadSyntaxError, sets_in
from ..recording.wav import WavFile
from ..vault import files
from .languages import language_of
from .titles import Cue, read_vtt

DIRECTORIES = {"camera": "video", "share": "share"}
_SOUNDS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"}
_STILLS = {".jpg", ".png"}
_NAMED = 5
"""How many recordings an error names."""


class Moving(msgspec.Struct, frozen=True):
    """A file of H.264."""

    path: Path
    later_ms: int
    """Between the recording's time 0 and the file's."""
    width: int
    height: int


class Still(msgspec.Struct, frozen=True):
    """A picture that is a file."""

    path: Path
    at_ms: int
    """From the recording's time 0."""


class Sound(msgspec.Struct, frozen=True):
    """A file of sound."""

    path: Path
    later_ms: int


class Pictures(msgspec.Struct, frozen=True):
    """The camera, or the shared screen."""

    kind: str
    moving: list[Moving]
    stills: list[Still]


class Recording(msgspec.Struct, frozen=True):
    """A recording to be read."""

    path: Path
    state: str
    failure: str
    t0_ms: int
    """Unix milliseconds of time 0."""
    camera: Pictures
    share: Pictures
    sounds: list[Sound]
    cues: list[Cue]
    language: str
    """Of the cues; see `language_of`."""
    happened: list[Happened]
    unreadable: list[str]
    """Files of pictures that say nothing of themselves any more."""


class _Head(msgspec.Struct):
    state: str
    schema_version: int


_decode_head = msgspec.json.Decoder(_Head).decode


def read(path: Path) -> Recording:
    """Look into a folder, or into the only one below it that has a manifest.

    Raises:
        ExportError: there is no recording, or none that can be read.
    """
    path = _find(path)
    said = _manifest_of(path)
    folder = Folder(path)
    unreadable: list[str] = []
    try:
        return Recording(
            path,
            said.state,
            said.failure,
            said.t0_ms,
            _pictures(folder, "camera", said.t0_ms, unreadable),
            _pictures(folder, "share", said.t0_ms, unreadable),
            _sounds(folder, said),
            _cues(path),
            language_of(folder.lines(TRANSCRIPT)),
            list(events_in(folder)),
            unreadable,
        )
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error


def _find(path: Path) -> Path:
    if (path / manifest.NAME).exists():
        return path
    if not path.is_dir():
        raise ExportError(f"there is no folder {path}")
    below = sorted(found.parent for found in path.rglob(manifest.NAME))
    if not below:
        raise ExportError(f"{path} is no recording: there is no {manifest.NAME} in it, nor below it")
    if len(below) > 1:
        names = "\n".join(f"  {one}" for one in below[:_NAMED])
        raise ExportError(f"there are {len(below)} recordings below {path}; choose one, like\n{names}")
    return below[0]


def _manifest_of(path: Path) -> manifest.Manifest:
    file = path / manifest.NAME
    try:
        head = _decode_head(file.read_bytes())
    except OSError as error:
        raise ExportError(f"{file} cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ExportError(f"{file} is damaged: {error}") from error
    if head.schema_version != manifest.SCHEMA_VERSION:
        known = manifest.SCHEMA_VERSION
        raise ExportError(f"{file} has version {head.schema_version}, and this engine reads version {known}")
    if head.state == "deleted":
        raise ExportError(f"the recording in {path} was deleted; only the fact that there was one remains")
    if said := manifest.load(path):
        return said
    raise ExportError(f"{file} is damaged")


def _pictures(folder: Folder, kind: str, t0_ms: int, unreadable: list[str]) -> Pictures:
    directory = DIRECTORIES[kind]
    moving = []
    for path in folder.files(directory, ".mp4"):
        label = mp4.read_label(path)
        if not label or not label.width or not label.height or not _has_sets(path):
            unreadable.append(f"{path.name} is damaged")
        elif next(mp4.pictures(path), None):
            moving.append(Moving(path, label.t0_ms - t0_ms, label.width, label.height))
    stills = [
        Still(path, int(named[1]) - t0_ms)
        for path in (folder.path / directory).glob("*")
        if path.suffix in _STILLS and (named := re.match(r"(\d+)-\d+", path.stem))
    ]
    return Pictures(kind, moving, sorted(stills, key=lambda still: (still.at_ms, still.path.name)))


def _has_sets(path: Path) -> bool:
    try:
        return bool(sets_in(mp4.read_configuration(path)))
    except BadSyntaxError:
        return False


def _sounds(folder: Folder, said: manifest.Manifest) -> list[Sound]:
    """The mix, or the voices where there is none."""
    kinds: dict[str, list[Sound]] = {"audio_mix": [], "audio": []}
    listed: dict[str, Any] = {artefact.path: artefact for artefact in said.artefacts}
    for path in sorted((folder.path / "audio").glob("*")):
        if path.suffix not in _SOUNDS:
            continue
        wav = WavFile.read(path) if path.suffix == ".wav" else None
        artefact = listed.get(folder.relative(path))
        if wav and wav.label.kind in kinds:
            kinds[wav.label.kind].append(Sound(path, wav.label.t0_ms - said.t0_ms))
        elif artefact and artefact.kind in kinds:
            kinds[artefact.kind].append(Sound(path, artefact.offset_ms))
    return kinds["audio_mix"] or kinds["audio"]


def _cues(path: Path) -> list[Cue]:
    try:
        return read_vtt(files.read(path / "transcript.vtt").decode("utf-8", "replace"))
    except FileNotFoundError:
        return []
