"""The sound of each speaker, on its own, to any recognizer of speech.

``type = "speech_to_text:SpeechToText"`` in [[sinks]]. Write a `Recognizer` for the service or model of your
choice, and name it in ``recognizer = "module:Class"``; the one that is here only measures.
"""

import array
import math
import pkgutil
from typing import Protocol

import msgspec

from rtms_engine import AudioFrame, MediaKind, SinkError
from rtms_engine.model.events import ParticipantLeft


class Recognizer(Protocol):
    """Hears one speaker: 16-bit PCM, one channel."""

    async def hear(self, pcm: bytes, sample_rate: int, timestamp_ms: int) -> str | None:
        """Take some sound, ``timestamp_ms`` being Zoom's time of its first sample. A text, if one is ready."""

    async def finish(self) -> str | None:
        """No more comes. The last text, if there is one."""


class Meter:
    """In place of a recognizer: says how long and how loud somebody spoke."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._loudest = 1

    async def hear(self, pcm: bytes, sample_rate: int, timestamp_ms: int) -> str | None:
        samples = array.array("h", pcm)
        self._seconds += len(samples) / sample_rate
        self._loudest = max(self._loudest, max(map(abs, samples), default=0))

    async def finish(self) -> str | None:
        return f"spoke for {self._seconds:.1f} s, at most {20 * math.log10(self._loudest / 32768):.0f} dB"


class SpeechToTextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    recognizer: str = "speech_to_text:Meter"


class SpeechToText:
    """One recognizer for each voice; a voice is a number of Zoom's, its name is what it is called."""

    config_type = SpeechToTextConfig
    kinds = frozenset([MediaKind.AUDIO])
    live = True

    def __init__(self, config: SpeechToTextConfig) -> None:
        self._make = pkgutil.resolve_name(config.recognizer)
        self._voices: dict[int, tuple[str, Recognizer]] = {}

    async def open(self, stream) -> None:
        audio = stream.media.audio
        if (audio.codec, audio.mode) != ("l16", "per_participant"):
            raise SinkError('[media.audio] must have codec = "l16" and mode = "per_participant"')

    async def write(self, batch) -> None:
        for item in batch:
            if isinstance(item, AudioFrame):
                user_id, name = item.speaker.user_id, item.speaker.name
                if user_id not in self._voices:
                    self._voices[user_id] = (name, self._make())
                text = await self._voices[user_id][1].hear(
                    item.payload, item.params.sample_rate, item.timestamp_ms
                )
                self._say(name, text)
            elif isinstance(item, ParticipantLeft):
                await self._finish(item.participant.user_id)

    async def close(self, ending) -> None:
        for user_id in list(self._voices):
            await self._finish(user_id)

    async def _finish(self, user_id: int) -> None:
        if voice := self._voices.pop(user_id, None):
            self._say(voice[0], await voice[1].finish())

    def _say(self, name: str, text: str | None) -> None:
        if text:
            print(f"{name}: {text}", flush=True)
