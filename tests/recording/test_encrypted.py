"""Recordings with a key of their own: nothing of them is in plain, and decrypted they are as without."""

import hashlib
import json
import re

import pytest

from rtms_engine.errors import SinkError, VaultError
from rtms_engine.export.source import read
from rtms_engine.model.events import Participant, ParticipantJoined
from rtms_engine.model.frames import ChatMessage, TranscriptSegment, VideoFrame
from rtms_engine.recording import manifest
from rtms_engine.recording.decryption import decrypt
from rtms_engine.recording.glimpse import Looker
from rtms_engine.recording.library import Library, files_in
from rtms_engine.recording.recovery import recover
from rtms_engine.recording.sink import SPEC, RecordingConfig
from rtms_engine.recording.store import RecordingStore
from rtms_engine.vault import files
from tests.recording.support import (
    ANA,
    CEM,
    END,
    REVOKED,
    STREAM,
    T0,
    encoded_pictures,
    folder_in,
    folders_in,
    killed,
    opened,
    picture,
    ramp,
    recorded,
    sound,
)
from tests.vault.support import MASTER, OTHER, vault

PNG = b"\x89PNG\r\n\x1a\n" + b"a picture that is none"
PICTURES = encoded_pictures([40, 90, 140, 190] * 4)


def batches():
    """Voices one after the other and at once, late ones too; pictures, sentences, chat, names."""
    said = TranscriptSegment(STREAM.stream_id, ANA, T0 + 900, 0.0, "the secret sentence", T0, T0 + 900)
    wrote = ChatMessage(STREAM.stream_id, CEM, T0 + 5, 0.0, "the secret message", message_id="m1")
    return [
        [
            ParticipantJoined(T0, Participant(ANA.user_id, ANA.name)),
            *(sound(20 * n, ramp(320 * n + 1)) for n in range(20)),
            *(picture(40 * n, unit) for n, unit in enumerate(PICTURES[:8])),
        ],
        [said, wrote, sound(100, ramp(5), CEM), VideoFrame(STREAM.stream_id, CEM, T0 + 500, 0.0, "png", PNG)],
        [sound(-40, ramp(9), CEM), *(sound(2000 + 20 * n, ramp(7)) for n in range(5))],
        [picture(40 * n, unit) for n, unit in enumerate(PICTURES) if n >= 8],
    ]


SECRETS = (b"Ana Reader", b"Cem Dealer", b"secret sentence", b"secret message", PNG, PICTURES[0][20:60])


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def assert_hidden(root):
    """No name, no sentence, no sample, no picture anywhere below."""
    for path, content in contents(root).items():
        for secret in (*SECRETS, ramp(321).tobytes()[:64]):
            assert secret not in content, path
        assert not re.search(rb"[0-9a-f]{64}", content), f"{path}: a checksum tells what something is"


def decrypted(source, target):
    done = list(decrypt(source, target))
    assert [one for one in done if one.problem] == []
    return target


@pytest.fixture
def root(tmp_path):
    return tmp_path / "recordings"


@pytest.fixture
def unlocked(tmp_path, root):
    """A vault that covers the recordings."""
    with files.unlocked(made := vault(tmp_path / "keys", covers=(root,))):
        yield made


@pytest.mark.parametrize("sound_format", ["wav", "flac", "opus"])
async def test_decrypted_it_is_what_a_plain_one_is(tmp_path, root, unlocked, sound_format):
    """Byte by byte, the manifest too; and in between nothing shines through."""
    plain = tmp_path / "plain"
    for place in (root, plain):
        sink = SPEC.factory(RecordingConfig(str(place), format=sound_format))
        await sink.open(STREAM)
        for batch in batches():
            await sink.write(batch)
        if place is root:
            assert_hidden(root)
        await sink.close(END)
    assert_hidden(root)
    [key] = (tmp_path / "keys").glob("*.key")
    assert key.stat().st_mode & 0o777 == 0o600
    expected = contents(folder_in(plain))
    assert any(secret in b"".join(expected.values()) for secret in SECRETS)
    if sound_format == "opus":  # its packets have a random serial number
        expected = {name: content for name, content in expected.items() if not name.endswith(".opus")}
    target = decrypted(folder_in(root), tmp_path / "out")
    found = contents(target)
    if sound_format == "opus":
        for one in (found, expected):
            del one["manifest.json"]
    assert {name: found[name] for name in expected} == expected


async def test_who_has_the_key_sees_everything(tmp_path, root, unlocked):
    """The library, the manifest, the glimpse and the export; and sizes are those of the plain files."""
    folder = await recorded(root, *batches())
    left = manifest.load(folder)
    assert {one.name for one in left.participants} == {"Ana Reader", "Cem Dealer"}
    assert all(one.sha256 for one in left.artefacts)
    for one in left.artefacts:
        content = files.read(folder / one.path)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one.bytes, one.sha256)
        assert dict(files_in(folder))[one.path] == one.bytes
        assert files.verify(folder / one.path)
    [found] = Library().recordings([root])
    assert {one.name for one in found.card.participants} == {"Ana Reader", "Cem Dealer"}
    film = await recorded(root / "film", [picture(40 * n, unit) for n, unit in enumerate(PICTURES)])
    assert Looker().newest(film, "video").at_ms == T0 + 600
    assert [cue.text for cue in read(folder).cues] == ["the secret sentence"]


