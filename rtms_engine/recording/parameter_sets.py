"""H.264 parameter sets (ITU-T H.264 §7.3.2): what MP4 wants to know of them, and no more. Pure.

They come from outside, and the engine lives on after those that make no sense. So they are read here,
within the bounds of the highest level, and not by a decoder.
"""

import functools

import msgspec

LONGEST_SET = 4096
"""Bytes of one set; real ones have some dozens."""
_LARGEST_PICTURE = 139_264
"""Macroblocks: the most that any level allows (H.264 table A-1)."""
_LONGEST_SIDE = 1_055
"""Macroblocks: the root of eight times that (H.264 §A.3.1)."""
_HEADER_BYTES = 24
"""Enough for the first three fields of any slice."""
_WITH_CHROMA_FORMAT = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244}
"""Profiles whose SPS says more of the samples (H.264 §7.3.2.1.1)."""
_PROFILES_OF_AVCC = {100, 110, 122, 144}
"""Profiles of which the configuration record repeats that (ISO/IEC 14496-15 §5.3.3.1.2)."""
_LISTS, _LISTS_444 = 8, 12
_SMALL_LISTS = 6
_MONOCHROME, _YUV420, _YUV444 = 0, 1, 3


class BadSyntaxError(ValueError):
    """A NAL unit that no decoder understands."""


