"""WAV files: whole after every write, sparse, and RF64 where 4 GiB end."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.recording.label import Label
from rtms_engine.recording.wav import WavFile
from tests.recording.support import T0, ramp

AT = T0 * 16
LABEL = Label(T0, "audio", 7, "Ana")


def empty(folder: Path, label: Label = LABEL, channels: int = 1) -> WavFile:
    return WavFile.create(folder / "a.wav", label, 16_000, channels)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 50)), max_size=20))
def test_it_is_what_an_array_would_be(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int]]
) -> None:
    wav, there = empty(tmp_path_factory.mktemp("wav")), np.zeros(600, "<i2")
    for number, (at, count) in enumerate(writes):
        wav.write([(AT + at, ramp(number, count).tobytes())])
        there[at : at + count] = ramp(number, count)
        end = max(a + n for a, n in writes[: number + 1])
        heard, rate = soundfile.read(wav.path, dtype="int16")
        assert (rate, heard.tolist()) == (16_000, there[:end].tolist())
    assert wav.samples(AT - 5, AT + 600) == bytes(10) + there.tobytes()
    (loud,) = there.nonzero()
    expected = (T0 + loud[0] // 16, T0 + -(-(loud[-1] + 1) // 16)) if loud.size else None
    assert wav.sounding_ms() == expected


@pytest.mark.parametrize("name", ["Ana", "Zoë 🎧"])
def test_beyond_4_gib_it_is_rf64(tmp_path: Path, name: str) -> None:
    """All that was before stays readable, whatever reads it; what is not sound is a hole."""
    wav = empty(tmp_path, Label(T0, "audio", 7, name))
    most = (2**32 - 1 - wav.path.stat().st_size + 8) // 2
    wav.write([(AT, ramp(1).tobytes()), (AT + most - 320, ramp(400).tobytes())])
    assert head(wav.path) == b"RIFF"
    assert soundfile.info(wav.path).frames == most
    wav.write([(AT + most, ramp(7000, 2).tobytes())])
    assert head(wav.path) == b"RF64"
    with soundfile.SoundFile(wav.path) as file:
        assert (file.frames, file.samplerate) == (most + 2, 16_000)
        assert (file.read(320, "int16") == ramp(1)).all()
        file.seek(most - 320)
        assert (file.read(322, "int16") == [*ramp(400), *ramp(7000, 2)]).all()
    again = WavFile.read(wav.path)
    assert again and again.label.name == name
    again.write([(AT + most + 2, ramp(9).tobytes())])
    assert soundfile.info(wav.path).frames == most + 322
    assert again.end == AT + most + 322
    assert wav.path.stat().st_blocks * 512 < 2**20


def head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def test_t0_can_move_back_and_holes_stay_holes(tmp_path: Path) -> None:
    wav = empty(tmp_path)
    hour = 3600 * 16_000
    wav.write([(AT, ramp(1).tobytes()), (AT + 10 * hour, ramp(400).tobytes())])
    wav.begin_at(T0 - 70_001)
    heard, _ = soundfile.read(wav.path, 322, start=70_001 * 16 - 1, dtype="int16")
    assert heard.tolist() == [0, *ramp(1), 0]
    assert wav.samples(AT + 10 * hour, AT + 10 * hour + 320) == ramp(400).tobytes()
    assert wav.path.stat().st_blocks * 512 < 2**20
    assert wav.sounding_ms() == (T0, T0 + 36_000_020)


def test_what_is_torn_is_cut_off(tmp_path: Path) -> None:
    """Half a sample at the end, and a header that does not know of it."""
    wav = empty(tmp_path, channels=2)
    with wav.path.open("ab") as file:
        file.write(ramp(1, 10).tobytes() + b"x")
    again = WavFile.read(wav.path)
    assert again
    again.close(T0)
    assert soundfile.read(wav.path, dtype="int16")[0].tolist() == ramp(1, 10).reshape(5, 2).tolist()


def test_what_is_not_ours_is_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "theirs.wav", ramp(1), 16_000)
    (tmp_path / "short.wav").write_bytes(b"RIFF")
    assert WavFile.read(tmp_path / "theirs.wav") is None
    assert WavFile.read(tmp_path / "short.wav") is None
