"""Sound: clips to PCM, made sound, the mix, and the codecs of RTMS (V1.md §4.2.1, §6.3)."""

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf

Pcm = npt.NDArray[np.int16]
"""Mono samples."""

L16, G711, G722, OPUS = 1, 2, 3, 4
RATE_HZ = {0: 8000, 1: 16000, 2: 32000, 3: 48000}
"""AUDIO_SAMPLE_RATE (V1.md §9.8)."""

STAMP_MS = 20
_STAMP_SAMPLES = 4


class Stamp(NamedTuple):
    """Who speaks in a piece of made sound, and when it began."""

    user_id: int
    at_ms: int


def read_pcm(path: Path, rate_hz: int) -> Pcm:
    """A sound file as mono PCM at ``rate_hz``."""
    samples, file_rate_hz = sf.read(path, dtype="int16", always_2d=True)
    mono = samples.mean(axis=1).astype(np.int16) if samples.shape[1] > 1 else samples[:, 0]
    return mono if file_rate_hz == rate_hz else resampled(mono, file_rate_hz, rate_hz)


def resampled(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """The same sound at another rate, exactly as long."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=to_hz)
    frames = [*resampler.resample(_frame(pcm, from_hz)), *resampler.resample(None)]
    out = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)
    return fitted(out, len(pcm) * to_hz // from_hz)


def fitted(pcm: Pcm, samples: int) -> Pcm:
    """Exactly ``samples`` of a sound: cut, or followed by silence."""
    return np.pad(pcm[:samples], (0, max(samples - len(pcm), 0)))


def stamped_pcm(user_id: int, start_ms: int, end_ms: int, rate_hz: int) -> Pcm:
    """Made sound: a tone of the speaker's own pitch, with who and when in every 20 ms of it.

    The first four samples of each block hold ``user_id`` and the block's number, each as two
    16-bit halves; `stamp_of` reads them back.
    """
    block = rate_hz * STAMP_MS // 1000
    blocks = math.ceil((end_ms - start_ms) / STAMP_MS)
    pitch_hz = 200 + 50 * (user_id // 1024 % 8)
    wave = np.sin(np.arange(block * blocks) * (2 * math.pi * pitch_hz / rate_hz)) * 6000
    pcm: Pcm = wave.astype(np.int16).reshape(blocks, block)
    numbers = np.arange(blocks, dtype=np.int64) + start_ms // STAMP_MS
    halves = np.stack(
        [np.full(blocks, user_id & 0xFFFF), np.full(blocks, user_id >> 16), numbers & 0xFFFF, numbers >> 16],
        axis=1,
    )
    pcm[:, :_STAMP_SAMPLES] = halves.astype(np.uint16).view(np.int16)
    samples: Pcm = pcm.reshape(-1)[: (end_ms - start_ms) * rate_hz // 1000]
    return samples


def stamp_of(payload: bytes) -> Stamp:
    """Who speaks in an L16 packet of made sound, and when (to 20 ms)."""
    halves = np.frombuffer(payload[: 2 * _STAMP_SAMPLES], np.uint16)
    low_id, high_id, low_number, high_number = halves.tolist()
    return Stamp(low_id | high_id << 16, (low_number | high_number << 16) * STAMP_MS)


def mixed(clips: Iterable[tuple[int, Pcm]], samples: int) -> Pcm:
    """The sum of clips that begin at the given samples."""
    total = np.zeros(samples, np.int32)
    for start, pcm in clips:
        total[start : start + len(pcm)] += pcm
    return total.clip(-32768, 32767).astype(np.int16)


def packets(pcm: Pcm, params: dict[str, Any]) -> list[bytes]:
    """The payloads of a sound, one for each ``send_rate`` ms of it; the last may be shorter."""
    rate_hz = RATE_HZ[params["sample_rate"]]
    send_rate_ms: int = params["send_rate"]
    match params["codec"]:
        case codec if codec == OPUS:
            step = rate_hz * send_rate_ms // 1000
            whole = fitted(pcm, math.ceil(len(pcm) / step) * step)
            return _encoded("libopus", whole, rate_hz, params["channel"])[: len(whole) // step]
        case codec if codec in _BYTE_CODECS:
            coded = b"".join(_encoded(_BYTE_CODECS[codec], pcm, rate_hz, 1))
            return _sliced(coded, 8 * send_rate_ms)  # both are 64 kbit/s
        case _:
            return _sliced(pcm.astype("<i2").tobytes(), rate_hz * send_rate_ms // 1000 * 2)


_BYTE_CODECS = {G711: "pcm_alaw", G722: "g722"}


def _sliced(data: bytes, step: int) -> list[bytes]:
    return [data[start : start + step] for start in range(0, len(data), step)]


def _encoded(name: str, pcm: Pcm, rate_hz: int, channels: int) -> list[bytes]:
    layout = "mono" if channels == 1 else "stereo"
    encoder = cast(av.AudioCodecContext, av.CodecContext.create(name, "w"))
    encoder.sample_rate, encoder.format, encoder.layout = rate_hz, av.AudioFormat("s16"), layout
    encoder.time_base = Fraction(1, rate_hz)
    encoder.open()
    step = encoder.frame_size or len(pcm)
    coded = []
    for start in range(0, len(pcm), max(step, 1)):
        frame = _frame(np.repeat(pcm[start : start + step], channels), rate_hz, layout)
        frame.pts = start
        coded += encoder.encode(frame)
    return [bytes(packet) for packet in (*coded, *encoder.encode(None))]


def _frame(pcm: Pcm, rate_hz: int, layout: str = "mono") -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout=layout)
    frame.sample_rate = rate_hz
    return frame
