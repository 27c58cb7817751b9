"""Sound and pictures of ours in the place of a meeting's, of the same size."""

from fractions import Fraction
from io import BytesIO
from typing import Any

from ..model.media import AudioParams

_START = b"\0\0\1"
_SLICE, _IDR, _FILLER = 1, 5, 12
_LONGEST_GOP = 5_000
_DEFAULT_SIZE = (640, 360)
_GREY = 128
_LARGEST_SIDE = 8192
_SILENT_ALAW = b"\xd5"
_SILENT_G722 = b"\xfa"
_COMMENT_BYTES = 65_535


# --- sound ---


def sound(payload: bytes, params: AudioParams, timestamp_ms: int, voice: int) -> bytes:
    """A tone of the same length; where a codec would have to encode it, silence.

    Args:
        payload: one packet.
        params: what it is.
        timestamp_ms: where the tone is in its wave.
        voice: whose it is; each has a pitch of its own.
    """
    match params.codec:
        case "l16":
            return _tone(len(payload), params, timestamp_ms, voice)
        case "g711":
            return _SILENT_ALAW * len(payload)
        case "g722":
            return _SILENT_G722 * len(payload)
        case "opus":
            return _silent_opus(payload)


def _tone(size: int, params: AudioParams, timestamp_ms: int, voice: int) -> bytes:
    import numpy as np

    samples = size // 2 // params.channels
    first = timestamp_ms * params.sample_rate // 1000
    hertz = 220 + 55 * (voice % 12)
    turns = (first + np.arange(samples, dtype=np.int64)) * hertz % params.sample_rate / params.sample_rate
    wave = (np.sin(2 * np.pi * turns) * 3_000).astype("<i2")
    return np.repeat(wave, params.channels).tobytes().ljust(size, b"\0")


def _silent_opus(payload: bytes) -> bytes:
    """A packet of as many frames of nothing, padded to its length (RFC 6716 §3.2.5)."""
    if not payload:
        return b""
    toc, size = payload[0], len(payload)
    counts = {0: 1, 1: 2, 2: 2, 3: payload[1] & 0x3F if size > 1 else 1}
    if size == 1:
        return bytes([toc & 0xFC])
    frames = max(counts[toc & 3], 1)
    if size == 2:  # noqa: PLR2004 - the head alone
        return bytes([toc | 3, frames])
    rest = size - 2
    coded = 1
    while not 254 * (coded - 1) <= rest - coded <= 254 * coded:
        coded += 1
    padding = rest - coded
    lengths = b"\xff" * (coded - 1) + bytes([padding - 254 * (coded - 1)])
    return bytes([toc | 3, 0x40 | frames]) + lengths + bytes(padding)


# --- pictures ---


class GreyPictures:
    """The pictures of one participant on one leg."""

    def __init__(self, cache: "GreyCache") -> None:
        self._cache = cache
        self._size = _DEFAULT_SIZE
        self._in_gop: int | None = None

    def of(self, payload: bytes) -> bytes:
        """A grey picture of the same format, dimensions and number of bytes, if ours are not longer."""
        if payload.startswith(b"\xff\xd8"):
            return self._cache.image("mjpeg", self._cache.size_of(payload), len(payload))
        if payload.startswith(b"\x89PNG"):
            return self._cache.image("png", self._cache.size_of(payload), len(payload))
        kinds = _nal_kinds(payload)
        if not kinds:
            return bytes(len(payload))
        pictures = b""
        for is_key in _pictures_in(payload):
            if is_key:
                self._size = self._cache.size_of_h264(payload) or self._size
                self._in_gop = 0
            elif self._in_gop is None:
                continue  # what Zoom sent before a key frame cannot be shown either
            else:
                self._in_gop = (self._in_gop + 1) % _LONGEST_GOP
            pictures += self._cache.h264(self._size, self._in_gop)
        return pictures + _filler(len(payload) - len(pictures))


def _nal_kinds(payload: bytes) -> list[tuple[int, int]]:
    """Each NAL unit's ``nal_unit_type``, and where its header is."""
    found = []
    at = payload.find(_START)
    while 0 <= at < len(payload) - 3:
        found.append((payload[at + 3] & 0x1F, at + 3))
        at = payload.find(_START, at + 3)
    return found


