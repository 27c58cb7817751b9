"""Decoding for live consumers."""

import av
import numpy as np
import pytest

from rtms_engine.model.media import AudioParams
from rtms_engine.sinks.sound import VoiceDecoder, mulaw


def tone(rate, seconds=1.0, hertz=440):
    at = np.arange(int(rate * seconds)) / rate
    return (np.sin(2 * np.pi * hertz * at) * 20_000).astype("<i2")


def test_pcm_of_the_right_rate_is_left_alone():
    sound = tone(16000)
    assert (VoiceDecoder(AudioParams(), 16000).samples(sound.tobytes()) == sound).all()


@pytest.mark.parametrize(("before", "after"), [(16000, 8000), (32000, 8000), (8000, 16000), (48000, 16000)])
def test_another_rate_is_the_same_sound(before, after):
    decoder = VoiceDecoder(AudioParams(sample_rate=before), after)
    packets = tone(before).reshape(50, -1)
    sound = np.concatenate([decoder.samples(packet.tobytes()) for packet in packets])
    assert 0 <= after - len(sound) < after * 0.02
    spectrum = np.abs(np.fft.rfft(sound.astype(float) * np.hanning(len(sound))))
    assert np.argmax(spectrum) * after / len(sound) == pytest.approx(440, abs=2)
    assert np.abs(sound[after // 4 : after // 2]).max() == pytest.approx(20_000, rel=0.05)


def test_stereo_becomes_mono():
    params = AudioParams(codec="l16", channels=2)
    both = np.array([[100, 300], [-100, -300]], "<i2")
    assert VoiceDecoder(params, 16000).samples(both.tobytes()).tolist() == [200, -200]


def test_what_is_no_packet_is_no_sound():
    decoder = VoiceDecoder(AudioParams(codec="opus", sample_rate=48000), 48000)
    assert len(decoder.samples(b"\xff\xff\xff\xff")) == 0
    assert len(VoiceDecoder(AudioParams(), 8000).samples(b"")) == 0


def test_mulaw_is_as_good_as_that_of_ffmpeg():
    every = np.arange(-32768, 32768, dtype=np.int16)
    encoder = av.CodecContext.create("pcm_mulaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(every[None], "s16", "mono")
    frame.sample_rate = 8000
    theirs = np.frombuffer(b"".join(map(bytes, encoder.encode(frame))), np.uint8)
    decoder = av.CodecContext.create("pcm_mulaw", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"

    def heard(data):
        return np.concatenate([f.to_ndarray()[0] for f in decoder.decode(av.Packet(data))]).astype(int)

    ours = np.frombuffer(mulaw(every), np.uint8)
    errors = [np.abs(heard(data) - every.astype(int)) for data in (ours.tobytes(), theirs.tobytes())]
    assert errors[0].max() <= errors[1].max()
    assert errors[0].mean() <= errors[1].mean() * 1.02


@pytest.mark.parametrize(
    ("sample", "byte"), [(0, 0xFF), (-1, 0x7F), (32767, 0x80), (-32768, 0x00), (8, 0xFE), (1000, 0xCE)]
)
def test_mulaw_values(sample, byte):
    assert mulaw(np.array([sample], np.int16))[0] == byte
