"""Sentences become subtitles that every player reads, corrections applied."""

from typing import Any

from rtms_engine.model.frames import Speaker, TranscriptOperation, TranscriptSegment
from rtms_engine.recording.text import Transcript
from tests.recording.support import ANA, STREAM, T0

UPDATE, DELETE = TranscriptOperation.UPDATE, TranscriptOperation.DELETE


def said(text: str, start: int | None = 0, end: int | None = 500, **more: Any) -> TranscriptSegment:
    start_ms, end_ms = start if start is None else T0 + start, end if end is None else T0 + end
    speaker = more.pop("speaker", ANA)
    return TranscriptSegment(STREAM.stream_id, speaker, T0 + 900, 0.0, text, start_ms, end_ms, **more)


def transcript_of(*segments: TranscriptSegment) -> Transcript:
    transcript = Transcript()
    for segment in segments:
        transcript.take(segment)
    return transcript


def vtt_of(*segments: TranscriptSegment) -> str:
    return transcript_of(*segments).vtt(T0, lambda speaker: speaker.name)


def test_cues_are_in_order_and_relative_to_t0() -> None:
    assert vtt_of(said("two", 3_661_001, 3_662_000), said("one", 10, 20)) == (
        "WEBVTT\n\n00:00:00.010 --> 00:00:00.020\n<v Ana Reader>one\n\n"
        "01:01:01.001 --> 01:01:02.000\n<v Ana Reader>two\n"
    )
    srt = transcript_of(said("one", 10, 20)).srt(T0, lambda speaker: speaker.name)
    assert srt == "1\n00:00:00,010 --> 00:00:00,020\nAna Reader: one\n"


def test_corrections_replace_and_remove() -> None:
    vtt = vtt_of(
        said("ten of clobs", sentence_id="a"),
        said("never said", sentence_id="b"),
        said("ten of clubs", None, None, sentence_id="a", operation=UPDATE),
        said("", sentence_id="b", operation=DELETE),
        said("seen first as an update", sentence_id="c", operation=UPDATE),
        said("deleted before it came", sentence_id="d", operation=DELETE),
    )
    assert [line.split(">", 1)[1] for line in vtt.splitlines() if line.startswith("<v")] == [
        "ten of clubs",
        "seen first as an update",
    ]
    assert "00:00:00.000 --> 00:00:00.500\n<v Ana Reader>ten of clubs" in vtt


def test_messages_without_an_id_are_independent() -> None:
    transcript = Transcript()
    lines = [transcript.take(said(text, sentence_id=sid)) for text, sid in [("a", ""), ("b", ""), ("c", "x")]]
    again = transcript.take(said("d", sentence_id="x", operation=UPDATE))
    assert [line.id for line in lines] == ["#1", "#2", "x"]
    assert (again.id, again.revision, again.start_ms) == ("x", 2, T0)


def test_text_cannot_break_out_of_its_cue() -> None:
    vtt = vtt_of(said("1 < 2\n\n00:00 --> 00:01\n&\x00\u2028x", speaker=Speaker(1, "<b>\nEve")))
    assert vtt.splitlines()[3:] == ["<v &lt;b&gt; Eve>1 &lt; 2 00:00 --&gt; 00:01 &amp; x"]


def test_a_missing_or_impossible_end_is_estimated() -> None:
    assert "00:00:00.900 --> 00:00:01.900" in vtt_of(said("short", None, None))
    assert "00:00:00.500 --> 00:00:07.500" in vtt_of(said("long " * 100, 500, 400))


def test_what_began_before_t0_begins_at_t0() -> None:
    assert "00:00:00.000 --> 00:00:00.500" in vtt_of(said("early", -3000, 500))
    assert "00:00:00.000 --> 00:00:00.001" in vtt_of(said("too early", -3000, -2000))
