"""Sentences become subtitles that every player reads, corrections applied."""

from typing import Any

from rtms_engine.model.frames import (
    ChatMessage,
    ChatOperation,
    Speaker,
    TranscriptOperation,
    TranscriptSegment,
)
from rtms_engine.recording.text import (
    VTT_HEADER,
    ChatLine,
    Transcript,
    chat_as_it_stands,
    recall_words,
    speaker_timeline,
    srt,
    vtt,
)
from tests.recording.support import ANA, CEM, STREAM, T0

UPDATE, DELETE = TranscriptOperation.UPDATE, TranscriptOperation.DELETE


def said(text: str, start: int | None = 0, end: int | None = 500, **more: Any) -> TranscriptSegment:
    start_ms, end_ms = start if start is None else T0 + start, end if end is None else T0 + end
    speaker = more.pop("speaker", ANA)
    return TranscriptSegment(STREAM.stream_id, speaker, T0 + 900, 0.0, text, start_ms, end_ms, **more)


def name_of(speaker: Speaker) -> str:
    return speaker.name


def transcript_of(*segments: TranscriptSegment) -> Transcript:
    transcript = Transcript()
    for segment in segments:
        transcript.take(segment, T0)
    return transcript


def vtt_of(*segments: TranscriptSegment) -> str:
    return VTT_HEADER + vtt(transcript_of(*segments).in_order(), T0, name_of)


def test_cues_are_in_order_and_relative_to_t0() -> None:
    assert vtt_of(said("two", 3_661_001, 3_662_000), said("one", 10, 20)) == (
        "WEBVTT\n\n00:00:00.010 --> 00:00:00.020\n<v Ana Reader>one\n\n"
        "01:01:01.001 --> 01:01:02.000\n<v Ana Reader>two\n"
    )
    assert (
        srt(transcript_of(said("one", 10, 20)).in_order(), T0, name_of)
        == "1\n00:00:00,010 --> 00:00:00,020\nAna Reader: one\n"
    )


def test_corrections_replace_and_remove() -> None:
    cues = vtt_of(
        said("ten of clobs", sentence_id="a"),
        said("never said", sentence_id="b"),
        said("ten of clubs", None, None, sentence_id="a", operation=UPDATE),
        said("", sentence_id="b", operation=DELETE),
        said("seen first as an update", sentence_id="c", operation=UPDATE),
        said("deleted before it came", sentence_id="d", operation=DELETE),
    )
    assert [line.split(">", 1)[1] for line in cues.splitlines() if line.startswith("<v")] == [
        "ten of clubs",
        "seen first as an update",
    ]
    assert "00:00:00.000 --> 00:00:00.500\n<v Ana Reader>ten of clubs" in cues


def test_messages_without_an_id_are_independent() -> None:
    transcript = Transcript()
    lines = [
        transcript.take(said(text, sentence_id=sid), T0) for text, sid in [("a", ""), ("b", ""), ("c", "x")]
    ]
    again = transcript.take(said("d", sentence_id="x", operation=UPDATE), T0)
    assert [line.id for line in lines] == ["#1", "#2", "x"]
    assert (again.id, again.rev, again.start_ms) == ("x", 2, T0)


def test_text_cannot_break_out_of_its_cue() -> None:
    cues = vtt_of(said("1 < 2\n\n00:00 --> 00:01\n&\x00\u2028x", speaker=Speaker(1, "<b>\nEve")))
    assert cues.splitlines()[3:] == ["<v &lt;b&gt; Eve>1 &lt; 2 00:00 --&gt; 00:01 &amp; x"]


def test_a_missing_or_impossible_end_is_estimated() -> None:
    assert "00:00:00.900 --> 00:00:01.900" in vtt_of(said("short", None, None))
    assert "00:00:00.500 --> 00:00:07.500" in vtt_of(said("long " * 100, 500, 400))


def test_what_began_before_t0_begins_at_t0() -> None:
    assert "00:00:00.000 --> 00:00:00.500" in vtt_of(said("early", -3000, 500))
    assert "00:00:00.000 --> 00:00:00.001" in vtt_of(said("too early", -3000, -2000))


