"""Twilio's messages."""

import base64
import json

import msgspec
import numpy as np
import pytest

from rtms_engine.model.media import AudioParams
from rtms_engine.sinks.twilio import CONNECTED, MediaFormat, TwilioTrack
from tests.sinks.items import AUDIO, STREAM, STREAM_ID, T0_MS


def packet(n, value=1000, **changes):
    """The n-th 20 ms at 16 kHz."""
    sound = np.full(320, value, "<i2").tobytes()
    return msgspec.structs.replace(AUDIO, timestamp_ms=T0_MS + 20 * n, payload=sound, **changes)


def heard(track, frames, until):
    for n, frame in enumerate(frames):
        track.hear(frame, n * 0.02)
    return [json.loads(message) for message in [*track.due(until), *track.stop()]]


def test_the_first_messages():
    assert json.loads(CONNECTED) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert json.loads(TwilioTrack(STREAM, MediaFormat(), 100).start()) == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "app",
            "streamSid": STREAM_ID,
            "callSid": STREAM.entity_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"product": "meeting"},
        },
        "streamSid": STREAM_ID,
    }


def test_media_and_stop_are_numbered_and_timed():
    track = TwilioTrack(STREAM, MediaFormat("l16", 16000), 100)
    track.start()
    *media, stop = heard(track, [packet(0), packet(1), packet(4)], 0.1)
    assert [one["sequenceNumber"] for one in media] == ["2", "3", "4", "5", "6"]
    assert [one["media"]["chunk"] for one in media] == ["1", "2", "3", "4", "5"]
    assert [one["media"]["timestamp"] for one in media] == ["0", "20", "40", "60", "80"]
    sounds = [np.frombuffer(base64.b64decode(one["media"]["payload"]), "<i2") for one in media]
    assert [(len(sound), int(sound[0])) for sound in sounds] == [(320, n) for n in (1000, 1000, 0, 0, 1000)]
    assert stop == {
        "event": "stop",
        "sequenceNumber": "7",
        "stop": {"accountSid": "app", "callSid": STREAM.entity_id},
        "streamSid": STREAM_ID,
    }


def test_mulaw_is_160_bytes_at_8000_hertz():
    track = TwilioTrack(STREAM, MediaFormat(), 0)
    media = [one for one in heard(track, [packet(n) for n in range(20)], 0.4) if one["event"] == "media"]
    payloads = [base64.b64decode(one["media"]["payload"]) for one in media]
    assert {len(payload) for payload in payloads} == {160}
    assert set(payloads[10]) == {0xCE}  # 1000


@pytest.mark.parametrize(("participant", "expected"), [(None, 3000), (1, 1000), (2, 2000), (3, None)])
def test_everybody_mixed_or_one_alone(participant, expected):
    track = TwilioTrack(STREAM, MediaFormat("l16", 16000, participant), 0)
    speakers = [msgspec.structs.replace(AUDIO.speaker, user_id=n) for n in (1, 2)]
    frames = [packet(0, 1000, speaker=speakers[0]), packet(0, 2000, speaker=speakers[1])]
    media = [one for one in heard(track, frames, 0.0) if one["event"] == "media"]
    values = [int(np.frombuffer(base64.b64decode(one["media"]["payload"]), "<i2")[0]) for one in media]
    assert values == ([] if expected is None else [expected])


def test_zooms_mix_is_everybody_and_nobody():
    frame = packet(0, mixed=True)
    everybody, one = (TwilioTrack(STREAM, MediaFormat("l16", 16000, p), 0) for p in (None, 16778240))
    assert len(heard(everybody, [frame], 0.0)) == 2
    assert len(heard(one, [frame], 0.0)) == 1


def test_other_codecs_are_decoded():
    params = AudioParams(codec="g711", sample_rate=8000)
    frame = msgspec.structs.replace(AUDIO, params=params, payload=b"\xd5" * 160)
    [media, _] = heard(TwilioTrack(STREAM, MediaFormat(), 0), [frame], 0.0)
    assert base64.b64decode(media["media"]["payload"])[0] in {0xFF, 0xFE, 0x7F}
