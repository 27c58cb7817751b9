"""Killed at any point of a deletion: the next engine completes it, and it is written down once.

``RTMS_KILL_STRIDE=1`` for every point.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STRIDE = os.environ.get("RTMS_KILL_STRIDE", "3")

PRELUDE = """
import os, shutil, signal, sys
from pathlib import Path

STRIDE = int(sys.argv[2])
TOUCHES = ("open", "os.rename", "os.remove", "os.rmdir", "os.truncate", "sqlite3.connect", "shutil.rmtree")

def killed_at(place, step, work):
    '''Do the work in a process that is killed at that touch of something below the place; whether it was.'''
    child = os.fork()
    if child == 0:
        left = [step]
        def hook(event, args):
            if event in TOUCHES and (event != "open" or str(args[0]).startswith(str(place))):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        work(place)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
"""

KEEPER = (
    PRELUDE
    + """
import asyncio
from collections import Counter
import msgspec
from rtms_engine.audit.log import AuditLog
from rtms_engine.capture.format import Head, Kind, encode_head
from rtms_engine.capture.store import CaptureStore
from rtms_engine.capture.tape import Tape
from rtms_engine.model.signals import AppDeauthorized
from rtms_engine.outbound.queue import Message, Queue
from rtms_engine.recording.store import RecordingStore
from rtms_engine.retention.keeper import Keeper
from rtms_engine.sinks import folders
from rtms_engine.sinks.folders import FolderStore
from rtms_engine.sinks.jsonl import SPEC, JsonlConfig, JsonlStore
from rtms_engine.sinks.outbox import OutboxStore, label
from tests.recording.support import END, STREAM, T0, ramp, record, sound

root = Path(sys.argv[1])
MINE = msgspec.structs.replace(STREAM, account_id="acc")
SIGNAL = AppDeauthorized("app", T0 + 1, "acc")
SINKS = {"recording", "jsonl", "raw", "webhook", "capture"}

def keeper(place):
    stores = {
        "recording": RecordingStore(place / "recordings"),
        "jsonl": JsonlStore(place / "jsonl"),
        "raw": FolderStore(place / "raw"),
        "webhook": OutboxStore(place / "queue.sqlite3"),
        "capture": CaptureStore(place / "captures"),
    }
    return Keeper(stores, {}, AuditLog(place / "state"), lambda: T0 + 5)

def begun(place):
    folder = record(place / "recordings", [sound(0, ramp(1))])
    async def lines():
        sink = SPEC.factory(JsonlConfig(place / "jsonl"))
        await sink.open(MINE)
        await sink.close(END)
    asyncio.run(lines())
    folders.prepare(place / "raw" / "s", MINE)
    (place / "raw" / "s" / "mixed.raw").write_bytes(b"sound")
    queue = Queue(place / "queue.sqlite3", 5)
    queue.put([Message("m", MINE.stream_id, b"text", label=label(MINE))], 1.0)
    queue.close()
    tape = Tape(place / "captures", MINE.stream_id, "none")
    tape.note(0.0, Kind.STREAM, "", 0, encode_head(Head(
        engine="0",
        unix_ms=T0,
        stream=MINE,
        unified=False,
        follow="active_speaker",
        buffer_data=True,
        is_late=False,
    )))
    tape.close()

def delete(place):
    one = keeper(place)
    number = one.deauthorization_requested(SIGNAL)
    if one.deauthorize(SIGNAL):
        one.deauthorization_completed(number)

def next_engine(place):
    one = keeper(place)
    one.complete()
    for number, signal in one.open_deauthorizations():
        if one.deauthorize(signal):
            one.deauthorization_completed(number)

def left(place):
    return {sink for sink, store in keeper(place)._stores.items() for kept in store.kept()}

template = root / "template"
begun(template)
assert left(template) == SINKS
step = 0
while True:
    place = root / str(step)
    shutil.copytree(template, place, symlinks=True)
    if not killed_at(place, step, delete):
        break
    heard = AuditLog(place / "state").entries()
    second = killed_at(place, step // 2, next_engine) if step % 2 else True  # killed once more
    next_engine(place)
    entries = AuditLog(place / "state").entries()
    counted = Counter((entry.action, entry.about.get("sink")) for entry in entries)
    if heard:  # else Zoom was not told that it was heard, and tells it again
        assert left(place) == set(), (step, left(place))
        assert [p.name for p in place.glob("recordings/*/*/*/*")] == ["manifest.json"], step
        for sink in SINKS:
            assert counted["stream_deleted", sink] == 1, (step, sink, counted)
        assert counted["app_deauthorized", None] == counted["deauthorization_completed", None] == 1, step
        assert not [p for p in place.rglob("*") if p.is_file() and b"sound" in p.read_bytes()], step
    before = len(entries)
    next_engine(place)
    assert len(AuditLog(place / "state").entries()) == before, step
    shutil.rmtree(place)
    step += STRIDE
print(step)
"""
)

REVOKED = (
    PRELUDE
    + """
import msgspec
from rtms_engine.recording.manifest import load_tombstone
from rtms_engine.recording.sink import SPEC, RecordingConfig
from tests.recording.support import REVOKED, STREAM, ramp, sound

root = Path(sys.argv[1])
AGAIN = msgspec.structs.replace(STREAM, resumed=True)

def taken_up(place):
    '''As an engine does that finds a stream in its journal which was revoked.'''
    sink = SPEC.factory(RecordingConfig(str(place)))
    sink._open(AGAIN)  # as its threads do: a child of fork has none
    sink._close(REVOKED)

def recording(place):
    sink = SPEC.factory(RecordingConfig(str(place)))
    sink._open(STREAM)
    sink._write([sound(0, ramp(1))])
    os.kill(os.getpid(), signal.SIGKILL)

template = root / "template"
assert killed_at(template, 10**6, recording)
step = 0
while True:
    place = root / str(step)
    shutil.copytree(template, place)
    if not killed_at(place, step, taken_up):
        break
    killed_at(place, step // 2, taken_up)
    taken_up(place)
    files = [path for path in place.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["manifest.json"], (step, files)
    assert load_tombstone(files[0].parent).cause == "revoked"
    folders = [path for path in place.glob("*/*/*")]
    assert len(folders) == 1, (step, folders)
    shutil.rmtree(place)
    step += STRIDE
print(step)
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children at chosen points")
@pytest.mark.parametrize(
    ("program", "least_steps"), [(KEEPER, 30), (REVOKED, 15)], ids=["deauthorized", "revoked"]
)
def test_every_step_can_be_the_last(tmp_path: Path, program: str, least_steps: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path, STRIDE],
        capture_output=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout.split()[-1]) >= least_steps
