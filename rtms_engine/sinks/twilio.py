"""Sound in the messages of Twilio's Media Streams, which voice agents understand. Pure.

``connected``, ``start``, ``media`` …, ``stop``, with ``sequenceNumber`` and ``chunk`` as texts, as Twilio
writes them. Twilio's own encoding is µ-law at 8000 Hz, ``audio/x-mulaw``; ``audio/l16`` (16-bit PCM,
*little-endian*, as Zoom sends it) at 8000 or 16000 Hz is ours, and ``mediaFormat`` says which it is.
"""

import base64
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import numpy as np

from ..model.frames import AudioFrame
from .base import StreamInfo
from .playout import Playout
from .sound import SILENCE, Mono, VoiceDecoder, mulaw

CHUNK_MS = 20

Encoding = Literal["mulaw", "l16"]
_NAMES: dict[Encoding, str] = {"mulaw": "audio/x-mulaw", "l16": "audio/l16"}


class MediaFormat(msgspec.Struct, frozen=True):
    """What a subscriber wants to hear."""

    encoding: Encoding = "mulaw"
    sample_rate: int = 8000
    participant: int | None = None
    """A user id; None: everybody, mixed."""


CONNECTED = msgspec.json.encode({"event": "connected", "protocol": "Call", "version": "1.0.0"})
"""The first message of a connection."""


class TwilioTrack:
    """The sound of one stream for one subscriber: messages of 20 ms without a gap.

    Args:
        stream: which.
        media_format: of the messages.
        delay_ms: how long to wait for late packets.
    """

    def __init__(self, stream: StreamInfo, media_format: MediaFormat, delay_ms: int) -> None:
        self._stream = stream
        self._format = media_format
        self._playout = Playout(media_format.sample_rate, delay_ms)
        self._decoders: dict[int, VoiceDecoder] = {}
        self._left: Mono = SILENCE
        self._sequence = 0
        self._chunks = 0

    def start(self) -> bytes:
        """The message with which the stream begins."""
        stream, wanted = self._stream, self._format
        names = {"encoding": _NAMES[wanted.encoding], "sampleRate": wanted.sample_rate, "channels": 1}
        custom = {"product": stream.product.name}
        if wanted.participant is not None:
            custom["participant"] = str(wanted.participant)
        start = {
            "accountSid": stream.app,
            "streamSid": stream.stream_id,
            "callSid": stream.entity_id,
            "tracks": ["inbound"],
            "mediaFormat": names,
            "customParameters": custom,
        }
        return self._message("start", start)

    def hear(self, frame: AudioFrame, now: float) -> None:
        """Take a packet, if it is wanted."""
        voice = 0 if frame.mixed else frame.speaker.user_id
        wanted = self._format.participant
        if wanted is not None and (frame.mixed or voice != wanted):
            return
        if voice not in self._decoders or not self._playout.follows(voice, frame.timestamp_ms):
            self._decoders[voice] = VoiceDecoder(frame.params, self._format.sample_rate)
        samples = self._decoders[voice].samples(frame.payload)
        self._playout.place(voice, frame.timestamp_ms, samples, now)

    def due(self, now: float) -> Iterator[bytes]:
        """The messages of what is due by now."""
        for piece in self._playout.take(now):
            yield from self._media(piece)

    def stop(self) -> Iterator[bytes]:
        """The last messages."""
        for piece in self._playout.rest():
            yield from self._media(piece)
        missing = -len(self._left) % self._chunk_samples
        yield from self._media(np.zeros(missing, np.int16))
        yield self._message("stop", {"accountSid": self._stream.app, "callSid": self._stream.entity_id})

    @property
    def _chunk_samples(self) -> int:
        return self._format.sample_rate * CHUNK_MS // 1000

    def _media(self, piece: Mono) -> Iterator[bytes]:
        sound = np.concatenate([self._left, piece])
        whole = len(sound) - len(sound) % self._chunk_samples
        self._left = sound[whole:]
        for chunk in sound[:whole].reshape(-1, self._chunk_samples):
            data = mulaw(chunk) if self._format.encoding == "mulaw" else chunk.astype("<i2").tobytes()
            self._chunks += 1
            media = {
                "track": "inbound",
                "chunk": str(self._chunks),
                "timestamp": str((self._chunks - 1) * CHUNK_MS),
                "payload": base64.b64encode(data).decode(),
            }
            yield self._message("media", media)

    def _message(self, event: str, content: dict[str, Any]) -> bytes:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: content,
            "streamSid": self._stream.stream_id,
        }
        return msgspec.json.encode(message)