def _pictures_in(payload: bytes) -> list[bool]:
    """Whether each picture that begins in it is a key frame: its first slice's first macroblock is 0."""
    return [
        kind == _IDR
        for kind, at in _nal_kinds(payload)
        if kind in (_SLICE, _IDR) and at + 1 < len(payload) and payload[at + 1] & 0x80
    ]


def _filler(size: int) -> bytes:
    """A NAL unit that decoders skip (H.264 §7.3.2.7)."""
    if size < 6:  # noqa: PLR2004 - start code, header, end
        return bytes(max(size, 0))
    return b"\0" + _START + bytes([_FILLER]) + b"\xff" * (size - 6) + b"\x80"


class GreyCache:
    """Grey pictures by format and dimensions; a static picture costs a few bytes for each repetition."""

    def __init__(self) -> None:
        self._gops: dict[tuple[int, int], tuple[Any, list[bytes]]] = {}
        self._images: dict[tuple[str, tuple[int, int]], bytes] = {}

    def h264(self, size: tuple[int, int], number: int) -> bytes:
        """The access unit with this number in an endless series that begins with a key frame."""
        if size not in self._gops:
            self._gops[size] = (_encoder("libx264", size, "yuv420p"), [])
        encoder, units = self._gops[size]
        while len(units) <= number:
            frame = _grey(size, "yuv420p")
            frame.pts = len(units)
            units.append(b"".join(map(bytes, encoder.encode(frame))))
        return units[number]

    def image(self, codec: str, size: tuple[int, int], length: int) -> bytes:
        """A picture file, padded to ``length`` bytes."""
        if (codec, size) not in self._images:
            pixels = "yuvj420p" if codec == "mjpeg" else "rgb24"
            encoder = _encoder(codec, size, pixels)
            packets = [*encoder.encode(_grey(size, pixels)), *encoder.encode(None)]
            self._images[codec, size] = b"".join(map(bytes, packets))
        picture = self._images[codec, size]
        pad = _padded_jpeg if codec == "mjpeg" else _padded_png
        return pad(picture, length - len(picture))

    @staticmethod
    def size_of(payload: bytes) -> tuple[int, int]:
        """Width and height of a picture file."""
        import av

        try:
            with av.open(BytesIO(payload), mode="r") as image:
                stream = image.streams.video[0]
                return _sane(stream.width, stream.height) or _DEFAULT_SIZE
        except (av.FFmpegError, IndexError, ValueError):
            return _DEFAULT_SIZE

    @staticmethod
    def size_of_h264(payload: bytes) -> tuple[int, int] | None:
        """Width and height of a key frame; None if it does not decode."""
        import av

        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        try:
            decoder.decode(av.Packet(payload))
            decoder.decode(None)
        except av.FFmpegError:
            return None
        return _sane(decoder.width, decoder.height)


def _sane(width: int, height: int) -> tuple[int, int] | None:
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        return None
    return max(width // 2 * 2, 2), max(height // 2 * 2, 2)


def _encoder(codec: str, size: tuple[int, int], pixels: str) -> Any:
    import av

    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = pixels, Fraction(1, 25), 1
    if codec == "libx264":
        x264 = "keyint=infinite:scenecut=0:repeat-headers=1:aud=1:bframes=0"
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": x264}
    return encoder


def _grey(size: tuple[int, int], pixels: str) -> Any:
    import av
    import numpy as np

    grey = np.full((size[1], size[0], 3), _GREY, np.uint8)
    frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
    return frame if pixels == "rgb24" else frame.reformat(format=pixels)


def _padded_jpeg(picture: bytes, missing: int) -> bytes:
    """With comments behind its first marker; one has at least four bytes."""
    comments = b""
    while missing >= 4:  # noqa: PLR2004
        size = min(missing - 2, _COMMENT_BYTES)
        if 0 < missing - 2 - size < 4:  # noqa: PLR2004 - else the last one would not fit
            size -= 4
        comments += b"\xff\xfe" + size.to_bytes(2, "big") + bytes(size - 2)
        missing -= size + 2
    return picture[:2] + comments + picture[2:]


def _padded_png(picture: bytes, missing: int) -> bytes:
    """With a private chunk in front of its last one; a chunk has at least twelve bytes."""
    import zlib

    if missing < 12:  # noqa: PLR2004
        return picture
    body = b"paDd" + bytes(missing - 12)
    chunk = (missing - 12).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return picture[:-12] + chunk + picture[-12:]
