"""A disk that is really full, and names and ids that want to be somewhere else."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.model.events import Participant, ParticipantJoined
from rtms_engine.model.frames import (
    AudioFrame,
    ChatMessage,
    ShareFrame,
    Speaker,
    TranscriptSegment,
    VideoFrame,
)
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams
from tests.recording.support import END, STREAM, T0, folder_in, manifest_of, opened, ramp

FULL = """
import asyncio, subprocess, sys
from pathlib import Path
from rtms_engine.errors import SinkError
from tests.recording.support import *

async def main(root):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", root], check=True, capture_output=True)
    sink = await opened(root)
    try:
        for n in range(200):
            await sink.write([sound(1000 * n + 20 * m, np.ones(320)) for m in range(50)])
    except SinkError as error:
        print(error)
    await sink.close(END)
    folder = folder_in(root)
    content = manifest_of(folder)
    print(content["state"], "|", content["failure"])
    print(len(samples_of(folder / f"audio/{ANA.user_id}.wav")) // 16000)
    print(*sorted({artefact["state"] for artefact in content["artefacts"]}))
    print(*sorted(path.name for path in folder.iterdir()))

asyncio.run(main(Path(sys.argv[1])))
"""


def may_mount(place: Path) -> bool:
    """In a mount namespace of its own, which ends with the process."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_what_a_full_disk_holds_is_finished(tmp_path: Path) -> None:
    """The space that was put aside at the beginning is there for the manifest."""
    if not may_mount(tmp_path):
        pytest.skip("nothing can be mounted here")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", FULL, tmp_path],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    sentence, state, seconds, states, names = done.stdout.decode().splitlines()
    assert sentence.endswith("No space left on device")
    assert state == f"failed | {sentence}"
    assert int(seconds) >= 20
    assert states == "done"
    assert names == "audio events.jsonl manifest.json participants.json"


WILD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "../../../etc/passwd",
            "/etc/passwd",
            "..",
            ".",
            "a/b\\c",
            "\x00\x07\r\n",
            "\u202egnp.exe",
            "x" * 4096,
            "CON",
            "~",
            "",
        ]
    ),
)
SAFE = re.compile(r"[A-Za-z0-9_=+~.-]{1,140}")


@settings(max_examples=25, deadline=None)
@given(st.lists(WILD, min_size=8, max_size=8), st.integers(0, 2**32))
def test_no_name_and_no_id_reaches_a_path(
    tmp_path_factory: pytest.TempPathFactory, wild: list[str], user_id: int
) -> None:
    """Through the whole recorder: meeting, stream, names, channels, chat, files, sentences."""
    root = tmp_path_factory.mktemp("world") / "root"
    entity, stream_id, name, channel, message_id, sentence_id, file_name, app = wild
    info = msgspec.structs.replace(
        STREAM, entity_id=entity, stream_id=StreamId(stream_id), app=app, meeting_id=entity, account_id=name
    )
    who = Speaker(user_id, name, channel_id=channel)
    sid, jpeg = info.stream_id, b"\xff\xd8\xff picture \xff\xd9"
    items = [
        ParticipantJoined(T0, Participant(user_id, name)),
        AudioFrame(sid, who, T0, 0.0, AudioParams(), ramp(1).tobytes()),
        ShareFrame(sid, who, T0, 0.0, "jpg", jpeg),
        VideoFrame(sid, who, T0, 0.0, "jpg", jpeg),
        TranscriptSegment(sid, who, T0, 0.0, name, T0, T0 + 1, sentence_id=sentence_id, language=channel),
        ChatMessage(
            sid,
            who,
            T0,
            0.0,
            name,
            message_id=message_id,
            parent_message_id=entity,
            session_id=channel,
            files=({"file_id": file_name, "file_name": file_name},),
        ),
    ]

    async def play() -> None:
        sink = await opened(root, info)
        await sink.write(items)
        await sink.close(END)

    asyncio.run(play())
    assert list(root.parent.iterdir()) == [root]
    for path in root.rglob("*"):
        assert path.resolve() == path.absolute()
        assert all(SAFE.fullmatch(part) for part in path.relative_to(root).parts), path
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert manifest_of(folder_in(root))["state"] == "done"
