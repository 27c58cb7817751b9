"""What is over is deleted, everything else stays, and every deletion is written down."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from rtms_engine.audit.log import AuditLog
from rtms_engine.model.frames import TranscriptSegment
from rtms_engine.model.ids import StreamId
from rtms_engine.model.retention import Retention
from rtms_engine.model.signals import AppDeauthorized
from rtms_engine.recording.store import RecordingStore
from rtms_engine.retention.keeper import Keeper
from rtms_engine.sinks.folders import FolderStore
from rtms_engine.sinks.jsonl import SPEC, JsonlConfig, JsonlStore
from rtms_engine.vault import files
from tests.recording.support import ANA, END, REVOKED, STREAM, T0, manifest_of, opened, ramp, sound
from tests.vault.support import vault as encrypting

DAY_MS = 86_400_000
SAID = TranscriptSegment(STREAM.stream_id, ANA, T0, 0.0, "secret", T0, T0 + 900)


class World:
    """Two storing sinks, an audit log, and a clock."""

    def __init__(self, root: Path, **policies: Retention) -> None:
        self.root = root
        self.now_ms = T0
        self.audit = AuditLog(root / "state")
        self.stores = {
            "recording": RecordingStore(root / "recordings"),
            "jsonl": JsonlStore(root / "jsonl"),
        }
        self.keeper = Keeper(self.stores, policies, self.audit, lambda: self.now_ms, self.captures)

    def captures(self, stream_id: StreamId) -> list[Path]:
        return sorted((self.root / "captures").glob(f"{stream_id}.*"))

    def record(self, stream_id: str, app: str = "app", account_id: str = "", started_ms: int = T0) -> None:
        info = msgspec.structs.replace(
            STREAM, stream_id=StreamId(stream_id), app=app, account_id=account_id, started_ms=started_ms
        )
        asyncio.run(self._record(info))

    async def _record(self, info) -> None:
        lines = SPEC.factory(JsonlConfig(self.root / "jsonl"))
        for sink in (await opened(self.root / "recordings", info), lines):
            if sink is lines:
                await sink.open(info)
            await sink.write([sound(0, ramp(1)), SAID])
            await sink.close(END)

    def left(self) -> dict[str, set[str]]:
        return {name: {str(kept.stream_id) for kept in store.kept()} for name, store in self.stores.items()}

    def audited(self) -> list[tuple[str, object]]:
        """But for what is written down before."""
        lines = [(entry.action, entry.about.get("stream_id")) for entry in self.audit.entries()]
        return [line for line in lines if line[0] not in ("deletion_begun", "deletion_failed")]


def test_days_are_counted_from_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, app=Retention(2), other=Retention())
    world.record("s1")
    world.record("s2", app="other")
    world.now_ms = END.timestamp_ms + 2 * DAY_MS - 1
    assert world.keeper.sweep() == []
    world.now_ms += 1
    assert [r.kept.stream_id for r in world.keeper.sweep(dry_run=True)] == ["s1"]
    assert world.left()["recording"] == {"s1", "s2"}
    [removal] = world.keeper.sweep()
    assert (removal.sink, removal.files > 5, removal.bytes > 640) == ("recording", True, True)
    assert world.left()["recording"] == {"s2"}
    assert world.audited() == [("stream_deleted", "s1")]
    [folder] = (tmp_path / "recordings").glob("*/*/s1")
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    tombstone = manifest_of(folder)
    assert (tombstone["state"], tombstone["cause"]) == ("deleted", "retention")
    assert b"Ana" not in (folder / "manifest.json").read_bytes()
    assert world.keeper.sweep() == []


def test_files_of_lines_are_as_old_as_their_last_one(tmp_path: Path) -> None:
    world = World(tmp_path, app=Retention(1))
    world.record("s1")
    world.now_ms = int((tmp_path / "jsonl/s1.jsonl").stat().st_mtime * 1000) + DAY_MS
    assert {removal.sink for removal in world.keeper.sweep()} == {"recording", "jsonl"}
    assert world.left() == {"recording": set(), "jsonl": set()}


async def test_what_runs_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path, app=Retention(0))
    sink = await opened(tmp_path / "recordings")
    await sink.write([sound(0, ramp(1))])
    world.now_ms = T0 + 10**12
    assert world.keeper.sweep() == []  # locked
    assert world.keeper.sweep({STREAM.stream_id}) == []
    await sink.close(END)
    assert len(world.keeper.sweep()) == 1


def test_an_account_that_removes_the_app(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.record("mine", account_id="acc")
    world.record("nobody knows whose")
    world.record("of another account", account_id="other")
    world.record("of another app", app="other", account_id="acc")
    world.record("later", account_id="acc", started_ms=T0 + 10_000_000)
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures/mine.rtmscap").write_bytes(b"wire")
    signal = AppDeauthorized("app", T0 + 9_000_000, "acc", "user")
    number = world.keeper.deauthorization_requested(signal)
    assert world.keeper.open_deauthorizations() == [(number, signal)]
    assert world.keeper.deauthorize(signal)
    world.keeper.deauthorization_completed(number)
    assert world.keeper.open_deauthorizations() == []
    stay = {"of another account", "of another app", "later"}
    assert world.left() == {"recording": stay, "jsonl": stay}
    assert not (tmp_path / "captures/mine.rtmscap").exists()
    assert len(world.audited()) == 6


async def test_what_cannot_be_deleted_stays_promised(tmp_path: Path) -> None:
    world = World(tmp_path)
    sink = await opened(tmp_path / "recordings")
    signal = AppDeauthorized("app", T0 + 1, "acc")
    assert not world.keeper.deauthorize(signal)
    await sink.close(END)
    assert world.keeper.deauthorize(signal)


def test_a_deletion_that_was_begun_is_completed(tmp_path: Path) -> None:
    world = World(tmp_path, app=Retention(1))
    world.record("s1")
    [folder] = (tmp_path / "recordings").glob("*/*/s1")
    kept_before = (folder / "events.jsonl").read_bytes()
    world.now_ms = T0 + 9 * DAY_MS
    world.keeper.sweep()
    (folder / "audio").mkdir()
    (folder / "audio/1.wav").write_bytes(kept_before or b"x")
    world.keeper.sweep()
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(("ending", "actions"), [(END, {"stream_stored"}), (REVOKED, {"stream_erased"})])
def test_the_end_of_a_stream_is_written_down(tmp_path: Path, ending, actions) -> None:
    world = World(tmp_path)
    world.record("s1")
    world.keeper.stream_ended(msgspec.structs.replace(STREAM, stream_id=StreamId("s1")), ending)
    assert {action for action, _ in world.audited()} == actions
    content = world.audit.path.read_bytes()
    assert b"secret" not in content and b"Ana" not in content


class Unreadable(JsonlStore):
    """Of a disk that has gone bad."""

    def kept(self):
        yield from super().kept()
        raise OSError(5, "Input/output error")

    def proof(self, stream):
        raise OSError(5, "Input/output error")


def test_a_store_that_cannot_be_read_hides_nothing_of_another(tmp_path: Path) -> None:
    """Neither ends the sweep; but an account's deletion is not called complete."""
    world = World(tmp_path, app=Retention(1))
    world.record("s1", account_id="acc")
    world.record("s2", account_id="acc")
    world.stores = {"bad": Unreadable(tmp_path / "jsonl"), **world.stores}
    keeper = Keeper(world.stores, {"app": Retention(1)}, world.audit, lambda: world.now_ms)
    world.now_ms = END.timestamp_ms + DAY_MS
    with capture_logs() as said:
        assert {removal.sink for removal in keeper.sweep()} == {"recording"}
        assert not keeper.deauthorize(AppDeauthorized("app", T0 + 1, "acc"))
        assert keeper.delete_stream(StreamId("s1"), "somebody") == ([], False)
        keeper.stream_ended(STREAM, END)
    assert [one["event"] for one in said if one["log_level"] == "error"][-1] == "AuditFailed"
    assert {one["reason"] for one in said if one["event"] == "DeletionFailed"} == {"Input/output error"}
    assert world.audited()[0] == ("stream_deleted", "s1")


