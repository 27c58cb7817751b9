"""Sparse files: silence that nobody wrote is a hole, and nobody needs to read it.

Where a system cannot tell holes from data, everything is data.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from ..vault.layout import PLAIN, RawFile

_BLOCK = 1 << 20
_ZEROS = bytes(_BLOCK)


def stretches(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes, as offsets. Blocks; raises OSError."""
    raw = getattr(file, "raw", None)
    return (
        raw.stretches(start, end) if isinstance(raw, RawFile) else PLAIN.stretches(file.fileno(), start, end)
    )


def sha256(file: BinaryIO) -> str:
    """The digest of a file in hexadecimal, without reading its holes. Blocks; raises OSError."""
    digest, at = hashlib.sha256(), 0
    size = file.seek(0, os.SEEK_END)
    for start, stop in [*stretches(file, 0, size), (size, size)]:
        for _ in range((start - at) // _BLOCK):
            digest.update(_ZEROS)
        digest.update(_ZEROS[: (start - at) % _BLOCK])
        file.seek(start)
        at = start
        while at < stop and (data := file.read(min(_BLOCK, stop - at))):
            digest.update(data)
            at += len(data)
    return digest.hexdigest()
