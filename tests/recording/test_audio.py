"""Sound lies where Zoom's timestamps put it, sample for sample."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.model.frames import Speaker
from rtms_engine.model.media import AudioParams
from rtms_engine.recording.codecs import decoder_for
from rtms_engine.recording.mixing import mixed
from tests.recording.support import ANA, CEM, manifest_of, ramp, record, samples_of, sound


def ana(folder: Path) -> Any:
    return samples_of(folder / f"audio/{ANA.user_id}.wav")


def test_silence_is_exactly_where_nothing_was_sent(tmp_path: Path) -> None:
    wav = ana(record(tmp_path, [sound(100, ramp(1)), sound(160, ramp(400))]))
    assert len(wav) == 180 * 16
    assert not wav[:1600].any()
    assert (wav[1600:1920] == ramp(1)).all()
    assert not wav[1920:2560].any()
    assert (wav[2560:] == ramp(400)).all()


def test_late_packets_are_placed_not_appended(tmp_path: Path) -> None:
    """Also if they come a minute later, in another batch, and before t0."""
    wav = ana(record(tmp_path, [sound(60_000, ramp(1))], [sound(0, ramp(400)), sound(20, ramp(800))]))
    assert len(wav) == 60_020 * 16
    assert (wav[:640] == [*ramp(400), *ramp(800)]).all()
    assert (wav[-320:] == ramp(1)).all()


def test_sound_before_the_start_moves_t0_of_every_track(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(0, ramp(1), CEM), sound(0, ramp(400))], [sound(-500, ramp(800))])
    assert manifest_of(folder)["t0_ms"] == manifest_of(folder)["started_ms"] - 500
    assert (ana(folder)[:320] == ramp(800)).all()
    assert (ana(folder)[8000:8320] == ramp(400)).all()
    cem = samples_of(folder / f"audio/{CEM.user_id}.wav")
    assert not cem[:8000].any()
    assert (cem[8000:] == ramp(1)).all()
    assert (samples_of(folder / "audio/mixed.wav")[8000:] == ramp(1) + ramp(400)).all()


def test_what_is_written_stays_and_the_rest_is_counted(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(40, ramp(1)), sound(0, ramp(400, 960))])
    assert (ana(folder) == [*ramp(400, 640), *ramp(1)]).all()
    assert manifest_of(folder)["skipped"]["overlapping_samples"] == 320


def test_wild_times_and_empty_packets_are_counted(tmp_path: Path) -> None:
    folder = record(
        tmp_path, [sound(0, ramp(1)), sound(-(10**12), ramp(1)), sound(10**12, ramp(1)), sound(20, b"")]
    )
    assert len(ana(folder)) == 320
    assert manifest_of(folder)["skipped"]["impossible_timestamps"] == 2
    assert manifest_of(folder)["skipped"]["empty_payloads"] == 1


def test_the_mix_is_the_sum(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(0, ramp(100)), sound(10, ramp(1000), CEM)], [sound(40, ramp(5), CEM)])
    both = np.zeros(60 * 16, "<i2")
    both[:320] += ramp(100)
    both[160:480] += ramp(1000)
    both[480:800] += ramp(5)  # 30 ms is expected, 40 - 30 < JITTER_MS: no seam
    assert (samples_of(folder / "audio/mixed.wav") == both[:800]).all()


def test_zooms_own_mix_goes_straight_to_the_file(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(0, ramp(1), Speaker(source="unknown"), mixed=True)])
    assert [path.name for path in (folder / "audio").iterdir()] == ["mixed.wav"]
    assert (samples_of(folder / "audio/mixed.wav") == ramp(1)).all()
    assert manifest_of(folder)["artefacts"][0]["kind"] == "audio_mix"


def test_another_rate_begins_another_file_and_goes_on_in_the_mix(tmp_path: Path) -> None:
    """What Zoom was asked for is the rate of the mix; a voice of another rate is resampled into it."""
    tone = tone_at(8000)
    packets = [sound(20 + 20 * n, tone[160 * n : 160 * n + 160], sample_rate=8000) for n in range(50)]
    folder = record(tmp_path, [sound(0, ramp(1)), *packets[:7]], packets[7:30], packets[30:])
    names = {path.name for path in (folder / "audio").iterdir()}
    assert names == {f"{ANA.user_id}.wav", f"{ANA.user_id}-2.wav", "mixed.wav"}
    assert (samples_of(folder / f"audio/{ANA.user_id}-2.wav")[160:] == tone).all()
    mix = samples_of(folder / "audio/mixed.wav")
    assert len(mix) == 1020 * 16
    assert (mix[:280] == ramp(1)[:280]).all(), "the filter hears 2 ms ahead"
    middle = slice(320 + 80, -80)
    assert np.abs(mix[middle] - tone_at(16_000)[80:-80]).max() < 8, "no seam between batches"


def test_a_voice_in_stereo_is_mixed_with_one_in_mono(tmp_path: Path) -> None:
    both = np.stack([ramp(100), ramp(300)], axis=1)
    folder = record(tmp_path, [sound(0, both, channels=2), sound(0, ramp(1000), CEM)])
    assert (samples_of(folder / "audio/mixed.wav") == ramp(200) + ramp(1000)).all()


def tone_at(rate: int) -> Any:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)


packets_of_three = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(-32768, 32767)),
    max_size=40,
    unique_by=lambda drawn: drawn[:2],
)


@settings(max_examples=10, deadline=None)
@given(packets_of_three, st.randoms())
def test_the_mix_is_the_same_in_any_order_and_any_batches(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, int]], random: Any
) -> None:
    """Three voices, loud enough to clip: in order and at once, or shuffled into batches."""
    frames = [sound(20 * at, np.full(320, level), Speaker(7 + who, "x")) for who, at, level in sorted(drawn)]
    shuffled = random.sample(frames, len(frames))
    batches = [shuffled[at : at + 7] for at in range(0, len(shuffled), 7)]
    folders = [record(tmp_path_factory.mktemp("any"), *each) for each in ([frames], batches)]
    one, other = (samples_of(folder / "audio/mixed.wav") for folder in folders) if frames else ((), ())
    assert list(one) == list(other)


def test_channels_of_contact_center_have_safe_names(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(0, ramp(1), Speaker(channel_id="../../x\n"))])
    assert [path.suffix for path in (folder / "audio").iterdir()] == [".wav", ".wav"]
    assert not list(tmp_path.parent.glob("x*"))


samples = st.lists(st.integers(-32768, 32767), min_size=1, max_size=50)


@given(samples, samples)
def test_mixing_never_wraps_around_and_leaves_a_lone_voice_alone(a: list[int], b: list[int]) -> None:
    length = min(len(a), len(b))
    one, other = (np.array(x[:length], np.int16).reshape(-1, 1) for x in (a, b))
    together, exact = mixed([(0, one), (0, other)], length, 1).astype(int), one.astype(int) + other
    fits = np.abs(exact) <= 28672
    assert (together[fits] == exact[fits]).all()
    assert (np.sign(together) == np.sign(exact)).all()
    assert (mixed([(0, one), (0, np.zeros_like(one))], length, 1) == one).all()


def encoded(codec: str, rate: int, tone: Any) -> list[bytes]:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    packets = []
    for start in range(0, len(tone), rate // 50):
        frame = av.AudioFrame.from_ndarray(tone[start : start + rate // 50].reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = rate, start
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


@pytest.mark.parametrize(
    ("codec", "encoder", "rate", "delay"),
    [("g711", "pcm_alaw", 8000, 0), ("g722", "g722", 16000, 22), ("opus", "libopus", 48000, 312)],
)
def test_codecs_are_decoded_in_place(tmp_path: Path, codec: str, encoder: str, rate: int, delay: int) -> None:
    """One second of tone, 300 ms late; ``delay`` samples are the encoder's own and stay."""
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
    packets = encoded(encoder, rate, tone)
    params: dict[str, Any] = {"codec": codec, "sample_rate": rate}
    wav = ana(record(tmp_path, [sound(300 + 20 * n, data, **params) for n, data in enumerate(packets)]))
    begin = rate * 300 // 1000
    assert len(wav) == begin + len(packets) * rate // 50
    assert not wav[:begin].any()
    heard = wav[begin + delay :][rate // 10 : rate // 2]
    assert np.corrcoef(heard, tone[rate // 10 : rate // 2])[0, 1] > 0.99


def test_undecodable_packets_are_counted(tmp_path: Path) -> None:
    opus: dict[str, Any] = {"codec": "opus", "sample_rate": 48000}
    folder = record(tmp_path, [sound(0, b"\xff" * 7, **opus)])
    assert manifest_of(folder)["skipped"]["undecodable_audio"] == 1
    assert len(ana(folder)) == 0


def test_a_cut_off_sample_is_left_out() -> None:
    assert decoder_for(AudioParams())(b"\1\0\2") == b"\1\0"
    assert decoder_for(AudioParams(channels=2))(b"\1\0\2\0\3") == b"\1\0\2\0"
