"""What a command of the `exec` sink is fed with: frames in, bytes out as time passes. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from ..model.frames import AudioFrame, Frame, VideoFrame
from ..recording.h264 import AccessUnits, BadAccessUnitError, KeyFrameGate, annex_b
from .playout import Playout
from .sound import VoiceDecoder


class Source(Protocol):
    """Between the frames and one command."""

    def take(self, frame: Frame, now: float) -> None:
        """A frame came."""

    def due(self, now: float) -> Iterator[bytes]:
        """What is to be written by now."""

    def rest(self) -> Iterator[bytes]:
        """What is left at the end."""

    def restart(self) -> None:
        """Another process reads from here on."""

    @property
    def waiting_bytes(self) -> int:
        """How much waits that cannot be made again."""


class Sound:
    """PCM, 16-bit little-endian, one channel: of one voice, or of all that are given, mixed.

    Args:
        sample_rate: Hertz.
        delay_ms: how long to wait for late packets.
        silence: go on while nothing comes, so that time is true. Else one packet follows the other.
    """

    def __init__(self, sample_rate: int, delay_ms: int, *, silence: bool) -> None:
        self._rate = sample_rate
        self._playout = Playout(sample_rate, delay_ms)
        self._silence = silence
        self._decoders: dict[int, VoiceDecoder] = {}
        self._packets: list[bytes] = []

    def take(self, frame: Frame, now: float) -> None:
        """A packet came."""
        assert isinstance(frame, AudioFrame)  # noqa: S101 - nothing else is given
        voice = 0 if frame.mixed else frame.speaker.user_id
        known = voice in self._decoders and (
            not self._silence or self._playout.follows(voice, frame.timestamp_ms)
        )
        if not known:
            self._decoders[voice] = VoiceDecoder(frame.params, self._rate)
        samples = self._decoders[voice].samples(frame.payload)
        if self._silence:
            self._playout.place(voice, frame.timestamp_ms, samples, now)
        else:
            self._packets.append(samples.astype("<i2").tobytes())

    def due(self, now: float) -> Iterator[bytes]:
        """The sound that is due."""
        packets, self._packets = self._packets, []
        yield from packets
        for piece in self._playout.take(now):
            yield piece.astype("<i2").tobytes()

    def rest(self) -> Iterator[bytes]:
        """The sound that waited for late packets."""
        packets, self._packets = self._packets, []
        yield from packets
        for piece in self._playout.rest():
            yield piece.astype("<i2").tobytes()

    def restart(self) -> None:
        """PCM can be read from anywhere."""

    @property
    def waiting_bytes(self) -> int:
        """The sound that was not handed out."""
        return sum(map(len, self._packets)) + self._playout.waiting_bytes


class Video:
    """H.264 in Annex B, from a key frame on."""

    def __init__(self) -> None:
        self._units = AccessUnits()
        self._gate = KeyFrameGate()
        self._begins = True
        self._ready: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.bad_units = 0

    def take(self, frame: Frame, now: float) -> None:
        """A message came; a picture is complete when the next one begins."""
        assert isinstance(frame, VideoFrame)  # noqa: S101 - nothing else is given
        for unit in self._units.feed(frame.payload, frame.timestamp_ms):
            try:
                admitted = self._gate.admits(unit)
            except BadAccessUnitError:
                self.bad_units += 1
                self._begins = True
                continue
            if admitted:
                self._add(unit.nals)

    def _add(self, nals: tuple[bytes, ...]) -> None:
        if self._begins and (sets := self._gate.parameter_sets):
            nals = (*(sps.nal for sps in sets.sps), *(pps.nal for pps in sets.pps), *nals)
        self._begins = False
        data = annex_b(nals)
        self._ready.append(data)
        self._waiting_bytes += len(data)

    def due(self, now: float) -> Iterator[bytes]:
        """The pictures that are complete."""
        while self._ready:
            data = self._ready.popleft()
            self._waiting_bytes -= len(data)
            yield data

    def rest(self) -> Iterator[bytes]:
        """The last picture too."""
        yield from self.due(0.0)
        for unit in self._units.flush():
            try:
                if self._gate.admits(unit):
                    yield annex_b(unit.nals)
            except BadAccessUnitError:
                self.bad_units += 1

    def restart(self) -> None:
        """Wait for a key frame."""
        self._ready.clear()
        self._waiting_bytes = 0
        self._gate.close()
        self._begins = True

    @property
    def waiting_bytes(self) -> int:
        """The pictures that were not handed out."""
        return self._waiting_bytes
