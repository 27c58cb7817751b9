"""Real speech, real H.264 and real pictures, through the simulator, the engine and the disk."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import Script, load_script
from tests.e2e.support import manifest_of, over, recording, zoom_and_engine
from tests.support.media import MEDIA, needs_media

pytestmark = [pytest.mark.virtual_clock, needs_media]

ANA = {"user_id": 16778240, "user_name": "Ana Reader"}
CEM = {"user_id": 16779264, "user_name": "Cem Dealer"}
SLIDES = [f"share-slide-{n}.jpg" for n in (1, 2, 3)]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """The meeting of the test media, with its camera, its slides, and a chat."""
    fields = json.loads((MEDIA / "meeting.json").read_text("utf-8"))
    fields |= {
        "folder": str(MEDIA),
        "video": [{**ANA, "start_ms": 2000, "file": "camera-360p25.h264", "fps": 25}],
        "share": [{**CEM, "start_ms": 5000, "end_ms": 14000, "fps": 1, "files": SLIDES}],
        "chat": [{**ANA, "at_ms": 3000, "text": "Hello ✋"}, {**CEM, "at_ms": 9000, "text": "<b>&"}],
    }
    path = tmp_path / "meeting.json"
    path.write_text(json.dumps(fields), "utf-8")
    return load_script(path)


def expected_pcm(script: Script, user_id: int) -> Any:
    """What a participant's file must hold, from the clips themselves."""
    pcm = np.zeros(script.duration_ms * 16, np.int16)
    for said in script.utterances:
        if said.user_id == user_id:
            clip, rate = soundfile.read(MEDIA / said.file, dtype="int16")
            assert rate == 16000
            pcm[said.start_ms * 16 : said.start_ms * 16 + len(clip)] = clip
    return pcm


@pytest.mark.parametrize("mode", ["split", "unified"])
async def test_all_of_it_and_nothing_else(script: Script, tmp_path: Path, mode: str) -> None:
    """Every sample at its place, every picture, every line, in both modes of connecting."""
    out = tmp_path / "out"
    async with zoom_and_engine(recording(out), mode=mode) as (zoom, engine):
        meeting = await zoom.start(script, engine.webhook_url)
        stats = await over(engine, meeting)
        assert stats.received == {kind: meeting.ledger.frames[kind] for kind in MediaKind}
        assert not stats.noise
        assert not meeting.ledger.client_errors
        assert meeting.ledger.keep_alives_sent.total() == len(meeting.ledger.answer_times_s) > 0
    folder, manifest = manifest_of(out, meeting)
    assert manifest["state"] == "done"

    voices = {}
    for user_id in (ANA["user_id"], CEM["user_id"]):
        voice, rate = soundfile.read(folder / "audio" / f"{user_id}.wav", dtype="int16")
        assert rate == 16000
        expected = expected_pcm(script, user_id)
        assert np.array_equal(voice, expected[: len(voice)])
        assert not expected[len(voice) :].any()
        voices[user_id] = np.pad(voice, (0, len(expected) - len(voice)))
    mix, _ = soundfile.read(folder / "audio" / "mixed.wav", dtype="int16")
    first, second = voices.values()
    alone = (first[: len(mix)] == 0) | (second[: len(mix)] == 0)
    assert np.array_equal(mix[alone], (first + second)[: len(mix)][alone])

    camera = folder / "video" / "camera-001.mp4"
    with av.open(camera) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
        assert len(packets) == 200
        times_ms = [round(1000 * packet.pts * packet.time_base) for packet in packets]
        assert times_ms == [2000 + 40 * n for n in range(200)]
    if shutil.which("ffprobe"):
        count = "-count_packets -show_entries stream=nb_read_packets -of default=nk=1:nw=1"
        command = ["ffprobe", "-v", "error", *count.split(), str(camera)]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "200"

    shared = sorted((folder / "share").iterdir())
    assert [path.read_bytes() for path in shared] == [(MEDIA / SLIDES[n // 3]).read_bytes() for n in range(9)]

    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text("utf-8").splitlines()]
    assert [line["text"] for line in lines] == [said.text for said in script.utterances if said.text]
    assert (folder / "transcript.vtt").read_text("utf-8").count(" --> ") == len(lines)
    chat = [json.loads(line) for line in (folder / "chat.jsonl").read_text("utf-8").splitlines()]
    assert [(line["speaker"]["name"], line["text"]) for line in chat] == [
        ("Ana Reader", "Hello ✋"),
        ("Cem Dealer", "<b>&"),
    ]
    present = json.loads((folder / "participants.json").read_text("utf-8"))
    assert sorted(person["name"] for person in present) == ["Ana Reader", "Cem Dealer"]
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {artefact["path"] for artefact in manifest["artefacts"]} | {"manifest.json"}
