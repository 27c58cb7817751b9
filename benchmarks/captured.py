"""A captured meeting, made in no time: what the engine would have taped of two people who speak for a while."""

import json
from collections.abc import Iterator
from pathlib import Path

from rtms_engine.capture.format import Head, Kind, encode_head, encode_signal
from rtms_engine.capture.tape import Tape, encode_ending
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams, MediaKind, MediaParams
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.model.signals import StreamStarted
from rtms_engine.sinks.base import StreamInfo

from .encoded import Audio

T0 = 1_700_000_000_000
SIGNALING, AUDIO = (f"wss://127.0.0.1/{leg}" for leg in ("signaling", "audio"))
KEEP_ALIVE_MS = 10_000
FLUSHED = 2_000
"""Messages that are written at once."""

Note = tuple[Kind, str, int, bytes]


def capture(directory: Path, *, seconds: int, every_ms: int) -> tuple[Path, int]:
    """Make a capture, and return where it is and how many frames it holds."""
    info = StreamInfo(
        StreamId("captured"),
        "app",
        MEETING,
        "meeting==",
        T0,
        MediaParams(audio=AudioParams(send_rate_ms=every_ms)),
        frozenset({MediaKind.AUDIO}),
    )
    tape = Tape(directory, info.stream_id, "none")
    for kind, leg, connection, data in _opening(info, every_ms):
        tape.note(0.0, kind, leg, connection, data)
    voices = [Audio(16778240 + n, f"Speaker {n}", every_ms) for n in range(2)]
    rounds = seconds * 1000 // every_ms
    for number in range(rounds):
        at_ms = (number + 1) * every_ms
        if number * every_ms % KEEP_ALIVE_MS == 0:
            for connection, leg in enumerate(("signaling", "audio"), 1):
                asked = _message(12, timestamp=T0 + at_ms)
                tape.note(at_ms / 1000, Kind.RECEIVED, leg, connection, asked)
        for voice in voices:
            message = voice.message(b"s" * 16, b"%d" % (T0 + at_ms))
            tape.note(at_ms / 1000, Kind.RECEIVED, "audio", 2, message)
        if number % FLUSHED == 0:
            tape.flush()
    ended_ms = rounds * every_ms + 100
    over = json.dumps({"msg_type": 8, "state": 4, "reason": 6, "timestamp": T0 + ended_ms}).encode()
    tape.note(ended_ms / 1000, Kind.RECEIVED, "signaling", 1, over)
    ending = encode_ending(int(StopReason.MEETING_ENDED), T0 + ended_ms, "", is_released=False)
    tape.note(ended_ms / 1000, Kind.END, "", 0, ending)
    tape.close()
    return next(directory.glob("*.rtmscap")), rounds * len(voices)


def _opening(info: StreamInfo, every_ms: int) -> Iterator[Note]:
    """What comes before the first frame."""
    head = Head(
        engine="benchmark",
        unix_ms=T0,
        stream=info,
        unified=False,
        follow="active",
        buffer_data=False,
        is_late=False,
    )
    started = StreamStarted("app", MEETING, info.entity_id, info.stream_id, (SIGNALING,), T0)
    urls = {"server_urls": {"audio": AUDIO}}
    params = {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 2}
    yield Kind.STREAM, "", 0, encode_head(head)
    yield Kind.SIGNAL, "", 0, encode_signal(started)
    yield Kind.CONNECTING, "signaling", 1, SIGNALING.encode()
    yield Kind.CONNECTED, "signaling", 1, b""
    yield Kind.RECEIVED, "signaling", 1, _message(2, status_code=0, media_server=urls)
    yield Kind.CONNECTING, "audio", 2, AUDIO.encode()
    yield Kind.CONNECTED, "audio", 2, b""
    granted = {"audio": {**params, "send_rate": every_ms}}
    yield Kind.RECEIVED, "audio", 2, _message(4, status_code=0, media_params=granted)
    yield Kind.RECEIVED, "signaling", 1, _message(8, state=1, timestamp=T0)


def _message(msg_type: int, **fields: object) -> bytes:
    return json.dumps({"msg_type": msg_type, **fields}).encode()
