"""Sound: one WAV file per participant, and one of all together.

Every packet is written where its timestamp puts it (`timeline.Coverage`), so a silence is a hole in
a sparse file, a late packet needs no memory, and no track can drift from another. Files are opened
for a batch and closed after it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..model.frames import AudioFrame, Speaker
from ..model.ids import path_safe
from .codecs import AudioDecodeError, decoder_for, sample_rate_of
from .folder import Folder
from .label import Label
from .manifest import Artefact, Skipped
from .participants import Participants
from .timeline import JITTER_MS, Coverage, Timeline
from .wav import Piece, WavFile


class Voice:
    """The packets of one participant in one format, on their way into a file."""

    def __init__(self, wav: WavFile, first: AudioFrame, not_before: int) -> None:
        """``not_before``: where the sound ends that an earlier engine has written of this voice."""
        self.wav = wav
        self.coverage = Coverage()
        self._not_before = not_before
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
        wanted = max(start, self._not_before)
        free = self.coverage.claim(wanted, self._expected) if wanted < self._expected else []
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
    """All the sound of a stream. A change of format begins a new file, of voices as of the mix.

    Files that are in the folder already are part of it, and are written no more.

    Args:
        listed: what an earlier manifest says of them.
    """

    def __init__(
        self, folder: Folder, timeline: Timeline, skipped: Skipped, listed: Iterable[Artefact]
    ) -> None:
        self._folder = folder
        self._timeline = timeline
        self._skipped = skipped
        self._listed = {artefact.path: artefact for artefact in listed}
        self._earlier = [wav for path in folder.files("audio", ".wav") if (wav := WavFile.read(path))]
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
        return [*self._earlier, *(voice.wav for voice in self._voices.values()), *self._mixes.values()]

    @property
    def newest_ms(self) -> int | None:
        """Unix milliseconds at which the sound in the folder ends; None if there is none."""
        return max((wav.end_ms for wav in self.files()), default=None)

    def speakers(self) -> list[Speaker]:
        """Whose voices the files hold."""
        return [_speaker_of(wav.label) for wav in self.files() if wav.label.kind == "audio"]

    def artefacts(self, participants: Participants) -> list[Artefact]:
        """The files, described. Blocks; raises OSError."""
        return [
            *(self._describe(wav, participants, self._span_of(wav)) for wav in self._earlier),
            *(self._describe(v.wav, participants, _span(v)) for v in self._voices.values()),
            *(self._describe(mix, participants, {}) for mix in self._mixes.values()),
        ]

    def _write_voice(self, audio_format: Format, packets: Sequence[AudioFrame]) -> None:
        voice = self._voices.get(audio_format) or self._new_voice(audio_format, packets[0])
        pieces = [piece for packet in packets for piece in voice.place(packet, self._skipped)]
        voice.wav.write(pieces)
        if not audio_format.mixed_by_zoom:
            self._mix(audio_format).write(pieces, mix=True)

    def _new_voice(self, audio_format: Format, first: AudioFrame) -> Voice:
        label = Label(self._timeline.t0_ms, "audio_mix")
        if not first.mixed:
            speaker = first.speaker
            label = Label(self._timeline.t0_ms, "audio", speaker.user_id, speaker.name, speaker.channel_id)
        wav = self._new_file(audio_format.stem, label, audio_format.sample_rate, audio_format.channels)
        earlier = [known.end_ms for known in self._earlier if known.label.whose == label.whose]
        not_before = wav.samples_at(max(earlier, default=0))
        voice = self._voices[audio_format] = Voice(wav, first, not_before)
        return voice

    def _mix(self, audio_format: Format) -> WavFile:
        key = (audio_format.sample_rate, audio_format.channels)
        if key not in self._mixes:
            self._mixes[key] = self._new_file("mixed", Label(self._timeline.t0_ms, "audio_mix"), *key)
        return self._mixes[key]

    def _new_file(self, stem: str, label: Label, sample_rate: int, channels: int) -> WavFile:
        return WavFile.create(self._folder.claim(f"audio/{stem}", ".wav"), label, sample_rate, channels)

    def _describe(self, wav: WavFile, participants: Participants, span: Mapping[str, Any]) -> Artefact:
        return Artefact.of(
            self._folder,
            wav.path,
            wav.label,
            name=participants.name_of(_speaker_of(wav.label)),
            sample_rate=wav.sample_rate,
            channels=wav.channels,
            **span,
        )

    def _span_of(self, wav: WavFile) -> dict[str, Any]:
        """Of a file of an earlier process, which may have had no time to say."""
        if listed := self._listed.get(self._folder.relative(wav.path)):
            return {"start_ms": listed.start_ms, "end_ms": listed.end_ms, "samples": listed.samples}
        return {"start_ms": wav.first_sound_ms(), "end_ms": wav.end_ms}


def _speaker_of(label: Label) -> Speaker:
    """Whose voice a file holds."""
    return Speaker(label.user_id or 0, label.name, channel_id=label.channel_id)


def _span(voice: Voice) -> dict[str, Any]:
    if not voice.coverage.span:
        return {}
    start_ms, end_ms = map(voice.wav.milliseconds_at, voice.coverage.span)
    return {"start_ms": start_ms, "end_ms": end_ms, "samples": len(voice.coverage)}


def _format_of(frame: AudioFrame) -> Format:
    speaker, params = frame.speaker, frame.params
    stem = path_safe(speaker.channel_id) if speaker.channel_id else str(speaker.user_id)
    return Format(
        "mixed" if frame.mixed else stem, frame.mixed, params.codec, sample_rate_of(params), params.channels
    )