async def test_without_the_key_it_is_known_and_not_read(tmp_path, root, unlocked):
    """It can be listed and looked after; reading says what is missing, and nothing is lost."""
    folder = await recorded(root, *batches())
    before = contents(folder)
    files.lock(unlocked)
    locked = vault(tmp_path / "keys", OTHER, covers=(root,))
    for known, said in ((None, "no key is configured"), (locked, f"the master key {MASTER.id} .* not given")):
        with files.unlocked(known):
            left = manifest.load(folder)
            assert (left.state, left.rtms_stream_id) == ("done", STREAM.stream_id)
            assert {one.name for one in left.participants} == {""}
            [kept] = RecordingStore(root).kept()
            assert kept.app == "app"
            [found] = Library().recordings([root])
            assert found.card.state == "done"
            with pytest.raises(VaultError, match=said):
                files.read(folder / "transcript.jsonl")
            with pytest.raises(VaultError, match="set \\[encryption\\] key_file"):
                list(decrypt(folder, tmp_path / "no"))
            assert recover(folder) == left
    files.unlock(unlocked)
    assert contents(folder) == before
    decrypted(folder, tmp_path / "out")


async def test_a_resumed_stream_goes_on(tmp_path, root, unlocked):
    """In the same folder with the same key, as in plain."""
    plain = tmp_path / "plain"
    first, *rest = batches()
    again = STREAM.__class__(**{**{f: getattr(STREAM, f) for f in STREAM.__struct_fields__}, "resumed": True})
    for place in (root, plain):
        await killed(place, first)
        sink = await opened(place, again)
        for batch in rest:
            await sink.write(batch)
        await sink.close(END)
    assert_hidden(root)
    assert contents(decrypted(folder_in(root), tmp_path / "out")) == contents(folder_in(plain))
    assert len(list((tmp_path / "keys").glob("*.key"))) == 1


async def test_what_was_begun_in_plain_is_encrypted_when_it_goes_on(tmp_path, root):
    """With what was there until then."""
    first, *rest = batches()
    again = STREAM.__class__(**{**{f: getattr(STREAM, f) for f in STREAM.__struct_fields__}, "resumed": True})
    await killed(root, first)
    with files.unlocked(vault(tmp_path / "keys", covers=(root,))):
        sink = await opened(root, again)
        assert_hidden(root)
        for batch in rest:
            await sink.write(batch)
        await sink.close(END)
        assert_hidden(root)
        out = decrypted(folder_in(root), tmp_path / "out")
    assert len((out / "transcript.jsonl").read_bytes().splitlines()) == 1
    assert json.loads((out / "manifest.json").read_bytes())["state"] == "done"


async def test_a_resumed_stream_whose_key_is_not_there(tmp_path, root, unlocked):
    """Goes to another folder; the first one waits for its key."""
    first, *rest = batches()
    again = STREAM.__class__(**{**{f: getattr(STREAM, f) for f in STREAM.__struct_fields__}, "resumed": True})
    await killed(root, first)
    files.lock(unlocked)
    with files.unlocked(vault(tmp_path / "keys", OTHER, covers=(root,))):
        sink = await opened(root, again)
        for batch in rest:
            await sink.write(batch)
        await sink.close(END)
    files.unlock(unlocked)
    one, _ = folders_in(root)
    assert manifest.load(one).state == "recording"
    assert recover(one).state == "failed"
    assert_hidden(root)
    decrypted(one, tmp_path / "out")


async def test_deleted_means_the_key_is_gone(tmp_path, root, unlocked):
    """First of all: a copy of the folder is worth nothing from then on."""
    folder = await recorded(root, *batches())
    copy = tmp_path / "backup"
    copy.mkdir()
    for name, content in contents(folder).items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(content)
    decrypted(copy, tmp_path / "before")
    store = RecordingStore(root)
    [kept] = store.kept()
    count, _ = store.delete(kept, "requested", T0)
    assert count == len(contents(copy)) - 1
    assert list((tmp_path / "keys").iterdir()) == []
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    assert manifest.load_tombstone(folder).cause == "requested"
    with pytest.raises(VaultError, match="has deleted this") as raised:
        list(decrypt(copy, tmp_path / "after"))
    assert raised.value.is_gone


async def test_revoked_means_the_key_is_gone(tmp_path, root, unlocked):
    folder = await recorded(root, *batches(), ending=REVOKED)
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    assert list((tmp_path / "keys").iterdir()) == []


async def test_a_file_that_was_changed_or_cut(tmp_path, root, unlocked):
    """Is said to be; the others are decrypted."""
    folder = await recorded(root, *batches())
    changed, cut, replaced = (folder / name for name in ("events.jsonl", "audio/mixed.wav", "chat.json"))
    raw = bytearray(changed.read_bytes())
    raw[200] ^= 1
    changed.write_bytes(raw)
    cut.write_bytes(cut.read_bytes()[:-64])
    replaced.write_bytes(b"[]")
    done = {one.path.name: one.problem for one in decrypt(folder, tmp_path / "out")}
    assert "was changed" in done.pop("events.jsonl")
    assert done.pop("mixed.wav") == "something is missing at its end"
    assert "is not encrypted" in done.pop("chat.json")
    assert set(done.values()) == {""}


async def test_no_key_can_be_made(tmp_path, root, unlocked):
    """Then nothing is recorded, rather than in plain."""
    (tmp_path / "keys").write_bytes(b"not a directory")
    with pytest.raises(SinkError, match="cannot write"):
        await opened(root)
    assert folders_in(root) == []
