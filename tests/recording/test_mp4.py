"""Fragments: counted, moved in time, and told from those that are in pieces."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.recording import mp4
from rtms_engine.recording.label import Label, decode_label

LABEL = Label(1000, "camera", width=640, height=360)
HEADER = struct.pack(">I4s8s", 16, b"ftyp", b"iso5....") + struct.pack(">I4s", 8, b"moov")


def pictures(*times_ms: int) -> list[mp4.Picture]:
    return [mp4.Picture(at_ms, n == 0, bytes([n]) * (n + 1)) for n, at_ms in enumerate(times_ms)]


def file_of(path: Path, *fragments: bytes) -> Path:
    path.write_bytes(HEADER + mp4.label_box(LABEL) + b"".join(fragments))
    return path


def test_fragments_say_what_is_in_them(tmp_path: Path) -> None:
    first, second = mp4.fragment(1, pictures(0, 40, 90), 25), mp4.fragment(2, pictures(500), 1000)
    path = file_of(tmp_path / "x.mp4", first, second)
    assert [(f.at_ms, f.pictures, f.duration_ms, f.end - f.start) for f in mp4.fragments(path)] == [
        (0, 3, 115, len(first)),
        (500, 1, 1000, len(second)),
    ]
    assert mp4.read_label(path) == LABEL


@given(st.integers(0))
def test_of_a_torn_file_the_whole_fragments_count(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "x.mp4"
    fragments = [mp4.fragment(n + 1, pictures(100 * n, 100 * n + 40), 60) for n in range(3)]
    content = file_of(path, *fragments).read_bytes()
    kept = cut % len(content)
    path.write_bytes(content[:kept])
    bodies = len(content) - sum(map(len, fragments))
    assert len(mp4.fragments(path)) == max(kept - bodies, 0) // len(fragments[0])


def test_relabelling_moves_every_picture(tmp_path: Path) -> None:
    path = file_of(
        tmp_path / "x.mp4", mp4.fragment(1, pictures(0, 40), 40), mp4.fragment(2, pictures(80), 40)
    )
    data = path.read_bytes()
    mp4.relabel(path, LABEL.at(-500), 1500)
    assert [f.at_ms for f in mp4.fragments(path)] == [1500, 1580]
    assert mp4.read_label(path) == LABEL.at(-500)
    mp4.relabel(path, LABEL, -1500)
    assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"", b"no box at all", HEADER, HEADER + struct.pack(">I4s", 8, b"uuid")])
def test_a_file_of_somebody_else_has_no_label(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    assert mp4.read_label(tmp_path / "x.mp4") is None
    assert not mp4.fragments(tmp_path / "x.mp4")


@given(st.text(), st.integers(0, 2**32 - 1))
def test_labels_are_read_as_they_were_written(name: str, user_id: int) -> None:
    label = Label(5, "audio", user_id, name.encode("utf-8", "ignore").decode())
    assert len(label.encode()) % 2 == 0
    assert decode_label(label.encode()) == label
    assert decode_label(b"{") is None
