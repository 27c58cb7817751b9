"""H.264 byte streams (ITU-T H.264, Annex B) taken apart into access units. Pure.

A message of Zoom's is usually one access unit, but nobody promises it (V1.md §6.4): several may come
in one message, and one may be spread over several, cut anywhere. So an access unit is complete only
when the next one begins, or at `flush`.
"""

from collections.abc import Iterable, Iterator

import msgspec

from .parameter_sets import (
    BadSyntaxError,
    ParameterSets,
    Pps,
    Sps,
    first_macroblock,
    pps_id_of,
    read_pps,
    read_sps,
)

_START = b"\0\0\1"
_LONGEST_NAL = 8 * 1024 * 1024
"""More than any picture needs: without a start code in so many bytes this is no H.264."""
_LARGEST_UNIT = 16 * 1024 * 1024
_MOST_NALS = 4096
"""A slice is at least a row of macroblocks with every encoder that is known."""
_MOST_IN_A_MESSAGE = 4 * _MOST_NALS
"""What is behind them is thrown away: nobody sends so many, but to keep us busy."""

_SLICE, _PARTITION_A, _IDR, _SEI, _SPS, _PPS, _DELIMITER, _PREFIX = 1, 2, 5, 6, 7, 8, 9, 14
_SLICES = frozenset([_SLICE, _PARTITION_A, _IDR])
_BEFORE_SLICES = frozenset([_SEI, _SPS, _PPS, _DELIMITER, *range(15, 19)])
"""What stands only in front of the slices of an access unit (H.264 §7.4.1.2.3). A prefix (14) stands
in front of each slice of scalable video, and begins an access unit only if its slice does (§G.7.4.1.2.4).
"""
_KINDS = range(1, 24)
"""0 and 24 to 31 are not specified for byte streams."""
_FORBIDDEN_BIT = 0x80
_DAMAGE = b""
"""Stands for a NAL unit that had to be thrown away."""


class BadAccessUnitError(Exception):
    """An access unit that no decoder understands."""


class AccessUnit(msgspec.Struct, frozen=True):
    """One picture: its NAL units without start codes, in order."""

    timestamp_ms: int
    """Of the message in which it began."""
    nals: tuple[bytes, ...]
    is_damaged: bool = False
    """Whether something of it, or in front of it, had to be thrown away."""

    @property
    def is_idr(self) -> bool:
        """Whether decoding can begin here, given the parameter sets."""
        return any(_kind(nal) == _IDR for nal in self.nals)

    def of_kind(self, kind: int) -> tuple[bytes, ...]:
        """The NAL units of one ``nal_unit_type``."""
        return tuple(nal for nal in self.nals if _kind(nal) == kind)

    @property
    def is_picture(self) -> bool:
        """Whether it has slices at all."""
        return any(_is_slice(nal) for nal in self.nals)


def annex_b(nals: Iterable[bytes]) -> bytes:
    """The byte stream of NAL units."""
    return b"".join(b"\0" + _START + nal for nal in nals)


def length_prefixed(nals: Iterable[bytes]) -> bytes:
    """The same as MP4 wants it: each NAL unit behind its length (ISO/IEC 14496-15)."""
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


def looks_like_annex_b(data: bytes) -> bool:
    """Whether it begins with a start code."""
    return data.startswith((_START, b"\0" + _START))


class AccessUnits:
    """Bytes in, access units out; it keeps less than two of them, and never more than `_LARGEST_UNIT`."""

    def __init__(self) -> None:
        self._nals = _NalUnits()
        self._begin()
        self._prefix: tuple[bytes, int] | None = None
        """One whose slice has not come yet."""

    def feed(self, data: bytes, timestamp_ms: int) -> list[AccessUnit]:
        """Take a message, and return the access units that it completes."""
        return list(self._assemble(self._nals.feed(data, timestamp_ms)))

    def flush(self) -> list[AccessUnit]:
        """Take what is there for complete: the source ends or changes. Then begin anew."""
        return [*self._assemble(self._nals.flush()), *self._complete()]

    def _begin(self) -> None:
        self._current: list[bytes] = []
        self._bytes = 0
        self._newest_slice: tuple[bool, int] | None = None
        """Whether it is of an IDR picture, and its first macroblock."""
        self._is_damaged = False
        self._timestamp_ms = 0

    def _assemble(self, nals: Iterable[tuple[bytes, int]]) -> Iterator[AccessUnit]:
        for nal, timestamp_ms in nals:
            if nal and _kind(nal) == _PREFIX:
                self._prefix = nal, timestamp_ms
                continue
            prefix, self._prefix = self._prefix, None
            new_slice = None
            if nal and _is_slice(nal):
                new_slice = _place_of(nal)
                nal = nal if new_slice else _DAMAGE  # noqa: PLW2901 - nothing else may see it
            if self._begins_next(nal, new_slice):
                yield from self._complete()
            self._newest_slice = new_slice or self._newest_slice
            if prefix and new_slice:
                self._add(*prefix)
            self._add(nal, timestamp_ms)

    def _begins_next(self, nal: bytes, new_slice: tuple[bool, int] | None) -> bool:
        """Whether this NAL unit is the first of the next access unit."""
        if nal and _kind(nal) == _DELIMITER:
            return bool(self._current)
        if self._newest_slice is None or not nal:
            return False
        if new_slice:
            was_idr, before = self._newest_slice
            is_idr, first = new_slice
            return is_idr != was_idr or first <= before
        return _kind(nal) in _BEFORE_SLICES

    def _add(self, nal: bytes, timestamp_ms: int) -> None:
        too_much = self._bytes + len(nal) > _LARGEST_UNIT or len(self._current) >= _MOST_NALS
        if too_much or nal == _DAMAGE:
            self._is_damaged = True
            return
        if not self._current:
            self._timestamp_ms = timestamp_ms
        self._current.append(nal)
        self._bytes += len(nal)

    def _complete(self) -> list[AccessUnit]:
        unit = AccessUnit(self._timestamp_ms, tuple(self._current), self._is_damaged)
        self._begin()
        return [unit] if unit.nals or unit.is_damaged else []


