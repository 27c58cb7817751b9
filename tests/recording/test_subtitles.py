"""Subtitles can be read at any moment, and cost what is new and not what there is."""

from pathlib import Path

import pytest

from rtms_engine.model.frames import TranscriptOperation, TranscriptSegment
from rtms_engine.recording.folder import Folder
from tests.recording.support import ANA, END, STREAM, T0, folder_in, opened, ramp, sound


def said(number: int, text: str = "words", **more: object) -> TranscriptSegment:
    at_ms = T0 + 1000 * number
    return TranscriptSegment(
        STREAM.stream_id, ANA, at_ms, 0.0, f"{text} {number}", at_ms, at_ms + 900, **more
    )  # type: ignore[arg-type]


async def test_every_batch_is_readable_and_corrections_come_at_the_end(tmp_path: Path) -> None:
    sink = await opened(tmp_path)
    vtt, srt = (folder_in(tmp_path) / f"transcript.{kind}" for kind in ("vtt", "srt"))
    for number in range(1, 7):
        await sink.write([said(number, sentence_id=str(number))])
        assert vtt.read_text().startswith("WEBVTT\n\n00:00:01.000 --> ")
        assert vtt.read_text().count(" --> ") == number
        assert [block.splitlines()[0] for block in srt.read_text().split("\n\n")] == [
            str(n) for n in range(1, number + 1)
        ]
    update = TranscriptOperation.UPDATE
    await sink.write([said(6, "corrected", sentence_id="6", operation=update)])
    await sink.close(END)
    assert "corrected 6" in vtt.read_text()
    assert (vtt.read_text().count(" --> "), srt.read_text().count(" --> ")) == (6, 6)


async def test_they_follow_when_t0_moves(tmp_path: Path) -> None:
    sink = await opened(tmp_path)
    await sink.write([said(1)])
    await sink.write([sound(-500, ramp(1))])
    await sink.write([said(2)])
    vtt = folder_in(tmp_path) / "transcript.vtt"
    assert [line[:12] for line in vtt.read_text().splitlines() if "-->" in line] == [
        "00:00:01.500",
        "00:00:02.500",
    ]


@pytest.mark.parametrize("corrected", [False, True])
async def test_the_cost_grows_with_the_transcript_and_not_its_square(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corrected: bool
) -> None:
    written = 0

    def counting(method: object) -> object:
        def counted(self: Folder, name: str, data: bytes, **options: object) -> None:
            nonlocal written
            written += len(data) if name.endswith(("vtt", "srt")) else 0
            method(self, name, data, **options)  # type: ignore[operator]

        return counted

    for name in ("append", "replace"):
        monkeypatch.setattr(Folder, name, counting(getattr(Folder, name)))
    sink = await opened(tmp_path)
    for number in range(300):
        await sink.write([said(number, sentence_id=str(number))])
        if corrected:
            await sink.write(
                [said(number, "other", sentence_id=str(number), operation=TranscriptOperation.UPDATE)]
            )
    await sink.close(END)
    size = sum((folder_in(tmp_path) / f"transcript.{kind}").stat().st_size for kind in ("vtt", "srt"))
    assert written < 5 * size
