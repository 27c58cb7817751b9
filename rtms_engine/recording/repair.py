"""What a killed process left in pieces is made whole: nothing that was written whole is lost.

Blocks; raises OSError. A folder that is whole is not changed, and nobody may be writing to it.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from ..vault import files
from ..vault.files import LEFTOVER, Appended
from . import mp4
from .wav import WavFile


def repair(folder: Path) -> None:
    """Make every file in a recording's folder one that opens, or remove it if there is nothing in it."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.name.startswith(".") and path.name.endswith(LEFTOVER):
            path.unlink()
        elif files.size_of(path) == 0 and path.parent != folder:
            path.unlink()  # its name was taken, and nothing written yet
        else:
            mend(path)


def mend(path: Path) -> None:
    """Make one file whole, or remove it if there is nothing in it; those of no known kind stay as they are."""
    if mend_kind := _MENDERS.get(path.suffix):
        mend_kind(path)


def _mend_lines(path: Path) -> None:
    """Cut off the last line if the end of it is missing."""
    content = files.read(path)
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return
    try:
        msgspec.json.decode(content[whole:])
    except (msgspec.DecodeError, UnicodeDecodeError):
        files.truncate(path, whole)
    else:
        Appended(path).append(b"\n")


def _mend_wav(path: Path) -> None:
    if wav := WavFile.read(path):
        wav.close(wav.label.t0_ms)


def _mend_mp4(path: Path) -> None:
    """Cut off what is behind the last whole fragment."""
    if mp4.read_label(path) is None:
        return
    fragments = mp4.fragments(path)
    if not fragments:
        path.unlink()
        return
    files.truncate(path, fragments[-1].end)


_MENDERS: dict[str, Callable[[Path], None]] = {
    ".jsonl": _mend_lines,
    ".wav": _mend_wav,
    ".mp4": _mend_mp4,
}
