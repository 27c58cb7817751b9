"""Sound: one WAV file per participant, and one of all together.

Every packet is written where its timestamp puts it (`timeline.Coverage`), so a silence is a hole in
a sparse file, a late packet needs no memory, and no track can drift from another. Files are opened
for a batch and closed after it, with a header that says what is there. A WAV header counts to
4 GiB: 37 h of 16 kHz sound, 6 h of Opus in stereo; beyond that it says 4 GiB, and the data go on.
"""

import shutil
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..model.frames import AudioFrame
from ..model.ids import path_safe
from .codecs import AudioDecodeError, Samples, decoder_for, sample_rate_of
from .folder import Folder, replacing
from .manifest import Artefact, Skipped
from .mixing import mixed
from .participants import Participants
from .timeline import JITTER_MS, Coverage, Timeline

HEADER_BYTES = 44
_LONGEST_BYTES = 2**32 - 1

Piece = tuple[int, Samples]
"""Samples and the absolute number of the first of them (`timeline`)."""


class WavFile:
    """A WAV file of 16-bit PCM that can be written anywhere from t0 on."""

    def __init__(self, path: Path, sample_rate: int, channels: int, t0_ms: int) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self.channels = channels
        self._t0_ms = t0_ms

    def write(self, pieces: Iterable[Piece], *, mix: bool = False) -> None:
        """Put each piece in its place, over what is there or, with ``mix``, together with it.

        Raises OSError; the file then still says how long it is.
        """
        t0 = self.samples_at(self._t0_ms)
        with self.path.open("r+b") as file:
            for position, samples in pieces:
                offset = HEADER_BYTES + (position - t0) * self._frame_bytes
                together = mixed(self._read(file, offset, samples), samples) if mix else samples
                file.seek(offset)
                file.write(together.astype("<i2", copy=False).tobytes())
            file.flush()
            self._write_header(file)

    def begin_at(self, t0_ms: int) -> None:
        """Put silence in front of everything if the recording's t0 has moved back.

        The file is replaced at once. That costs a copy of it, and happens when media overtake each
        other at the very start of a stream.
        """
        missing = (self.samples_at(self._t0_ms) - self.samples_at(t0_ms)) * self._frame_bytes
        if not missing:
            return
        with self.path.open("rb") as old, replacing(self.path) as new:
            old.seek(HEADER_BYTES)
            new.seek(HEADER_BYTES + missing)
            shutil.copyfileobj(old, new)
            self._write_header(new)
        self._t0_ms = t0_ms

    def samples_at(self, unix_ms: int) -> int:
        """The absolute number of the sample at a time."""
        return round(unix_ms * self.sample_rate / 1000)

    def close(self, t0_ms: int) -> None:
        """Make the file what it is to be for good; it holds no resource before or after."""
        self.begin_at(t0_ms)
        self.write([])

    @property
    def _frame_bytes(self) -> int:
        return 2 * self.channels

    def _read(self, file: BinaryIO, offset: int, like: Samples) -> Samples:
        """As many samples as ``like`` has; silence behind the end of the file."""
        file.seek(offset)
        data = file.read(like.nbytes)
        return np.frombuffer(data.ljust(like.nbytes, b"\0"), "<i2").reshape(like.shape)

    def _write_header(self, file: BinaryIO) -> None:
        data_bytes = max(file.seek(0, 2) - HEADER_BYTES, 0)
        file.seek(0)
        file.write(
            struct.pack(
                "<4sI4s4sIHHIIHH4sI",
                b"RIFF",
                min(data_bytes + HEADER_BYTES - 8, _LONGEST_BYTES),
                b"WAVE",
                b"fmt ",
                16,
                1,
                self.channels,
                self.sample_rate,
                self.sample_rate * self._frame_bytes,
                self._frame_bytes,
                16,
                b"data",
                min(data_bytes, _LONGEST_BYTES - HEADER_BYTES + 8),
            )
        )


class Voice:
    """The packets of one participant in one format, on their way into a file."""

    def __init__(self, wav: WavFile, first: AudioFrame) -> None:
        self.wav = wav
        self.speaker = first.speaker
        self.mixed_by_zoom = first.mixed
        self.coverage = Coverage()
        self._params = first.params
        self._decode = decoder_for(first.params)
        self._expected = 0

    def place(self, frame: AudioFrame, skipped: Skipped) -> list[Piece]:
        """Decode a packet and say where it goes: in one piece, unless something is there already."""
        jitter = self.wav.sample_rate * JITTER_MS // 1000
        nominal = self.wav.samples_at(frame.timestamp_ms)
        if abs(nominal - self._expected) >= jitter:
            self._decode = decoder_for(self._params)
        try:
            samples = self._decode(frame.payload)
        except AudioDecodeError:
            skipped.undecodable_audio += 1
            return []
        start = self.coverage.place(nominal, min(jitter, len(samples)))
        self._expected = start + len(samples)
        free = self.coverage.claim(start, self._expected) if len(samples) else []
        skipped.overlapping_samples += len(samples) - sum(b - a for a, b in free)
        return [(a, samples[a - start : b - start]) for a, b in free]


