"""What recordings there are, to be searched: an index read from manifests.

A manifest is read again only when its file has changed, so that thousands of folders cost a look at each.
Everything here blocks, and may be called from several threads.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ..errors import VaultError
from ..vault import files
from ..vault.files import LEFTOVER
from . import manifest

RecordingState = Literal["recording", "processing", "done", "failed", "deleted"]
"""Those of a manifest, and that of a tombstone."""


class Attendee(msgspec.Struct, frozen=True):
    """A participant, as far as one searches for them."""

    user_id: int = 0
    channel_id: str = ""
    name: str = ""


class ListedFile(msgspec.Struct, frozen=True):
    """A file, as far as an overview tells of it."""

    kind: str = ""
    bytes: int | None = None


class StopName(msgspec.Struct, frozen=True):
    """Why the stream ended."""

    name: str = ""


class Card(msgspec.Struct, frozen=True):
    """What of a manifest or a tombstone is searched and listed."""

    rtms_stream_id: str
    state: RecordingState
    started_ms: int
    app: str = ""
    product: str = ""
    entity_id: str = ""
    meeting_id: str = ""
    ended_ms: int | None = None
    stop_reason: StopName | None = None
    failure: str = ""
    participants: tuple[Attendee, ...] = ()
    artefacts: tuple[ListedFile, ...] = ()
    encryption: manifest.Encryption | None = None


_decode_card = msgspec.json.Decoder(Card).decode


class Recorded(NamedTuple):
    """One recording."""

    folder: Path
    card: Card


class _Cached(NamedTuple):
    stamp: tuple[int, int, int]
    card: Card | None
    """None: there is something else in the file."""


class Library:
    """The recordings below some directories."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._cards: dict[str, _Cached] = {}
        self._places: dict[str, set[str]] = {}
        """The folders of each stream, as they were found last."""

    def recordings(self, roots: Sequence[Path]) -> list[Recorded]:
        """All of them. A folder that cannot be read is left out."""
        with self._one_at_a_time:
            return self._look(roots)

    def of_stream(self, roots: Sequence[Path], stream_id: str) -> list[Recorded]:
        """Those of one stream, the oldest first: it may have been recorded in parts, and by several sinks.

        A stream that is known is looked for only where it was found.
        """
        with self._one_at_a_time:
            if not self._known(roots, stream_id):
                self._look(roots)
            mine = self._known(roots, stream_id)
        return sorted(mine, key=lambda one: (one.card.started_ms, len(one.folder.name), one.folder))

    def _look(self, roots: Sequence[Path]) -> list[Recorded]:
        folders = [folder for root in dict.fromkeys(roots) for folder in _folders(str(root))]
        found = [(folder, card) for folder in folders if (card := self._card(folder))]
        for gone in self._cards.keys() - set(folders):
            del self._cards[gone]
        self._places = {}
        for folder, card in found:
            self._places.setdefault(card.rtms_stream_id, set()).add(folder)
        return [Recorded(Path(folder), card) for folder, card in found]

    def _known(self, roots: Sequence[Path], stream_id: str) -> list[Recorded]:
        known = [(Path(folder), self._card(folder)) for folder in self._places.get(stream_id, ())]
        return [
            Recorded(folder, card)
            for folder, card in known
            if card and card.rtms_stream_id == stream_id and any(root in folder.parents for root in roots)
        ]

    def _card(self, folder: str) -> Card | None:
        path = f"{folder}/{manifest.NAME}"
        try:
            status = os.stat(path)  # noqa: PTH116 - thousands of times, and a Path costs as much as the look
            stamp = status.st_mtime_ns, status.st_ino, status.st_size
            known = self._cards.get(folder)
            if known is None or known.stamp != stamp:
                known = self._cards[folder] = _Cached(stamp, _decode(Path(path)))
        except OSError:
            return None
        return known.card


def files_in(folder: Path) -> Iterator[tuple[str, int]]:
    """Every file of a recording, spelled as in manifests, with its size. Raises OSError."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (found := file_in(folder, name)) is not None:
            yield name, files.size_of(found)


def file_in(folder: Path, name: str) -> Path | None:
    """The file of a recording that is spelled so in manifests; None if there is none.

    No spelling leads out of the folder, no link is followed, and what is being replaced is not shown.
    """
    parts = name.split("/")
    if any(not part or part.startswith(".") or part.endswith(LEFTOVER) or "\0" in part for part in parts):
        return None
    path = folder
    try:
        for part in parts:
            path /= part
            if path.is_symlink():
                return None
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _folders(root: str) -> Iterator[str]:
    """``{root}/{date}/{meeting}/{stream}``, the oldest day first."""
    for day in _below(root):
        for meeting in _below(day):
            yield from _below(meeting)


def _below(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _decode(path: Path) -> Card | None:
    """The card in a manifest, with the names of who was there as far as there is a key. Raises OSError."""
    try:
        card = _decode_card(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if card.encryption is None:
        return card
    try:
        named = zip(card.participants, manifest.names_in(path, card.encryption), strict=True)
        known = tuple(msgspec.structs.replace(one, name=name) for one, name in named)
    except (VaultError, ValueError):
        return card
    return msgspec.structs.replace(card, participants=known)
