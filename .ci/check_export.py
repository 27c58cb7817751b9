"""Opens what ``export`` made of the demo as a player would: exits non-zero, with the reason, if it is not right."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av

TRACKS = [
    ("video", "Camera", 525),
    ("audio", "Sound", 0),
    ("video", "Screen share", 14),
    ("subtitle", "Subtitles", 0),
]
"""Kind, name, and how many pictures a decoder gives out."""


def main(path: Path) -> None:
    """Check the file; what it must hold is what the demo's meeting holds."""
    with av.open(path) as movie:
        streams = [stream for stream in movie.streams if stream.type != "data"]
        assert [(s.type, s.metadata["handler_name"]) for s in streams] == [track[:2] for track in TRACKS]
        assert abs(movie.duration / 1e6 - 22) < 0.5, movie.duration
        titles = [chapter["metadata"]["title"] for chapter in movie.chapters()]
    assert titles[0] == "Start", titles
    assert {"Ada Park", "Ben Osei"} == set(titles[1:]), titles
    for number, (kind, name, pictures) in enumerate(TRACKS):
        with av.open(path) as movie:
            stream = movie.streams[number]
            if kind == "video":
                assert sum(1 for _ in movie.decode(stream)) == pictures, name
            elif kind == "audio":
                seconds = sum(frame.samples for frame in movie.decode(stream)) / stream.rate
                assert abs(seconds - 22) < 0.5, seconds
            else:
                texts = [bytes(packet)[2:].decode() for packet in movie.demux(stream) if packet.size > 2]
                assert len(texts) >= 8, texts
                assert all(text.startswith(("Ada Park: ", "Ben Osei: ")) for text in texts), texts
    if shutil.which("ffprobe") and shutil.which("ffmpeg"):
        check_with_ffmpeg(path)
    print(f"camera, sound, share, subtitles and {len(titles)} chapters: {path} is good")


def check_with_ffmpeg(path: Path) -> None:
    """FFmpeg's own tools see the same, and decode it without a complaint."""
    show = [
        "ffprobe",
        "-v",
        "error",
        "-of",
        "json",
        "-show_streams",
        "-show_chapters",
        "-show_format",
        str(path),
    ]
    seen = json.loads(subprocess.run(show, check=True, capture_output=True).stdout)
    codecs = [stream["codec_name"] for stream in seen["streams"] if stream["codec_type"] != "data"]
    assert codecs == ["h264", "aac", "h264", "mov_text"], codecs
    assert len(seen["chapters"]) > 2, seen["chapters"]
    assert abs(float(seen["format"]["duration"]) - 22) < 0.5, seen["format"]["duration"]
    play = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
    assert subprocess.run(play, check=True, capture_output=True).stderr == b""
    subtitles = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:s", "-f", "srt", "-"]
    assert subprocess.run(subtitles, check=True, capture_output=True).stdout.count(b" --> ") >= 8


if __name__ == "__main__":
    main(Path(sys.argv[1]))
