"""The newest picture of a recording, while it grows and when it is damaged."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from rtms_engine.recording import glimpse
from rtms_engine.recording.glimpse import Glimpse, Looker
from rtms_engine.simulator.pictures import H264, JPG, PNG, converted
from tests.recording.support import T0, encoded_pictures, folder_in, opened, picture

BRIGHT = [20, 60, 100, 140, 180, 220]


def shown(found: Glimpse | None) -> tuple[int, int, float]:
    """Width, height and brightness."""
    assert found is not None
    with av.open(BytesIO(found.jpeg)) as image:
        frame = next(image.decode(video=0))
        return frame.width, frame.height, float(np.mean(frame.to_ndarray(format="gray")))


async def test_the_newest_picture_of_a_growing_file(tmp_path: Path) -> None:
    """Each look shows what came last, and reads only what is new."""
    recorder = await opened(tmp_path)
    looker = Looker()
    for n, unit in enumerate(encoded_pictures(BRIGHT)):
        await recorder.write([picture(1000 + 40 * n, unit), picture(1000 + 40 * n, b"")])
        found = looker.newest(folder_in(tmp_path), "video")
        if found is None:
            continue
        width, height, brightness = shown(found)
        assert (width, height) == (64, 48)
        luma = BRIGHT[(found.at_ms - T0 - 1000) // 40]
        assert abs(brightness - (luma - 16) * 255 / 219) < 12
    assert found is not None
    assert found.at_ms == T0 + 1000 + 40 * (len(BRIGHT) - 3), "the last two are complete when others follow"


async def test_far_from_a_key_frame_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "MOST_DECODED", 2)
    recorder = await opened(tmp_path)
    await recorder.write([picture(40 * n, unit) for n, unit in enumerate(encoded_pictures(BRIGHT))])
    found = Looker().newest(folder_in(tmp_path), "video")
    assert found is not None
    assert found.at_ms == T0


def still(width: int, height: int, codec: str = "mjpeg") -> bytes:
    [image] = converted(encoded_pictures([120], width, height), H264, JPG if codec == "mjpeg" else PNG, 1, 1)
    return image.data


@pytest.mark.parametrize("codec", ["mjpeg", "png"])
async def test_the_newest_file_that_is_a_picture_is_made_small(tmp_path: Path, codec: str) -> None:
    recorder = await opened(tmp_path)
    await recorder.write([picture(500, still(64, 48, codec)), picture(900, still(1280, 720, codec))])
    found = Looker().newest(folder_in(tmp_path), "video")
    assert shown(found)[:2] == (640, 360)
    assert found is not None
    assert found.at_ms == T0 + 900


def test_what_cannot_be_decoded_is_no_picture(tmp_path: Path) -> None:
    assert Looker().newest(tmp_path, "video") is None
    (tmp_path / "share").mkdir()
    (tmp_path / "share/100-1.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    (tmp_path / "share/1-1.jpg").write_bytes(still(64, 48))
    assert Looker().newest(tmp_path, "share") is None
    (tmp_path / "share/camera-1.mp4").write_bytes(b"nothing")
    assert Looker().newest(tmp_path, "share") is None


def test_a_picture_larger_than_any_screen_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glimpse, "MOST_PIXELS", 64 * 40)
    (tmp_path / "video").mkdir()
    (tmp_path / "video/1-1.png").write_bytes(still(64, 48, "png"))
    assert Looker().newest(tmp_path, "video") is None