def test_a_sentence_says_where_its_start_comes_from() -> None:
    transcript = Transcript()
    untimed = said("untimed", None, None, is_timed=False)
    for segment in (said("timed"), said("only the message", None, None), untimed):
        transcript.take(segment, T0 + 77)
    assert [(line.placed, line.start_ms - T0) for line in transcript.in_order()] == [
        ("zoom", 0),
        ("neighbours", 77),
        ("message", 900),
    ]


def test_a_deleted_sentence_may_come_again() -> None:
    transcript = transcript_of(
        said("one", sentence_id="a"),
        said("", sentence_id="a", operation=DELETE),
        said("two", sentence_id="a", operation=UPDATE),
    )
    assert [(line.text, line.rev) for line in transcript.in_order()] == [("two", 3)]


def test_the_words_are_in_the_shape_of_recall() -> None:
    words = recall_words(
        transcript_of(said("hello there", 1500, 2250, language="en")).in_order(), T0, name_of
    )
    assert words == [
        {
            "participant": {
                "id": ANA.user_id,
                "name": ANA.name,
                "is_host": None,
                "platform": None,
                "extra_data": None,
                "email": None,
            },
            "language_code": "en",
            "granularity": "utterance",
            "words": [
                {
                    "text": "hello there",
                    "start_timestamp": {"relative": 1.5, "absolute": "2023-11-14T22:13:21.500Z"},
                    "end_timestamp": {"relative": 2.25, "absolute": "2023-11-14T22:13:22.250Z"},
                }
            ],
        }
    ]
    [unended] = recall_words(transcript_of(said("x", 0, None)).in_order(), T0, name_of)
    assert unended["words"][0]["end_timestamp"] is None


def test_the_speaker_timeline_has_no_holes_and_no_repetitions() -> None:
    changes = [(T0 + 4000, ANA), (T0, ANA), (T0 + 1000, CEM), (T0 + 2000, CEM), (T0 + 6000, Speaker())]
    turns = speaker_timeline(changes, T0 + 9000, T0, name_of)
    times = [
        (turn["participant"]["name"], turn["start_timestamp"]["relative"], turn["end_timestamp"]["relative"])
        for turn in turns
    ]
    assert times == [(ANA.name, 0, 1), (CEM.name, 1, 4), (ANA.name, 4, 6)]


def wrote(text: str, at: int, operation: ChatOperation = ChatOperation.NEW, **more: Any) -> ChatLine:
    speaker = more.pop("speaker", ANA)
    return ChatLine.of(ChatMessage(STREAM.stream_id, speaker, T0 + at, 0.0, text, operation, **more))


def test_the_chat_as_it_stands() -> None:
    pdf, png = {"file_id": "f1", "file_name": "a.pdf"}, {"file_id": "f2", "file_name": "b.png"}
    chat = chat_as_it_stands(
        [
            wrote("helo", 0, message_id="a", files=(pdf, png)),
            wrote("an answer", 1, message_id="b", parent_message_id="a", speaker=CEM),
            wrote("hello", 2, ChatOperation.UPDATE, message_id="a", deleted_file_ids=("f1",)),
            wrote("👍", 3, ChatOperation.ADD_REACTION, message_id="a", speaker=CEM),
            wrote("👍", 4, ChatOperation.ADD_REACTION, message_id="a", speaker=CEM),
            wrote("👎", 5, ChatOperation.ADD_REACTION, message_id="a"),
            wrote("👎", 6, ChatOperation.REMOVE_REACTION, message_id="a"),
            wrote("", 7, ChatOperation.DELETE, message_id="b"),
            wrote("too late", 8, ChatOperation.UPDATE, message_id="b"),
            wrote("", 9, ChatOperation.DELETE, message_id="never seen"),
            wrote("no id", 10),
            wrote("no id", 11),
        ],
        name_of,
    )
    assert [(m["id"], m["text"], m["thread_id"]) for m in chat] == [
        ("a", "hello", None),
        ("b", None, "a"),
        (None, "no id", None),
        (None, "no id", None),
    ]
    assert (chat[0]["files"], chat[0]["edited_ms"], chat[1]["deleted_ms"]) == ([png], T0 + 2, T0 + 7)
    thumb = {"emoji": "👍", "by": {"id": CEM.user_id, "name": CEM.name}, "at_ms": T0 + 4}
    assert chat[0]["reactions"] == [thumb]
