"""Files as Zoom's samples write them."""

import stat

import av
import msgspec
import pytest

from rtms_engine.errors import SinkError
from rtms_engine.model.frames import TranscriptOperation
from rtms_engine.model.media import AudioParams, MediaParams, VideoParams
from rtms_engine.sinks.raw import RawConfig, RawSink
from tests.sinks.items import AUDIO, CHAT, FINISHED, ITEMS, REVOKED, SHARE, STREAM, T0_MS, TRANSCRIPT, VIDEO
from tests.support.media import MEDIA, needs_media


def changed(item, **changes):
    return msgspec.structs.replace(item, **changes)


def written(directory, *batches, stream=STREAM, ending=FINISHED):
    """The folder of a stream of these batches."""
    sink = RawSink(RawConfig(str(directory)))
    sink.open(stream)
    for batch in batches:
        sink.write(batch)
    sink.close(ending)
    return directory / stream.stream_id


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if path.is_file())


def test_the_files_of_a_stream(tmp_path):
    folder = written(tmp_path, ITEMS)
    assert files(folder) == [
        "16778240.raw",
        f"camera/{T0_MS}.jpg",
        "chat.jsonl",
        f"share/{T0_MS}.jpg",
        "transcript.jsonl",
        "transcript.srt",
        "transcript.txt",
        "transcript.vtt",
    ]
    assert (folder / "16778240.raw").read_bytes() == AUDIO.payload
    assert (folder / f"share/{T0_MS}.jpg").read_bytes() == SHARE.payload
    assert (folder / "transcript.txt").read_text() == "[00:00:00] Ada: Good morning.\n"
    assert "<v Ada>Good morning." in (folder / "transcript.vtt").read_text()


@pytest.mark.parametrize(
    ("codec", "suffix", "expected"),
    [
        ("l16", "raw", b"abab"),
        ("g711", "alaw", b"abab"),
        ("g722", "g722", b"abab"),
        ("opus", "opus", b"\0\2ab\0\2ab"),
    ],
)
def test_packets_lie_behind_each_other(tmp_path, codec, suffix, expected):
    frame = changed(AUDIO, params=AudioParams(codec=codec), payload=b"ab")
    folder = written(tmp_path, [frame], [frame, changed(frame, mixed=True)])
    assert (folder / f"16778240.{suffix}").read_bytes() == expected
    assert (folder / f"mixed.{suffix}").read_bytes() == expected[: len(expected) // 2]


def test_video_as_it_came(tmp_path):
    parts = [changed(VIDEO, codec="h264", payload=part) for part in (b"\0\0\0\1a", b"\0\0\0\1b")]
    share = changed(SHARE, codec="h264", payload=b"\0\0\0\1s")
    folder = written(tmp_path, [*parts, share])
    assert (folder / "combined.h264").read_bytes() == b"\0\0\0\1a\0\0\0\1b"
    assert (folder / "share.h264").read_bytes() == b"\0\0\0\1s"
    alone = changed(
        STREAM, stream_id="other", media=MediaParams(video=VideoParams(mode="single_participant"))
    )
    assert files(written(tmp_path, parts, stream=alone)) == ["16778240.h264"]


def test_two_pictures_of_one_millisecond_are_both_kept(tmp_path):
    assert len(files(written(tmp_path, [SHARE, SHARE]))) == 2


def test_a_stream_that_comes_back_is_appended(tmp_path):
    said = [changed(TRANSCRIPT, sentence_id="1"), AUDIO]
    written(tmp_path, said)
    more = changed(TRANSCRIPT, sentence_id="1", text="Good evening.", operation=TranscriptOperation.UPDATE)
    folder = written(tmp_path, [more, AUDIO], stream=changed(STREAM, resumed=True))
    assert len((folder / "16778240.raw").read_bytes()) == 2 * len(AUDIO.payload)
    assert (folder / "transcript.txt").read_text() == "[00:00:00] Ada: Good evening.\n"


def test_a_log_whose_last_line_is_cut_off(tmp_path):
    folder = written(tmp_path, [TRANSCRIPT])
    with (folder / "transcript.jsonl").open("ab") as file:
        file.write(b'{"id": "2", "rev')
    more = changed(TRANSCRIPT, text="Are you there?", timestamp_ms=T0_MS + 1000)
    for batch in ([more], []):
        written(tmp_path, *[batch][: len(batch)], stream=changed(STREAM, resumed=True))
        assert [line[-9:] for line in (folder / "transcript.txt").read_text().splitlines()] == [
            " morning.",
            "ou there?",
        ]


def test_a_revoked_stream_leaves_nothing(tmp_path):
    written(tmp_path, ITEMS, ending=REVOKED)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_revoked_when_it_is_over(tmp_path):
    written(tmp_path, ITEMS)
    written(tmp_path, stream=changed(STREAM, resumed=True), ending=REVOKED)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_batch_leaves_nothing_behind_and_comes_again(tmp_path):
    """A folder stands where the chat belongs; sound before it in the batch must not be there twice."""
    sink = RawSink(RawConfig(str(tmp_path)))
    sink.open(STREAM)
    sink.write([AUDIO])
    folder = tmp_path / STREAM.stream_id
    (folder / "chat.jsonl").mkdir()
    batch = [AUDIO, SHARE, TRANSCRIPT, CHAT]
    for _ in range(2):
        with pytest.raises(SinkError, match=r"cannot write to .*: Is a directory"):
            sink.write(batch)
    assert (folder / "16778240.raw").stat().st_size == 3200
    assert files(folder / "share") == []
    (folder / "chat.jsonl").rmdir()
    sink.write(batch)
    sink.close(FINISHED)
    assert (folder / "16778240.raw").stat().st_size == 6400
    assert (folder / "transcript.txt").read_text() == "[00:00:00] Ada: Good morning.\n"


@pytest.mark.parametrize("stream_id", ["../../etc/passwd", "a/b", "x" * 4096, "\u202eabc", ""])
def test_ids_stay_below_the_directory(tmp_path, stream_id):
    speaker = changed(AUDIO.speaker, channel_id="../../channel")
    stream = changed(STREAM, stream_id=stream_id)
    sink = RawSink(RawConfig(str(tmp_path / "raw")))
    sink.open(stream)
    sink.write([changed(AUDIO, speaker=speaker)])
    sink.close(FINISHED)
    assert list(tmp_path.iterdir()) == [tmp_path / "raw"]
    [path] = (tmp_path / "raw").rglob("*.raw")
    assert path.parent.parent == tmp_path / "raw"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_disk_that_does_not_let_us(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="cannot write to"):
        RawSink(RawConfig(str(tmp_path / "file"))).open(STREAM)


@needs_media
def test_real_video_can_be_played(tmp_path):
    [source] = sorted(MEDIA.rglob("*.h264"))[:1]
    data = source.read_bytes()[:400_000]
    frames = [
        changed(VIDEO, codec="h264", payload=data[at : at + 5_000]) for at in range(0, len(data), 5_000)
    ]
    folder = written(tmp_path, frames)
    with av.open(folder / "combined.h264") as container:
        assert sum(1 for _ in zip(range(10), container.decode(video=0), strict=False)) == 10
