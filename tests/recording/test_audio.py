"""Sound lies where Zoom's timestamps put it, sample for sample."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
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


def test_another_rate_begins_another_file(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(0, ramp(1)), sound(20, ramp(1, 160), sample_rate=8000)])
    names = {path.name for path in (folder / "audio").iterdir()}
    assert names == {f"{ANA.user_id}.wav", f"{ANA.user_id}-2.wav", "mixed.wav", "mixed-2.wav"}
    assert (samples_of(folder / f"audio/{ANA.user_id}-2.wav")[160:] == ramp(1, 160)).all()


def test_channels_of_contact_center_have_safe_names(tmp_path: Path) -> None:
    folder = record(tmp_path, [sound(0, ramp(1), Speaker(channel_id="../../x\n"))])
    assert [path.suffix for path in (folder / "audio").iterdir()] == [".wav", ".wav"]
    assert not list(tmp_path.parent.glob("x*"))


samples = st.lists(st.integers(-32768, 32767), min_size=1, max_size=50)


@given(samples, samples)
def test_mixing_never_wraps_around_and_leaves_a_lone_voice_alone(a: list[int], b: list[int]) -> None:
    length = min(len(a), len(b))
    one, other = (np.array(x[:length], np.int16) for x in (a, b))
    together, exact = mixed(one, other).astype(int), one.astype(int) + other
    fits = np.abs(exact) <= 28672
    assert (together[fits] == exact[fits]).all()
    assert (np.sign(together) == np.sign(exact)).all()
    assert (mixed(one, np.zeros_like(one)) == one).all()


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
    assert decoder_for(AudioParams())(b"\1\0\2").tolist() == [[1]]
    assert decoder_for(AudioParams(channels=2))(b"\1\0\2\0\3").tolist() == [[1, 2]]