class KeyFrameGate:
    """Lets access units through from a key frame on, once its parameter sets are known."""

    def __init__(self) -> None:
        self._sps: dict[int, Sps] = {}
        self._pps: dict[int, Pps] = {}
        self._active: Sps | None = None
        self._open = False

    @property
    def parameter_sets(self) -> ParameterSets | None:
        """SPS and PPS as they were last sent; None before the first key frame."""
        if self._active is None:
            return None
        return ParameterSets(
            self._active,
            tuple(self._sps[number] for number in sorted(self._sps)),
            tuple(self._pps[number] for number in sorted(self._pps)),
        )

    def admits(self, unit: AccessUnit) -> bool:
        """Whether this picture can be decoded from what was admitted before.

        Raises BadAccessUnitError: nobody can decode it, nor what builds on it. The gate is closed then.
        """
        try:
            self._learn(unit)
        except BadSyntaxError as error:
            self.close()
            raise BadAccessUnitError from error
        return self._open

    def close(self) -> None:
        """Something is missing from here on, or the source changes: wait for the next key frame."""
        self._open = False

    def _learn(self, unit: AccessUnit) -> None:
        if unit.is_damaged:
            raise BadSyntaxError("something of it is missing")
        for nal in unit.of_kind(_SPS):
            sps = read_sps(nal)
            self._sps[sps.id] = sps
        for nal in unit.of_kind(_PPS):
            pps = read_pps(nal)
            self._pps[pps.id] = pps
        if unit.is_picture:
            self._see(unit)

    def _see(self, picture: AccessUnit) -> None:
        pps = self._pps.get(pps_id_of(next(filter(_is_slice, picture.nals))))
        sps = self._sps.get(pps.sps_id) if pps else None
        if self._open and sps is None:
            raise BadSyntaxError("it wants parameter sets that never came")
        if picture.is_idr and sps:
            self._active = sps
            self._open = True


class _NalUnits:
    """Bytes in, NAL units out, each with the timestamp of the message in which it began."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = False
        """Whether the buffer starts inside a NAL unit; else it is what may become a start code."""
        self._timestamp_ms = 0

    def feed(self, data: bytes, timestamp_ms: int) -> Iterator[tuple[bytes, int]]:
        search_from = max(len(self._buffer) - 2, 0)
        self._buffer += data
        count = 0
        while (found := self._buffer.find(_START, search_from)) >= 0:
            count += 1
            if count > _MOST_IN_A_MESSAGE:
                yield _DAMAGE, self._timestamp_ms
                self._buffer.clear()
                self._begun = False
                break
            yield from self._cut(found)
            del self._buffer[: found + len(_START)]
            self._begun, self._timestamp_ms, search_from = True, timestamp_ms, 0
        if self._begun and len(self._buffer) > _LONGEST_NAL:
            yield _DAMAGE, self._timestamp_ms
            self._begun = False
        if not self._begun:
            del self._buffer[:-2]

    def flush(self) -> Iterator[tuple[bytes, int]]:
        yield from self._cut(len(self._buffer))
        self._buffer.clear()
        self._begun = False

    def _cut(self, end: int) -> Iterator[tuple[bytes, int]]:
        """The NAL unit before ``end``; zeros behind it belong to the next start code (Annex B.1)."""
        nal = bytes(self._buffer[:end]).rstrip(b"\0")
        if self._begun and nal and _kind(nal) in _KINDS:
            yield _DAMAGE if nal[0] & _FORBIDDEN_BIT else nal, self._timestamp_ms


def _kind(nal: bytes) -> int:
    return nal[0] & 0x1F


def _is_slice(nal: bytes) -> bool:
    return _kind(nal) in _SLICES


def _place_of(slice_nal: bytes) -> tuple[bool, int] | None:
    """Whether a slice is of an IDR picture, and its first macroblock; None if nobody can read it."""
    try:
        return _kind(slice_nal) == _IDR, first_macroblock(slice_nal)
    except BadSyntaxError:
        return None
