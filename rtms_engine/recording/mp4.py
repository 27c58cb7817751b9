"""Fragmented MP4 as bytes (ISO/IEC 14496-12): a header, a `Label`, and fragments of pictures.

All of it is made here. FFmpeg would keep pictures back until the next ones come, however long that
takes; these are in the file when a batch is. And it would have to decode what comes from outside, in the
process that must live on. A fragment is a ``moof`` box and its ``mdat``, and all of them have the same layout, so they can be counted, moved
in time, and told from one that a killed process has left in pieces.

=========================== ====== ========================================================
box                         bytes  content
=========================== ====== ========================================================
moof                        8
moof/mfhd                   16     number of the fragment
moof/traf                   8
moof/traf/tfhd              16     the track; offsets count from the moof
moof/traf/tfdt              20     time of the first picture
moof/traf/trun              20     number of pictures, offset of the first one's bytes
…                           12     each picture's duration, size and flags
mdat                        8      then the pictures
=========================== ====== ========================================================
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..vault import files
from ..vault.files import replacing
from .label import Label, decode_label

TIMESCALE = 1000
"""Units per second of a header's track: all times are milliseconds."""

_BOX = struct.Struct(">I4s")
"""What every box begins with: its size and kind."""
_LABEL_BOX = b"uuid" + bytes.fromhex("6f1e2a5c0d7b4a55b7c1727a6d732d31")
"""A box of our own; the number is a random one."""
_TIME_AT, _COUNT_AT, _PICTURES_AT = 60, 80, 88
"""Offsets in a moof: see the table."""
_LATEST_MS = 2**42
"""More than a century: where a fragment says so, the disk has lost it."""
_TFHD_FROM_MOOF, _TFDT_64_BIT, _TRUN_FIELDS = 0x020000, 0x01000000, 0x000701
_KEY_PICTURE, _OTHER_PICTURE = 0x02000000, 0x01010000
"""Sample flags: builds on no other; builds on others, and is no place to begin."""

_ENABLED = 0x000003
"""Flags of a track: it is on, and part of the presentation."""
_UNDETERMINED = 0x55C4
"""The language ``und``, five bits a letter."""


class Picture(NamedTuple):
    """One sample of the track."""

    at_ms: int
    """From the file's time 0."""
    is_key: bool
    data: bytes
    """NAL units, each behind its length (ISO/IEC 14496-15)."""


class Fragment(NamedTuple):
    """Where a fragment is in the file and in time."""

    start: int
    """Offset of its first byte."""
    moof_bytes: int
    end: int
    """Offset behind its last byte."""
    at_ms: int
    pictures: int
    duration_ms: int
    has_key: bool
    """Whether decoding can begin in it."""


def header(width: int, height: int, configuration: bytes) -> bytes:
    """What a file begins with: it has one track of H.264, whose pictures are in fragments.

    Args:
        width: of the pictures, pixels.
        height: likewise.
        configuration: an AVCDecoderConfigurationRecord.
    """
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    entry = _box(
        b"avc1",
        struct.pack(">6xH16x2H2I4xH32xHH", 1, width, height, 0x480000, 0x480000, 1, 24, 0xFFFF),
        _box(b"avcC", configuration),
    )
    samples = _box(
        b"stbl",
        _box(b"stsd", struct.pack(">2I", 0, 1), entry),
        *(_box(kind, bytes(8)) for kind in (b"stts", b"stsc")),
        _box(b"stsz", bytes(12)),
        _box(b"stco", bytes(8)),
    )
    where = _box(b"dinf", _box(b"dref", struct.pack(">2I", 0, 1), _box(b"url ", struct.pack(">I", 1))))
    media = _box(
        b"mdia",
        _box(b"mdhd", struct.pack(">12xI4x2H", TIMESCALE, _UNDETERMINED, 0)),
        _box(b"hdlr", struct.pack(">8x4s12x", b"vide"), b"Video\0"),
        _box(b"minf", _box(b"vmhd", struct.pack(">I8x", 1)), where, samples),
    )
    track = _box(
        b"trak",
        _box(
            b"tkhd",
            struct.pack(">I8xI24x", _ENABLED, 1),
            matrix,
            struct.pack(">2I", width << 16, height << 16),
        ),
        media,
    )
    movie = _box(
        b"mvhd", struct.pack(">12xI4xIH10x", TIMESCALE, 0x10000, 0x100), matrix, struct.pack(">24xI", 2)
    )
    extends = _box(b"mvex", _box(b"trex", struct.pack(">6I", 0, 1, 1, 0, 0, 0)))
    brands = _box(b"ftyp", struct.pack(">4sI4s4s4s", b"iso5", 512, b"iso5", b"iso6", b"mp41"))
    return brands + _box(b"moov", movie, track, extends)