class Format(NamedTuple):
    """What cannot change inside a file."""

    stem: str
    mixed_by_zoom: bool
    codec: str
    sample_rate: int
    channels: int


class Audio:
    """All the sound of a stream. A change of format begins a new file, of voices as of the mix."""

    def __init__(self, folder: Folder, timeline: Timeline, skipped: Skipped) -> None:
        self._folder = folder
        self._timeline = timeline
        self._skipped = skipped
        self._voices: dict[Format, Voice] = {}
        self._mixes: dict[tuple[int, int], WavFile] = {}

    def write(self, frames: Iterable[AudioFrame]) -> None:
        """Put the sound of a batch into its files. Blocks; raises OSError."""
        for wav in self.files():
            wav.begin_at(self._timeline.t0_ms)
        by_format: defaultdict[Format, list[AudioFrame]] = defaultdict(list)
        for frame in frames:
            if not frame.payload:
                self._skipped.empty_payloads += 1
            elif not self._timeline.holds(frame.timestamp_ms):
                self._skipped.impossible_timestamps += 1
            else:
                by_format[_format_of(frame)].append(frame)
        for audio_format, packets in by_format.items():
            self._write_voice(audio_format, packets)

    def files(self) -> list[WavFile]:
        """All files, to be closed one by one, so that one failure does not touch the others."""
        return [*(voice.wav for voice in self._voices.values()), *self._mixes.values()]

    def artefacts(self, participants: Participants) -> list[Artefact]:
        """The files, described. Blocks; raises OSError."""
        return [self._describe(voice, participants) for voice in self._voices.values()] + [
            Artefact.of(
                self._folder, mix.path, "audio_mix", sample_rate=mix.sample_rate, channels=mix.channels
            )
            for mix in self._mixes.values()
        ]

    def _write_voice(self, audio_format: Format, packets: Sequence[AudioFrame]) -> None:
        voice = self._voices.get(audio_format) or self._new_voice(audio_format, packets[0])
        pieces = [piece for packet in packets for piece in voice.place(packet, self._skipped)]
        voice.wav.write(pieces)
        if not voice.mixed_by_zoom:
            self._mix(audio_format).write(pieces, mix=True)

    def _new_voice(self, audio_format: Format, first: AudioFrame) -> Voice:
        wav = self._new_file(audio_format.stem, audio_format.sample_rate, audio_format.channels)
        voice = self._voices[audio_format] = Voice(wav, first)
        return voice

    def _mix(self, audio_format: Format) -> WavFile:
        key = (audio_format.sample_rate, audio_format.channels)
        if key not in self._mixes:
            self._mixes[key] = self._new_file("mixed", *key)
        return self._mixes[key]

    def _new_file(self, stem: str, sample_rate: int, channels: int) -> WavFile:
        path = self._folder.claim(f"audio/{stem}", ".wav")
        return WavFile(path, sample_rate, channels, self._timeline.t0_ms)

    def _describe(self, voice: Voice, participants: Participants) -> Artefact:
        wav, speaker = voice.wav, voice.speaker
        details: dict[str, Any] = {}
        if not voice.mixed_by_zoom:
            details = {
                "user_id": speaker.user_id,
                "name": participants.name_of(speaker),
                "channel_id": speaker.channel_id,
            }
        if voice.coverage.span:
            first, behind = voice.coverage.span
            details["start_ms"] = first * 1000 // wav.sample_rate
            details["end_ms"] = behind * 1000 // wav.sample_rate
        return Artefact.of(
            self._folder,
            wav.path,
            "audio_mix" if voice.mixed_by_zoom else "audio",
            sample_rate=wav.sample_rate,
            channels=wav.channels,
            samples=len(voice.coverage),
            **details,
        )


def _format_of(frame: AudioFrame) -> Format:
    speaker, params = frame.speaker, frame.params
    stem = path_safe(speaker.channel_id) if speaker.channel_id else str(speaker.user_id)
    return Format(
        "mixed" if frame.mixed else stem, frame.mixed, params.codec, sample_rate_of(params), params.channels
    )
