"""H.264 byte streams (ITU-T H.264, Annex B) taken apart into access units. Pure.

A message of Zoom's is usually one access unit, but nobody promises it (V1.md §6.4): several may come
in one message, and one may be spread over several, cut anywhere. So an access unit is complete only
when the next one begins, or at `flush`.
"""

from collections.abc import Iterable, Iterator

import msgspec

_START = b"\0\0\1"
_LONGEST_NAL = 8 * 1024 * 1024
"""More than any picture needs: without a start code in so many bytes this is no H.264."""

_SLICE, _PARTITION_A, _IDR, _SEI, _SPS, _PPS, _DELIMITER = 1, 2, 5, 6, 7, 8, 9
_SLICES = frozenset([_SLICE, _PARTITION_A, _IDR])
_BEFORE_SLICES = frozenset([_SEI, _SPS, _PPS, _DELIMITER, *range(14, 19)])
"""What stands only in front of the slices of an access unit (H.264 §7.4.1.2.3)."""
_KINDS = range(1, 24)
"""0 and 24 to 31 are not specified for byte streams."""
_FORBIDDEN_BIT = 0x80
_FIRST_MACROBLOCK_IS_ZERO = 0x80
"""``first_mb_in_slice`` is the first field of a slice, and 0 is coded as a single 1."""


class AccessUnit(msgspec.Struct, frozen=True):
    """One picture: its NAL units without start codes, in order."""

    timestamp_ms: int
    """Of the message in which it began."""
    nals: tuple[bytes, ...]

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
    """Bytes in, access units out; it keeps less than two of them."""

    def __init__(self) -> None:
        self._nals = _NalUnits()
        self._current: list[bytes] = []
        self._timestamp_ms = 0

    def feed(self, data: bytes, timestamp_ms: int) -> list[AccessUnit]:
        """Take a message, and return the access units that it completes."""
        return list(self._assemble(self._nals.feed(data, timestamp_ms)))

    def flush(self) -> list[AccessUnit]:
        """Take what is there for complete: the source ends or changes. Then begin anew."""
        return [*self._assemble(self._nals.flush()), *self._complete()]

    def _assemble(self, nals: Iterable[tuple[bytes, int]]) -> Iterator[AccessUnit]:
        for nal, timestamp_ms in nals:
            if self._begins_next(nal):
                yield from self._complete()
            if not self._current:
                self._timestamp_ms = timestamp_ms
            self._current.append(nal)

    def _begins_next(self, nal: bytes) -> bool:
        """Whether this NAL unit is the first of the next access unit."""
        if not any(map(_is_slice, self._current)):
            return False
        if _is_slice(nal):
            return bool(nal[1:2]) and bool(nal[1] & _FIRST_MACROBLOCK_IS_ZERO)
        return _kind(nal) in _BEFORE_SLICES

    def _complete(self) -> list[AccessUnit]:
        unit = AccessUnit(self._timestamp_ms, tuple(self._current))
        self._current = []
        return [unit] if unit.nals else []


class KeyFrameGate:
    """Lets access units through from a key frame on, once its parameter sets are known."""

    def __init__(self) -> None:
        self._sps: tuple[bytes, ...] = ()
        self._pps: tuple[bytes, ...] = ()
        self._open = False

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """SPS and PPS as they were last sent; empty unless there are both."""
        return self._sps + self._pps if self._sps and self._pps else ()

    def admits(self, unit: AccessUnit) -> bool:
        """Whether this picture can be decoded from what was admitted before."""
        self._sps = unit.of_kind(_SPS) or self._sps
        self._pps = unit.of_kind(_PPS) or self._pps
        if unit.is_idr and self.parameter_sets:
            self._open = True
        return self._open

    def close(self) -> None:
        """Something is missing from here on, or the source changes: wait for the next key frame."""
        self._open = False


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
        while (found := self._buffer.find(_START, search_from)) >= 0:
            yield from self._cut(found)
            del self._buffer[: found + len(_START)]
            self._begun, self._timestamp_ms, search_from = True, timestamp_ms, 0
        if not self._begun or len(self._buffer) > _LONGEST_NAL:
            self._begun = False
            del self._buffer[:-2]

    def flush(self) -> Iterator[tuple[bytes, int]]:
        yield from self._cut(len(self._buffer))
        self._buffer.clear()
        self._begun = False

    def _cut(self, end: int) -> Iterator[tuple[bytes, int]]:
        """The NAL unit before ``end``; zeros behind it belong to the next start code (Annex B.1)."""
        nal = bytes(self._buffer[:end]).rstrip(b"\0")
        if self._begun and nal and _kind(nal) in _KINDS and not nal[0] & _FORBIDDEN_BIT:
            yield nal, self._timestamp_ms


def _kind(nal: bytes) -> int:
    return nal[0] & 0x1F


def _is_slice(nal: bytes) -> bool:
    return _kind(nal) in _SLICES
