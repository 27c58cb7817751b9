"""Sound: one file per participant, and one of all together.

Every packet is written where its timestamp puts it (`timeline.Coverage`), so a silence is a hole in
a sparse file, a late packet needs no memory, and no track can drift from another. A file stays open
from batch to batch while its voice is heard. While the stream runs they are WAV files, which are whole
at any moment; other formats are made of them at the end (`encoding`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..model.frames import AudioFrame, Speaker
from ..model.ids import path_safe
from ..model.media import AudioParams
from .codecs import AudioDecodeError, decoder_for, sample_rate_of
from .drift import SampleDrift
from .encoding import ENCODED, Sound, Span, finish
from .folder import Folder
from .label import Label
from .manifest import Artefact, Skipped
from .mixing import Mix, Stretch
from .participants import Participants
from .timeline import JITTER_MS, Coverage, Timeline
from .wav import Piece, WavFile

_CLEAR = 4
"""How many packets are missing is clear if stamps are off by less than this part of one."""
_MOST_BRIDGED = 25
"""Packets that may be missing in a row where clocks are compared across them."""


class Voice:
    """The packets of one participant in one format, on their way into a file."""

    def __init__(self, wav: WavFile, first: AudioFrame, not_before: int) -> None:
        """``not_before``: where the sound ends that an earlier engine has written of this voice."""
        self.wav = wav
        self.reach: Stretch = (0, 0)
        self.drift = SampleDrift()
        self._per_ms = wav.sample_rate // 1000
        self.coverage = Coverage(self._per_ms, not_before)
        self._params = first.params
        self._decode = decoder_for(first.params)
        self._expected = 0
        self._bridged = 0
        """How much further ahead the samples would be, had no packet been lost in this stretch."""

    def place(self, packets: Sequence[AudioFrame], skipped: Skipped) -> list[Piece]:
        """Decode packets and say where they go. Those that follow each other are one piece, unless
        something is there already.
        """
        per_ms, frame_bytes, decode = self._per_ms, self.wav.frame_bytes, self._decode
        jitter = near = JITTER_MS * per_ms
        pieces: list[Piece] = []
        run: list[bytes] = []
        ahead: list[int] = []
        start = expected = self._expected
        for packet in packets:
            nominal = packet.timestamp_ms * per_ms
            off = expected - nominal
            if not -jitter < off < jitter:
                decode = self._decode = decoder_for(self._params)
            try:
                data = decode(packet.payload)
            except AudioDecodeError:
                skipped.undecodable_audio += 1
                continue
            samples = len(data) // frame_bytes
            if not samples:
                skipped.undecodable_audio += 1
                continue
            near = samples if samples < jitter else jitter  # noqa: FURB136 - a call for every packet
            if not run or not -near < off < near:
                self._finish(pieces, run, start, skipped)
                run = []
                start = self.coverage.place(nominal, near)
                if start != expected:
                    self._measure(expected, ahead)
                    ahead = []
                    self._bridge(expected - nominal, start - nominal, samples)
                    expected = start
                    off = expected - nominal
            run.append(data)
            ahead.append(off + self._bridged)
            expected += samples
        self._finish(pieces, run, start, skipped)
        self._measure(expected, ahead)
        self._expected = expected
        self.reach = self.coverage.span or (0, 0)
        return pieces

    def _finish(self, pieces: list[Piece], run: list[bytes], start: int, skipped: Skipped) -> None:
        """Claim the place of a run, and cut off what is there already."""
        if not run:
            return
        data = run[0] if len(run) == 1 else b"".join(run)
        frame_bytes = self.wav.frame_bytes
        stop = start + len(data) // frame_bytes
        free = self.coverage.claim(start, stop)
        if free == [(start, stop)]:
            pieces.append((start, data))
            return
        skipped.overlapping_samples += stop - start - sum(b - a for a, b in free)
        pieces += [(a, data[(a - start) * frame_bytes : (b - start) * frame_bytes]) for a, b in free]

    def _bridge(self, ahead: int, placed: int, samples: int) -> None:
        """Packets are missing. Where it is clear how many, clocks can be compared across the gap.

        Args:
            ahead: of its stamp is the packet behind the gap, if nothing is missing; in samples, below 0.
            placed: how far ahead of its stamp it was put.
            samples: in a packet.
        """
        lost = round(-ahead / samples)
        unclear = abs(ahead + lost * samples) > samples // _CLEAR
        if unclear or not 0 < lost <= _MOST_BRIDGED:
            self.drift.seam()
            self._bridged = 0
        else:
            self._bridged += ahead + lost * samples - placed

    def _measure(self, expected: int, ahead: list[int]) -> None:
        """Take notice of how far packets that follow each other are ahead of their stamps, in samples."""
        if ahead:
            typical = sorted(ahead)[len(ahead) // 2]
            self.drift.note(expected / self._per_ms, typical / self._per_ms)


class _Finished(NamedTuple):
    """What became of a WAV file."""

    path: Path
    offset_ms: int
    """How long after t0 it begins."""
    known: dict[str, Any]
    """What was known of the WAV file."""


class Format(NamedTuple):
    """What cannot change inside a file."""

    stem: str
    mixed_by_zoom: bool
    codec: str
    sample_rate: int
    channels: int


class Audio:
    """All the sound of a stream. A voice whose format changes begins a new file; the mix goes on.

    Files that are in the folder already are part of it, and are written no more.

    Args:
        asked: the format of the mix: what Zoom was asked for.
        listed: what an earlier manifest says of the files in the folder.
    """

    def __init__(
        self,
        folder: Folder,
        timeline: Timeline,
        skipped: Skipped,
        asked: AudioParams,
        listed: Iterable[Artefact],
    ) -> None:
        self._folder = folder
        self._timeline = timeline
        self._skipped = skipped
        self._asked = asked
        self._listed = {artefact.path: artefact for artefact in listed}
        self._encoded = [
            artefact
            for path, artefact in self._listed.items()
            if path.endswith(ENCODED) and (folder.path / path).exists()
        ]
        """What an earlier engine finished, and let go on after all."""
        self._finished: dict[Path, _Finished] = {}
        """What became of the WAV files."""
        self._earlier = [wav for path in folder.files("audio", ".wav") if (wav := WavFile.read(path))]
        self._voices: dict[Format, Voice] = {}
        self._known: dict[tuple[Any, ...], Format] = {}
        """The formats of frames that look alike."""
        self._tracks: list[Voice] = []
        """The voices that are mixed here."""
        self._mix: Mix | None = None
        self._t0_ms: int | None = None
        """Where the files begin; None if that is for the first batch to see."""
        self._awake: set[WavFile] = set()
        """What the last batch was written into."""

    def write(self, frames: Iterable[AudioFrame]) -> list[AudioFrame]:
        """Put the sound of a batch into its files, and return a frame of every voice in it.

        Blocks; raises OSError.
        """
        if self._t0_ms != self._timeline.t0_ms:
            for wav in self.files():
                wav.begin_at(self._timeline.t0_ms)
            self._t0_ms = self._timeline.t0_ms
        earliest_ms, latest_ms = self._timeline.possible_ms
        by_voice: dict[tuple[Any, ...], list[AudioFrame]] = {}
        for frame in frames:
            if not frame.payload:
                self._skipped.empty_payloads += 1
            elif not earliest_ms <= frame.timestamp_ms <= latest_ms:
                self._skipped.impossible_timestamps += 1
            else:
                speaker = frame.speaker
                alike = (speaker.user_id, speaker.channel_id, frame.mixed, frame.params)
                by_voice.setdefault(alike, []).append(frame)
        changed: list[tuple[Voice, list[Piece]]] = []
        before, self._awake = self._awake, set()
        try:
            for alike, packets in by_voice.items():
                voice, pieces = self._write_voice(alike, packets)
                self._awake.add(voice.wav)
                if pieces and not packets[0].mixed:
                    changed.append((voice, pieces))
        finally:
            if changed:
                mix = self._mixed_file()
                self._awake.add(mix.wav)
                mix.renew(changed, self._tracks)
            for wav in before - self._awake:
                wav.rest()
        return [packets[-1] for packets in by_voice.values()]

    def rest(self) -> None:
        """Let go of whatever is open."""
        for wav in self.files():
            wav.rest()

    def files(self) -> list[WavFile]:
        """All files, to be closed one by one, so that one failure does not touch the others."""
        mix = [self._mix.wav] if self._mix else []
        return [*self._earlier, *(voice.wav for voice in self._voices.values()), *mix]

    @property
    def newest_ms(self) -> int | None:
        """Unix milliseconds at which the sound in the folder ends; None if there is none."""
        return max((wav.end_ms for wav in self.files()), default=None)

    def speakers(self) -> list[Speaker]:
        """Whose voices the files hold."""
        return [_speaker_of(wav.label) for wav in self.files() if wav.label.kind == "audio"]

    @property
    def is_encoded(self) -> bool:
        """Whether there are files from before that cannot be changed any more."""
        return bool(self._encoded)

    def finish(self, sound: Sound) -> None:
        """Make all files what was asked for, when they are closed. What cannot be made stays a WAV file.

        Blocks; raises OSError when all was tried.
        """
        failures = []
        files = self.files()
        t0_ms = self._timeline.t0_ms
        end_ms = max([self._timeline.newest_ms, *(-(-wav.end * 1000 // wav.sample_rate) for wav in files)])
        for wav, known in list(self._described()):
            span = Span(t0_ms, end_ms)
            start_ms, stop_ms = known.get("start_ms"), known.get("end_ms")
            if sound.align == "trimmed" and start_ms is not None and stop_ms is not None:
                span = Span(start_ms, stop_ms)
            try:
                path = finish(wav, sound, span)
            except OSError as error:
                failures.append(error)
            else:
                self._finished[wav.path] = _Finished(path, span.start_ms - t0_ms, known)
        if failures:
            raise failures[0]

    def artefacts(self, participants: Participants) -> list[Artefact]:
        """The files, described. Blocks; raises OSError."""
        return [
            *self._encoded,
            *(self._describe(wav, participants, known) for wav, known in self._described()),
        ]

    def _described(self) -> Iterator[tuple[WavFile, dict[str, Any]]]:
        """All files, and what is known of them."""
        for wav in self._earlier:
            yield wav, self._span_of(wav)
        for voice in self._voices.values():
            yield voice.wav, _span(voice)
        if self._mix:
            yield self._mix.wav, _span_of_mix(self._tracks)

    def _write_voice(
        self, alike: tuple[Any, ...], packets: Sequence[AudioFrame]
    ) -> tuple[Voice, list[Piece]]:
        """Write a voice, and return what is new of it."""
        audio_format = self._known.get(alike)
        if audio_format is None:
            audio_format = self._known[alike] = _format_of(packets[0])
        voice = self._voices.get(audio_format) or self._new_voice(audio_format, packets[0])
        pieces = voice.place(packets, self._skipped)
        if pieces:
            voice.wav.write(pieces)
        return voice, pieces

    def _new_voice(self, audio_format: Format, first: AudioFrame) -> Voice:
        label = Label(self._timeline.t0_ms, "audio_mix")
        if not first.mixed:
            speaker = first.speaker
            label = Label(self._timeline.t0_ms, "audio", speaker.user_id, speaker.name, speaker.channel_id)
        wav = self._new_file(audio_format.stem, label, audio_format.sample_rate, audio_format.channels)
        earlier = [known.end_ms for known in self._earlier if known.label.whose == label.whose]
        not_before = wav.samples_at(max(earlier, default=0))
        voice = self._voices[audio_format] = Voice(wav, first, not_before)
        if not audio_format.mixed_by_zoom:
            self._tracks.append(voice)
        return voice

    def _mixed_file(self) -> Mix:
        if self._mix is None:
            label = Label(self._timeline.t0_ms, "audio_mix")
            rate, channels = sample_rate_of(self._asked), self._asked.channels
            self._mix = Mix(self._new_file("mixed", label, rate, channels))
        return self._mix

    def _new_file(self, stem: str, label: Label, sample_rate: int, channels: int) -> WavFile:
        path = self._folder.claim(f"audio/{stem}", ".wav", successors=ENCODED)
        return WavFile.create(path, label, sample_rate, channels)

    def _describe(self, wav: WavFile, participants: Participants, span: Mapping[str, Any]) -> Artefact:
        finished = self._finished.get(wav.path)
        return Artefact.of(
            self._folder,
            finished.path if finished else wav.path,
            wav.label,
            offset_ms=finished.offset_ms if finished else 0,
            name=participants.name_of(_speaker_of(wav.label)),
            sample_rate=wav.sample_rate,
            channels=wav.channels,
            **span,
        )

    def _span_of(self, wav: WavFile) -> dict[str, Any]:
        """Of a file of an earlier process, which may have had no time to say."""
        if finished := self._finished.get(wav.path):
            return finished.known
        if listed := self._listed.get(self._folder.relative(wav.path)):
            return {
                "start_ms": listed.start_ms,
                "end_ms": listed.end_ms,
                "samples": listed.samples,
                "drift_ppm": listed.drift_ppm,
            }
        start_ms, end_ms = wav.sounding_ms() or (None, None)
        return {"start_ms": start_ms, "end_ms": end_ms}


def _speaker_of(label: Label) -> Speaker:
    """Whose voice a file holds."""
    return Speaker(label.user_id or 0, label.name, channel_id=label.channel_id)


def _span_of_mix(voices: Sequence[Voice]) -> dict[str, Any]:
    """From the first sound of all to the last."""
    spans = [span for voice in voices if (span := _span(voice))]
    if not spans:
        return {}
    return {
        "start_ms": min(span["start_ms"] for span in spans),
        "end_ms": max(span["end_ms"] for span in spans),
    }


def _span(voice: Voice) -> dict[str, Any]:
    if not voice.coverage.span:
        return {}
    start_ms, end_ms = map(voice.wav.milliseconds_at, voice.coverage.span)
    return {
        "start_ms": start_ms,
        "end_ms": end_ms,
        "samples": len(voice.coverage),
        "drift_ppm": voice.drift.ppm,
    }


def _format_of(frame: AudioFrame) -> Format:
    speaker, params = frame.speaker, frame.params
    stem = path_safe(speaker.channel_id) if speaker.channel_id else str(speaker.user_id)
    return Format(
        "mixed" if frame.mixed else stem, frame.mixed, params.codec, sample_rate_of(params), params.channels
    )
