"""What is said of a sparse file is what would be said of a dense one."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.recording.holes import sha256, stretches


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3_000_000), st.binary(max_size=9000)), max_size=5),
    st.integers(0, 5_000_000),
)
def test_holes_are_zeros(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, bytes]], size: int
) -> None:
    path: Path = tmp_path_factory.mktemp("sparse") / "file"
    with path.open("w+b") as file:
        for at, data in writes:
            file.seek(at)
            file.write(data)
        file.flush()
        file.truncate(size)
        whole = path.read_bytes()
        assert sha256(file) == hashlib.sha256(whole).hexdigest()
        dense = bytearray(len(whole))
        for start, stop in stretches(file, 0, len(whole)):
            dense[start:stop] = whole[start:stop]
        assert dense == whole
