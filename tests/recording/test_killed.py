"""Killed at any point of finishing or deleting a recording: whoever comes next completes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from rtms_engine.model.frames import ChatMessage, TranscriptSegment
from rtms_engine.recording import manifest
from rtms_engine.recording.folder import Folder
from rtms_engine.recording.recorder import Recorder
from rtms_engine.recording.recovery import recover
from rtms_engine.vault import files
from tests.vault.support import vault
from tests.recording.support import ANA, CEM, END, REVOKED, STREAM, T0, ramp, sound

root, ending = Path(sys.argv[1]), {"end": END, "erase": REVOKED}[sys.argv[2]]
if sys.argv[3] == "encrypted":
    files.unlock(vault(root / "keys", covers=(root,)))
TOUCHES = ("open", "os.rename", "os.remove", "os.rmdir", "os.truncate")

def begun(place):
    recorder = Recorder(Folder.create(place, STREAM), STREAM)
    recorder.write([
        sound(0, ramp(1)), sound(20, ramp(1), CEM),
        TranscriptSegment(STREAM.stream_id, ANA, T0 + 900, 0.0, "hello", T0, T0 + 900),
        ChatMessage(STREAM.stream_id, CEM, T0 + 5, 0.0, "hi", message_id="m1"),
    ])
    return recorder

def killed_at(place, step):
    '''Whether the process got as far as that in closing; the folder.'''
    child = os.fork()
    if child == 0:
        recorder, left = begun(place), [step]
        def hook(event, args):
            if event in TOUCHES and (event != "open" or str(args[0]).startswith(str(place))):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        recorder.close(ending, "")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)

step = 0
while killed_at(root / str(step), step):
    [folder] = (path.parent for path in (root / str(step)).glob("*/*/*/manifest.json"))
    before = manifest.load(folder)
    done = recover(folder)
    if ending is REVOKED and manifest.load_tombstone(folder):
        assert done is None and [path.name for path in folder.iterdir()] == ["manifest.json"], step
    elif before and before.state == "recording":
        assert done.state == "failed" and done.failure == manifest.ABANDONED, (step, done.failure)
    else:
        assert done.state == "done" and done.stop_reason.name == "MEETING_ENDED", (step, done)
    if done is not None:
        names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert {a.path for a in done.artefacts} == names - {"manifest.json", files.MARKER}, (step, names)
        assert {a.state for a in done.artefacts} == {"done"}, step
        again = (folder / "manifest.json").read_bytes()
        assert recover(folder) == done and (folder / "manifest.json").read_bytes() == again
    step += int(sys.argv[4])
print(step)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children at chosen points")
@pytest.mark.parametrize(("at_rest", "stride"), [("plain", 1), ("encrypted", 3)])
@pytest.mark.parametrize(("how", "least_steps"), [("end", 20), ("erase", 10)])
def test_every_step_can_be_the_last(
    tmp_path: Path, how: str, least_steps: int, at_rest: str, stride: int
) -> None:
    """Of what is encrypted every third: there are more."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, how, at_rest, str(stride)],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) >= least_steps
