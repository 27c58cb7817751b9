"""An encrypted file behaves as a plain one does, survives a kill, and tells when somebody has touched it."""

import contextlib
import io
import itertools
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.errors import VaultError
from rtms_engine.vault.cipher import FileCipher
from rtms_engine.vault.format import (
    AROUND_BYTES,
    HEADER_BYTES,
    RECORD_BYTES,
    Damaged,
    DataKey,
    begin_of,
)
from rtms_engine.vault.layout import PLAIN, RawFile
from rtms_engine.vault.sealed import Sealed

SECRET, KEY_ID = b"s" * 32, b"i" * 16


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def opened(path, *, most=None):
    """A new file."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    return file, Sealed.create(path, file, DataKey(KEY_ID, SECRET), most)


def again(path, file, *, secret=SECRET, most=None):
    header = os.pread(file, HEADER_BYTES, 0)
    try:
        begin = begin_of(header)
    except Damaged as error:
        raise VaultError(path, str(error)) from error
    if begin is None:
        raise VaultError(path, "not encrypted")
    return Sealed(path, FileCipher(secret, begin), header, most)


def whole(path, *, secret=SECRET):
    """What is in a file for who opens it anew."""
    file = os.open(path, os.O_RDONLY)
    try:
        layout = again(path, file, secret=secret)
        return layout.read(file, layout.size(file), 0)
    finally:
        os.close(file)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 400), st.binary(max_size=120)),
        st.tuples(st.just("append"), st.none(), st.binary(max_size=120)),
        st.tuples(st.just("truncate"), st.integers(0, 500), st.none()),
        st.tuples(st.just("finish"), st.none(), st.none()),
        st.tuples(st.just("reopen"), st.none(), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(OPERATIONS, st.sampled_from([None, 4]), st.integers(0, 500), st.integers(0, 500))
def test_it_is_as_a_plain_file(tmp_path_factory, operations, most, offset, length):
    """Whatever is written where, by whoever, with however little memory."""
    path = tmp_path_factory.getbasetemp() / "file"
    file, layout = opened(path, most=most)
    plain = bytearray()
    for verb, at, data in operations:
        if verb == "reopen":
            layout = again(path, file, most=most)
            continue
        if verb == "append":
            layout.append(file, data)
            plain += data
        elif verb == "write":
            layout.write(file, data, at)
            if data:
                plain.extend(bytes(max(at + len(data) - len(plain), 0)))
                plain[at : at + len(data)] = data
        elif verb == "truncate":
            layout.truncate(file, at)
            plain = plain[:at] + bytes(max(at - len(plain), 0))
        else:
            layout.finish(file)
        assert layout.size(file) == len(plain)
    assert layout.read(file, length, offset) == bytes(plain[offset : offset + length])
    covered = bytearray(len(plain))
    for start, stop in layout.stretches(file, 0, len(plain)):
        assert start < stop
        covered[start:stop] = plain[start:stop]
    assert covered == plain, "a byte that is not zero lies in a hole"
    os.close(file)
    assert whole(path) == bytes(plain)


def test_large_data_are_several_records(path):
    """And are found in the middle without reading all of them."""
    file, layout = opened(path)
    data = os.urandom(3 * RECORD_BYTES + 5)
    layout.append(file, data)
    assert path.stat().st_size == HEADER_BYTES + len(data) + 4 * AROUND_BYTES
    assert layout.read(file, 10, 2 * RECORD_BYTES - 5) == data[2 * RECORD_BYTES - 5 :][:10]
    os.close(file)
    assert whole(path) == data


def test_a_kill_at_any_byte(path):
    """Costs what was being written and nothing before it; whoever goes on writes behind what is whole."""
    file, layout = opened(path)
    ends = {}
    content = b""
    for n in range(6):
        ends[path.stat().st_size] = content
        layout.append(file, bytes([65 + n]) * (n + 1))
        content += bytes([65 + n]) * (n + 1)
    os.close(file)
    all_of_it = path.read_bytes()
    ends[len(all_of_it)] = content
    for size in range(HEADER_BYTES, len(all_of_it) + 1):
        path.write_bytes(all_of_it[:size])
        expected = ends[max(end for end in ends if end <= size)]
        assert whole(path) == expected
        file = os.open(path, os.O_RDWR)
        again(path, file).append(file, b"more")
        os.close(file)
        assert whole(path) == expected + b"more"


def test_the_machine_goes_down(path):
    """Zeros where the disk has not got the data are as if nothing had been written."""
    file, layout = opened(path)
    layout.append(file, b"said")
    os.close(file)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert whole(path) == b"said"


def test_any_bit_that_was_changed(path):
    """What is read is what was written, or nothing is; and who looks at everything finds it in any case."""
    file, layout = opened(path)
    for n in range(3):
        layout.append(file, b"said %d" % n)
    layout.write(file, b"SAID", 0)  # what lies under it is read by nobody
    layout.truncate(file, 14)
    layout.finish(file)
    os.close(file)
    original, content = path.read_bytes(), whole(path)
    for at in range(len(original)):
        changed = bytearray(original)
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        file = os.open(path, os.O_RDONLY)
        try:
            with pytest.raises(VaultError):
                again(path, file).verify(file)
            with contextlib.suppress(VaultError):
                assert whole(path) == content
        finally:
            os.close(file)


def test_records_that_were_moved(path, tmp_path):
    """Repeated, left out, put in another order or into another file of the same key: all of it is noticed."""
    other = tmp_path / "other"
    raw = {}
    for each in (path, other):
        file, layout = opened(each)
        ends = [HEADER_BYTES]
        for n in range(3):
            layout.append(file, b"same length %d" % n)
            ends.append(each.stat().st_size)
        os.close(file)
        content = each.read_bytes()
        raw[each] = [content[:HEADER_BYTES], *(content[a:b] for a, b in itertools.pairwise(ends))]
    head, one, two, three = raw[path]
    strange = raw[other][2]
    for moved in ([one, one], [two], [one, three], [two, one, three], [one, strange], [one, two, two]):
        path.write_bytes(b"".join([head, *moved]))
        with pytest.raises(VaultError, match="changed, left out or put there"):
            whole(path)
    path.write_bytes(raw[other][0] + one)
    with pytest.raises(VaultError):
        whole(path)


def test_the_size_of_a_finished_file_at_a_look(path):
    """However long it is; and never of one that is not finished, or was changed."""
    file, layout = opened(path)
    assert layout.final_size(file) is None
    for n in range(3):
        layout.append(file, b"said" * n)
        assert again(path, file).final_size(file) is None
    layout.finish(file)
    assert again(path, file).final_size(file) == 12
    whole_file = path.read_bytes()
    for at in range(len(whole_file) - AROUND_BYTES, len(whole_file)):
        path.write_bytes(whole_file[:at] + bytes([whole_file[at] ^ 1]) + whole_file[at + 1 :])
        assert again(path, file).final_size(file) is None
    os.close(file)


def test_what_is_cut_off(path):
    """Of a file that is finished, it is missed."""
    file, layout = opened(path)
    layout.append(file, b"one")
    at = path.stat().st_size
    layout.append(file, b"two")
    assert not layout.is_final(file)
    layout.finish(file)
    layout.finish(file)
    assert layout.is_final(file)
    os.ftruncate(file, at)
    assert not again(path, file).is_final(file)
    with pytest.raises(VaultError, match="cut off"):
        layout.size(file)
    os.close(file)


def test_another_key(path):
    """Opens nothing."""
    file, layout = opened(path)
    layout.append(file, b"said")
    os.close(file)
    with pytest.raises(VaultError, match="not what was encrypted"):
        whole(path, secret=b"t" * 32)


def test_nothing_shines_through(path):
    """Neither content nor its repetition."""
    file, layout = opened(path)
    for _ in range(20):
        layout.append(file, b"the same sentence")
    os.close(file)
    raw = path.read_bytes()
    assert b"sentence" not in raw
    bodies = {raw[at + 48 : at + 65] for at in range(HEADER_BYTES, len(raw), 17 + AROUND_BYTES)}
    assert len(bodies) == 20


def test_a_full_disk(path, monkeypatch):
    """Takes a part and then no more: nothing of it is in the file, and what comes later follows."""
    file, layout = opened(path)
    layout.append(file, b"before")
    size = path.stat().st_size
    real = os.pwrite

    def full(descriptor, data, offset):
        if offset > size:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:30], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        layout.append(file, b"lost" * 100)
    monkeypatch.setattr(os, "pwrite", real)
    assert path.stat().st_size == size
    layout.append(file, b" after")
    os.close(file)
    assert whole(path) == b"before after"


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_python_reads_and_writes_it(tmp_path_factory, data):
    """As any file of its own, buffered."""
    path = tmp_path_factory.getbasetemp() / "raw"
    file, layout = opened(path, most=4)
    plain = io.BytesIO()
    with io.BufferedRandom(RawFile(file, layout, writable=True), 64) as sealed:
        for _ in range(data.draw(st.integers(0, 12))):
            match data.draw(st.sampled_from(["read", "write", "seek", "truncate"])):
                case "read":
                    size = data.draw(st.integers(0, 100))
                    assert sealed.read(size) == plain.read(size)
                case "write":
                    piece = data.draw(st.binary(max_size=90))
                    assert sealed.write(piece) == plain.write(piece)
                case "seek":
                    at, whence = data.draw(st.integers(0, 300)), data.draw(st.sampled_from([0, 2]))
                    at = 0 if whence == 2 else at
                    assert sealed.seek(at, whence) == plain.seek(at, whence)
                case "truncate":
                    size = data.draw(st.integers(0, 300))
                    sealed.truncate(size)
                    plain.truncate(size) if size <= len(plain.getvalue()) else _grow(plain, size)
        assert sealed.tell() == plain.tell()
    assert whole(path) == plain.getvalue()


def _grow(plain, size):
    """A `BytesIO` does not grow by `truncate`, as files do."""
    at = plain.tell()
    plain.seek(0, 2)
    plain.write(bytes(size - plain.tell()))
    plain.seek(at)


def test_a_plain_file_is_itself(path):
    """The same verbs, on what is not encrypted."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    PLAIN.write(file, b"said", 2)
    PLAIN.append(file, b"!")
    PLAIN.finish(file)
    assert (PLAIN.size(file), PLAIN.read(file, 9, 0)) == (7, b"\0\0said!")
    PLAIN.truncate(file, 3)
    os.close(file)
    assert path.read_bytes() == b"\0\0s"