def fragment(number: int, pictures: Sequence[Picture], last_duration_ms: int) -> bytes:
    """The bytes of a fragment.

    Args:
        number: 1 for the first in the file, then counting.
        pictures: at least one, in order.
        last_duration_ms: how long the last one is shown, unless the next fragment says otherwise.
    """
    times = [picture.at_ms for picture in pictures]
    ends = [*times[1:], times[-1] + last_duration_ms]
    samples = b"".join(
        struct.pack(">3I", end - at_ms, len(data), _KEY_PICTURE if is_key else _OTHER_PICTURE)
        for (at_ms, is_key, data), end in zip(pictures, ends, strict=True)
    )
    first_byte_at = _PICTURES_AT + len(samples) + _BOX.size
    track = _box(
        b"traf",
        _box(b"tfhd", struct.pack(">2I", _TFHD_FROM_MOOF, 1)),
        _box(b"tfdt", struct.pack(">IQ", _TFDT_64_BIT, times[0])),
        _box(b"trun", struct.pack(">3I", _TRUN_FIELDS, len(pictures), first_byte_at), samples),
    )
    moof = _box(b"moof", _box(b"mfhd", struct.pack(">2I", 0, number)), track)
    return moof + _box(b"mdat", *(picture.data for picture in pictures))


def label_box(label: Label) -> bytes:
    """The box that stands between header and fragments."""
    text = label.encode()
    return struct.pack(">I", len(_LABEL_BOX) + 4 + len(text)) + _LABEL_BOX + text


def read_label(path: Path) -> Label | None:
    """What a file says about itself; None if it is not one of ours. Blocks; raises OSError."""
    with files.reading(path) as file:
        for kind, start, end in _boxes(file):
            file.seek(start)
            if kind == b"uuid" and (box := file.read(end - start))[4:].startswith(_LABEL_BOX):
                return decode_label(box[4 + len(_LABEL_BOX) :])
    return None


def fragments(path: Path, start: int = 0) -> list[Fragment]:
    """All that are whole, and say what makes sense. Blocks; raises OSError.

    Args:
        path: of a file of ours.
        start: where to begin: 0, or where a fragment began or ended.
    """
    with files.reading(path) as file:
        return list(_fragments(file, start))


def pictures(path: Path, start: int = 0) -> Iterator[tuple[Picture, int]]:
    """All that are whole, in order, and for how many milliseconds each is shown. Blocks; raises OSError.

    ``start`` as in `fragments`.
    """
    with files.reading(path) as file:
        for found in _fragments(file, start):
            file.seek(found.start)
            moof, at_ms = file.read(found.moof_bytes), found.at_ms
            file.seek(_BOX.size, 1)
            entries = struct.iter_unpack(">3I", moof[_PICTURES_AT : _PICTURES_AT + 12 * found.pictures])
            for duration_ms, data_bytes, flags in entries:
                yield Picture(at_ms, flags == _KEY_PICTURE, file.read(data_bytes)), duration_ms
                at_ms += duration_ms


def read_configuration(path: Path) -> bytes:
    """The AVCDecoderConfigurationRecord of a file of ours. Blocks; raises OSError."""
    with files.reading(path) as file:
        moov = next(((start, end) for kind, start, end in _boxes(file) if kind == b"moov"), (0, 0))
        file.seek(moov[0])
        before, _, behind = file.read(moov[1] - moov[0]).partition(b"avcC")
    return behind[: int.from_bytes(before[-4:], "big") - _BOX.size]


def relabel(path: Path, label: Label, later_ms: int) -> None:
    """Give a file another label, and move its pictures. It is replaced at once.

    Blocks; raises OSError.
    """
    with files.reading(path) as old, replacing(path) as new:
        header = sum(end - start for kind, start, end in _boxes(old) if kind in (b"ftyp", b"moov"))
        old.seek(0)
        new.write(old.read(header) + label_box(label))
        for start, moof_bytes, end, at_ms, *_ in _fragments(old):
            old.seek(start)
            moof = bytearray(old.read(moof_bytes))
            struct.pack_into(">Q", moof, _TIME_AT, at_ms + later_ms)
            new.write(moof)
            new.write(old.read(end - start - moof_bytes))


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _BOX.pack(_BOX.size + len(content), kind) + content


def _boxes(file: BinaryIO, at: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Kind, offset and end of every whole box, from ``at``, where one begins."""
    size = file.seek(0, 2)
    while at + _BOX.size <= size:
        file.seek(at)
        box_bytes, kind = _BOX.unpack(file.read(_BOX.size))
        if box_bytes < _BOX.size or at + box_bytes > size:
            return
        yield kind, at, at + box_bytes
        at += box_bytes


def _fragments(file: BinaryIO, start: int = 0) -> Iterator[Fragment]:
    for kind, at, end in _boxes(file, start):
        if kind == b"moof":
            start = at
        elif kind == b"mdat":
            file.seek(start)
            moof = file.read(at - start)
            if len(moof) < _PICTURES_AT:
                continue
            (at_ms,) = struct.unpack_from(">Q", moof, _TIME_AT)
            (pictures,) = struct.unpack_from(">I", moof, _COUNT_AT)
            if len(moof) != _PICTURES_AT + 12 * pictures or at_ms > _LATEST_MS:
                continue
            numbers = struct.unpack_from(f">{3 * pictures}I", moof, _PICTURES_AT)
            if sum(numbers[1::3]) == end - at - _BOX.size:
                has_key = _KEY_PICTURE in numbers[2::3]
                yield Fragment(start, len(moof), end, at_ms, pictures, sum(numbers[::3]), has_key)