class Bits:
    """The payload of a NAL unit, bit by bit; all methods raise BadSyntaxError behind its end."""

    def __init__(self, nal: bytes) -> None:
        payload = nal[1:].replace(b"\0\0\3", b"\0\0")  # emulation prevention, H.264 §7.4.1
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def u(self, bits: int) -> int:
        """An unsigned number of so many bits."""
        self._left -= bits
        if self._left < 0:
            raise BadSyntaxError("it ends too early")
        return self._value >> self._left & (1 << bits) - 1

    def ue(self, most: int = 2**32 - 2) -> int:
        """An Exp-Golomb number (H.264 §9.1), which must not be larger than ``most``."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        value = (1 << zeros) - 1 + self.u(zeros)
        if value > most:
            raise BadSyntaxError(f"{value} where {most} is the largest")
        return value

    def se(self) -> int:
        """A signed Exp-Golomb number (H.264 §9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


class Sps(msgspec.Struct, frozen=True):
    """A sequence parameter set."""

    nal: bytes
    id: int
    width: int
    """Pixels that are shown."""
    height: int
    profile: int
    chroma_format: int
    luma_bits: int
    chroma_bits: int


class Pps(msgspec.Struct, frozen=True):
    """A picture parameter set."""

    nal: bytes
    id: int
    sps_id: int


@functools.lru_cache(maxsize=64)
def read_sps(nal: bytes) -> Sps:
    """Raises BadSyntaxError."""
    if len(nal) > LONGEST_SET:
        raise BadSyntaxError(f"a parameter set of {len(nal)} bytes")
    bits = Bits(nal)
    profile, _, _ = bits.u(8), bits.u(8), bits.u(8)
    sps_id = bits.ue(31)
    chroma_format, luma_bits, chroma_bits, separate_planes = _YUV420, 8, 8, 0
    if profile in _WITH_CHROMA_FORMAT:
        chroma_format = bits.ue(3)
        separate_planes = bits.u(1) if chroma_format == _YUV444 else 0
        luma_bits, chroma_bits = 8 + bits.ue(6), 8 + bits.ue(6)
        bits.u(1)
        if bits.u(1):
            for number in range(_LISTS if chroma_format != _YUV444 else _LISTS_444):
                _pass_scaling_list(bits, 16 if number < _SMALL_LISTS else 64)
    bits.ue(12)
    _pass_picture_order(bits)
    bits.ue(16)
    bits.u(1)
    wide, high = bits.ue(_LONGEST_SIDE - 1) + 1, bits.ue(_LONGEST_SIDE - 1) + 1
    fields = 1 if bits.u(1) else 2
    high *= fields
    if fields == 2:  # noqa: PLR2004 - a frame has two
        bits.u(1)
    bits.u(1)
    if high > _LONGEST_SIDE or wide * high > _LARGEST_PICTURE:
        raise BadSyntaxError(f"a picture of {16 * wide} x {16 * high}")
    left, right, top, bottom = (bits.ue(16 * _LONGEST_SIDE) for _ in range(4)) if bits.u(1) else (0,) * 4
    planar = chroma_format == _MONOCHROME or separate_planes
    unit_x = 1 if planar or chroma_format == _YUV444 else 2
    unit_y = fields * (2 if chroma_format == _YUV420 else 1)
    width, height = 16 * wide - unit_x * (left + right), 16 * high - unit_y * (top + bottom)
    if width <= 0 or height <= 0:
        raise BadSyntaxError("nothing of the picture is shown")
    return Sps(nal, sps_id, width, height, profile, chroma_format, luma_bits, chroma_bits)


@functools.lru_cache(maxsize=64)
def read_pps(nal: bytes) -> Pps:
    """Raises BadSyntaxError."""
    if len(nal) > LONGEST_SET:
        raise BadSyntaxError(f"a parameter set of {len(nal)} bytes")
    bits = Bits(nal)
    return Pps(nal, bits.ue(255), bits.ue(31))


def first_macroblock(slice_nal: bytes) -> int:
    """Where in the picture a slice begins. Raises BadSyntaxError."""
    return Bits(slice_nal[:_HEADER_BYTES]).ue(_LARGEST_PICTURE)


def pps_id_of(slice_nal: bytes) -> int:
    """Which picture parameter set a slice wants. Raises BadSyntaxError."""
    bits = Bits(slice_nal[:_HEADER_BYTES])
    bits.ue(_LARGEST_PICTURE)
    bits.ue(9)
    return bits.ue(255)


def configuration(sets: "ParameterSets") -> bytes:
    """The AVCDecoderConfigurationRecord of MP4 (ISO/IEC 14496-15 §5.3.3.1), NAL lengths of 4 bytes."""
    active = sets.active
    record = bytearray([1, *active.nal[1:4], 0xFC | 3, 0xE0 | len(sets.sps)])
    for sps in sets.sps:
        record += len(sps.nal).to_bytes(2, "big") + sps.nal
    record.append(len(sets.pps))
    for pps in sets.pps:
        record += len(pps.nal).to_bytes(2, "big") + pps.nal
    if active.profile in _PROFILES_OF_AVCC:
        record += bytes(
            [0xFC | active.chroma_format, 0xF8 | active.luma_bits - 8, 0xF8 | active.chroma_bits - 8, 0]
        )
    return bytes(record)


def sets_in(record: bytes) -> list[bytes]:
    """The NAL units in an AVCDecoderConfigurationRecord. Raises BadSyntaxError."""
    nals, at = [], 5
    try:
        for mask in (0x1F, 0xFF):
            count, at = record[at] & mask, at + 1
            for _ in range(count):
                end = at + 2 + int.from_bytes(record[at : at + 2], "big")
                nals.append(record[at + 2 : end])
                at = end
    except IndexError as error:
        raise BadSyntaxError("it ends too early") from error
    return nals


class ParameterSets(msgspec.Struct, frozen=True):
    """All that a stream of pictures needs to be decoded."""

    active: Sps
    """The one that the picture at hand uses."""
    sps: tuple[Sps, ...]
    pps: tuple[Pps, ...]


def _pass_scaling_list(bits: Bits, size: int) -> None:
    """H.264 §7.3.2.1.1.1."""
    if not bits.u(1):
        return
    scale = 8
    for _ in range(size):
        scale = (scale + bits.se()) % 256
        if scale == 0:
            return


def _pass_picture_order(bits: Bits) -> None:
    kind = bits.ue(2)
    if kind == 0:
        bits.ue(12)
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue(255)):
            bits.se()
