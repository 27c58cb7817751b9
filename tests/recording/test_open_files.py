"""Files stay open while their voice is heard, and no longer."""

from pathlib import Path

import pytest

from rtms_engine.recording import wav
from rtms_engine.recording.open_files import Room
from tests.recording.support import ANA, CEM, END, REVOKED, folder_in, opened, ramp, samples_of, sound


def open_in(root: Path) -> set[str]:
    """The names of the sounds that this process has open in a folder."""
    targets = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return {target.name for target in targets if target.is_relative_to(root) and target.suffix == ".wav"}


def test_there_is_room_for_so_many(tmp_path: Path) -> None:
    room = Room(1)
    (tmp_path / "a").touch()
    with pytest.raises(FileNotFoundError):
        room.open(str(tmp_path / "b"))
    first = room.open(str(tmp_path / "a"))
    assert first
    assert room.open(str(tmp_path / "a")) is None
    first.close()
    first.close()
    assert room.open(str(tmp_path / "a"))  # and whoever has nothing more of it has closed it
    assert room.open(str(tmp_path / "a"))


async def test_who_is_silent_is_closed(tmp_path: Path) -> None:
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1)), sound(0, ramp(2), CEM)])
    assert open_in(tmp_path) == {f"{ANA.user_id}.wav", f"{CEM.user_id}.wav", "mixed.wav"}
    await sink.write([sound(20, ramp(3), CEM)])
    assert open_in(tmp_path) == {f"{CEM.user_id}.wav", "mixed.wav"}
    await sink.write([sound(20, ramp(4))])
    await sink.close(END)
    assert open_in(tmp_path) == set()
    assert len(samples_of(folder_in(tmp_path) / f"audio/{ANA.user_id}.wav")) == 640


async def test_who_finds_no_room_opens_for_each_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wav, "ROOM", Room(0))
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1))])
    assert open_in(tmp_path) == set()
    await sink.write([sound(20, ramp(321))])
    await sink.close(END)
    assert (samples_of(folder_in(tmp_path) / f"audio/{ANA.user_id}.wav") == ramp(1, 640)).all()


async def test_nothing_is_left_open_of_what_is_erased(tmp_path: Path) -> None:
    """Or its space would not be free, and the room would be lost."""
    sink = await opened(tmp_path)
    await sink.write([sound(0, ramp(1))])
    await sink.close(REVOKED)
    assert open_in(tmp_path) == set()