def test_an_erasure_is_written_down_once_however_often_a_stream_is_taken_up(tmp_path: Path) -> None:
    """By an engine that was killed before its journal knew, and by the next."""
    world = World(tmp_path)
    world.keeper.stream_ended(STREAM, REVOKED)
    again = msgspec.structs.replace(STREAM, resumed=True)
    world.keeper.stream_ended(again, REVOKED)
    other = msgspec.structs.replace(again, stream_id=StreamId("s2"))
    world.keeper.stream_ended(other, REVOKED)
    assert world.audited() == [("stream_erased", STREAM.stream_id), ("stream_erased", "s2")]


NOT_OURS = [b'{"stream_id":"\xff"}\n', b"[" * 200_000, b'{"a":' * 200_000, b"no line of ours\n", b""]


@pytest.mark.parametrize("content", NOT_OURS, ids=["latin", "deep", "nested", "text", "empty"])
def test_what_somebody_else_has_put_there_ends_no_sweep(tmp_path: Path, content: bytes) -> None:
    world = World(tmp_path, app=Retention(1))
    world.record("s1")
    (tmp_path / "jsonl/a.jsonl").write_bytes(content)
    (tmp_path / "raw/other").mkdir(parents=True)
    (tmp_path / "raw/other/.stream.json").write_bytes(content)
    stores = {**world.stores, "raw": FolderStore(tmp_path / "raw")}
    keeper = Keeper(stores, {"app": Retention(1)}, None, lambda: END.timestamp_ms + 10**12)
    assert {removal.sink for removal in keeper.sweep()} == {"recording", "jsonl"}
    assert (tmp_path / "jsonl/a.jsonl").read_bytes() == content


def test_a_file_that_is_locked_keeps_a_promise_open(tmp_path: Path) -> None:
    """Whose it is nobody can say without its key; with the key it goes, and so does its key."""
    world = World(tmp_path)
    world.record("plain", account_id="acc")
    vault = encrypting(tmp_path / "keys", covers=(tmp_path / "jsonl",))
    with files.unlocked(vault):
        world.record("locked", account_id="acc")
    assert files.is_encrypted(tmp_path / "jsonl/locked.jsonl")
    signal = AppDeauthorized("app", T0 + 1, "acc")
    assert not world.keeper.deauthorize(signal)
    assert [path.name for path in (tmp_path / "jsonl").iterdir()] == ["locked.jsonl"]
    with files.unlocked(vault):
        assert world.keeper.deauthorize(signal)
    assert list((tmp_path / "jsonl").iterdir()) == []
