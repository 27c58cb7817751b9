"""What a killed process left in pieces is made whole: nothing that was written whole is lost.

Blocks; raises OSError. A folder that is whole is not changed, and nobody may be writing to it.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from . import mp4
from .folder import LEFTOVER
from .wav import WavFile


def repair(folder: Path) -> None:
    """Make every file in a recording's folder one that opens, or remove it if there is nothing in it."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.name.startswith(".") and path.name.endswith(LEFTOVER):
            path.unlink()
        elif path.stat().st_size == 0 and path.parent != folder:
            path.unlink()  # its name was taken, and nothing written yet
        else:
            mend(path)


def mend(path: Path) -> None:
    """Make one file whole, or remove it if there is nothing in it; those of no known kind stay as they are."""
    if mend_kind := _MENDERS.get(path.suffix):
        mend_kind(path)


def _mend_lines(path: Path) -> None:
    """Cut off the last line if the end of it is missing."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return
    with path.open("r+b") as file:
        try:
            msgspec.json.decode(content[whole:])
        except (msgspec.DecodeError, UnicodeDecodeError):
            file.truncate(whole)
        else:
            file.seek(0, 2)
            file.write(b"\n")


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
    with path.open("r+b") as file:
        file.truncate(fragments[-1].end)


_MENDERS: dict[str, Callable[[Path], None]] = {
    ".jsonl": _mend_lines,
    ".wav": _mend_wav,
    ".mp4": _mend_mp4,
}
