"""Ours has the size, the format and the length of theirs, and decodes."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.capture.placeholders import GreyCache, GreyPictures, sound
from rtms_engine.model.media import AudioParams


def encoded(codec, size, pixels, frames=1, **options):
    """Pictures of noise."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base, encoder.options = pixels, Fraction(1, 25), options
    packets = []
    random = np.random.default_rng(1)
    for n in range(frames):
        noise = random.integers(0, 255, (size[1], size[0], 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=pixels)
        frame.pts = n
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def h264(frames):
    options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=4:repeat-headers=1"}
    return encoded("libx264", (320, 180), "yuv420p", frames, **options)


def decoded(payloads):
    decoder = av.CodecContext.create("h264", "r")
    return [
        frame
        for payload in [*payloads, None]
        for frame in decoder.decode(av.Packet(payload) if payload else None)
    ]


def test_a_tone_goes_on_over_packets_and_stays_below_full_scale():
    params = AudioParams()
    packets = [sound(bytes(640), params, 1_790_000_000_000 + 20 * n, 3) for n in range(5)]
    wave = np.frombuffer(b"".join(packets), "<i2").astype(int)
    assert 2_900 < wave.max() <= 3_000
    assert np.abs(np.diff(wave)).max() < 600
    assert packets[0] != sound(bytes(640), params, 1_790_000_000_000, 4)


@pytest.mark.parametrize("size", [0, 1, 3, 641])
def test_odd_sizes_of_sound(size):
    for codec in ("l16", "g711", "g722", "opus"):
        assert len(sound(bytes(size), AudioParams(codec=codec), 0, 1)) == size


@given(st.binary(min_size=1, max_size=1500))
def test_silent_opus_is_as_long_as_the_packet(payload):
    silent = sound(payload, AudioParams(codec="opus", sample_rate=48000), 0, 1)
    assert len(silent) == len(payload)
    assert silent[0] & 0xFC == payload[0] & 0xFC


def test_silent_opus_decodes_to_silence():
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "mono", "s16"
    random = np.random.default_rng(1)
    packets = []
    for n in range(5):
        noise = random.integers(-9000, 9000, (1, 960), np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, n * 960
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48000, "mono"
    params = AudioParams(codec="opus", sample_rate=48000)
    frames = [f for p in packets for f in decoder.decode(av.Packet(sound(p, params, 0, 1)))]
    assert sum(frame.samples for frame in frames) >= 960 * 4
    assert max(np.abs(frame.to_ndarray()).max() for frame in frames) == 0


def test_h264_is_as_long_and_decodes_to_grey_of_the_same_dimensions():
    original = h264(10)
    pictures = GreyPictures(GreyCache())
    ours = [pictures.of(payload) for payload in original]
    assert [len(one) for one in ours] == [len(one) for one in original]
    frames = decoded(ours)
    assert [(frame.width, frame.height) for frame in frames] == [(320, 180)] * 10
    assert all(np.ptp(frame.to_ndarray(format="gray")) < 3 for frame in frames)


def test_h264_that_begins_in_the_middle_or_comes_in_parts():
    original = h264(3)
    pictures = GreyPictures(GreyCache())
    assert len(pictures.of(original[1])) == len(original[1])
    half = len(original[0]) // 2
    first = pictures.of(original[0][:half]) + pictures.of(original[0][half:])
    ours = [first, pictures.of(original[1])]
    assert len(decoded(ours)) == 2
    assert pictures.of(b"\0\0\1") == bytes(3)
    assert pictures.of(b"nonsense") == bytes(8)
    assert pictures.of(b"") == b""


@pytest.mark.parametrize(("codec", "pixels"), [("mjpeg", "yuvj420p"), ("png", "rgb24")])
def test_picture_files(codec, pixels):
    (original,) = encoded(codec, (320, 180), pixels)
    cache = GreyCache()
    ours = GreyPictures(cache).of(original)
    assert len(ours) == len(original)
    with av.open(BytesIO(ours)) as image:
        frame = next(image.decode(video=0))
    assert (frame.width, frame.height) == (320, 180)
    assert np.ptp(frame.to_ndarray(format="gray")) < 3


@pytest.mark.parametrize("missing", [*range(20), 65_530, 65_537, 65_538, 65_541, 200_000])
def test_padding_of_any_length(missing):
    cache = GreyCache()
    for codec, least in (("mjpeg", 4), ("png", 12)):
        plain = cache.image(codec, (32, 32), 0)
        padded = cache.image(codec, (32, 32), len(plain) + missing)
        assert len(padded) == len(plain) + (missing if missing >= least else 0)


def test_a_picture_that_is_none():
    cut = b"\xff\xd8\xff\xe0 nothing more"
    assert GreyPictures(GreyCache()).of(cut).startswith(b"\xff\xd8")
