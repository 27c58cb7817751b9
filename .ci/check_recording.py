"""Opens what the demo wrote as a player would: exits non-zero, with the reason, if it is not right."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import soundfile


def main(root: Path) -> None:
    """Check the one recording below ``root``."""
    (path,) = root.glob("*/*/*/manifest.json")
    manifest = json.loads(path.read_text("utf-8"))
    assert manifest["state"] == "done", manifest["state"]
    speakers = [p["user_id"] for p in manifest["participants"]]
    sounds = [path.parent / "audio" / f"{speaker}.wav" for speaker in speakers]
    for sound in [*sounds, path.parent / "audio" / "mixed.wav"]:
        check_sound(sound)
    check_video(path.parent / "video" / "camera-001.mp4", pictures=525, seconds=21.0)
    check_subtitles((path.parent / "transcript.vtt").read_text("utf-8"), cues=8)
    assert len(list((path.parent / "share").iterdir())) == 14
    assert len((path.parent / "chat.jsonl").read_text("utf-8").splitlines()) == 4
    print(f"{len(sounds)} voices, 525 pictures, 8 subtitles: the recording in {path.parent} is good")


def check_sound(path: Path) -> None:
    """It plays, is some 20 s long, and is not silence."""
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000, rate
    assert 19 < len(samples) / rate < 23, len(samples) / rate
    assert np.abs(samples).max() > 8000, "no voice"


def check_video(path: Path, pictures: int, seconds: float) -> None:
    """Every picture is there and can be decoded."""
    with av.open(path) as container:
        assert sum(1 for _ in container.decode(video=0)) == pictures
    if shutil.which("ffprobe"):
        fields = "stream=nb_read_packets,start_time:format=duration"
        command = [
            "ffprobe",
            "-v",
            "error",
            "-count_packets",
            "-show_entries",
            fields,
            "-of",
            "json",
            str(path),
        ]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert int(found["streams"][0]["nb_read_packets"]) == pictures
        begins = float(found["streams"][0]["start_time"])
        assert abs(float(found["format"]["duration"]) - begins - seconds) < 0.2


def check_subtitles(text: str, cues: int) -> None:
    """A WebVTT file with a voice in every cue."""
    header, *blocks = text.strip().split("\n\n")
    assert header == "WEBVTT", header
    assert len(blocks) == cues
    assert all(" --> " in block.splitlines()[0] and "<v " in block.splitlines()[1] for block in blocks)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
