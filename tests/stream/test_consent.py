"""Before media: asked, answered, recorded; and whose media no sink gets."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from rtms_engine.model.events import (
    ConsentDecided,
    MediaRefused,
    Participant,
    ParticipantExcluded,
    ParticipantJoined,
    ParticipantLeft,
)
from rtms_engine.model.frames import AudioFrame, ChatMessage, Speaker, TranscriptSegment, VideoFrame
from rtms_engine.model.media import AudioParams
from rtms_engine.stream.consent import Answer, Consent, Exclusion, NoAnswerError
from tests.stream.zoom import AStream, Zoom

pytestmark = pytest.mark.virtual_clock


def answering(answer, after_s=0.0):
    asked = []

    async def ask(stream):
        asked.append(stream.stream_id)
        await asyncio.sleep(after_s)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask, asked


@asynccontextmanager
async def at_work(*kinds, consent):
    stream = AStream(Zoom(), *kinds, consent=consent)
    yield stream
    await stream.stops()


def events(stream, kind):
    return stream.events(kind)


async def test_no_media_handshake_before_the_answer():
    """Signaling is joined meanwhile, and what comes over it is no medium yet."""
    ask, asked = answering(Answer(True, "notice-7"), after_s=5.0)
    async with at_work("audio", consent=Consent(ask)) as stream:
        await asyncio.sleep(4.0)
        assert [name for _, name in stream.zoom.attempts] == ["signaling"]
        stream.zoom.play(1, name="signaling")
        await asyncio.sleep(2.0)
        assert [name for _, name in stream.zoom.attempts] == ["signaling", "audio"]
        stream.zoom.play(2)
        await asyncio.sleep(1.0)
    assert len(asked) == 1
    [decided] = events(stream, ConsentDecided)
    assert (decided.allowed, decided.notice) == (True, "notice-7")
    [frame] = events(stream, AudioFrame)
    assert frame.payload.strip() == b"2"


@pytest.mark.parametrize(
    ("answer", "after_s", "detail"),
    [
        (Answer(False), 0.0, ""),
        (Answer(True), 60.0, "no answer within 10 s"),
        (NoAnswerError("the hook answered with HTTP 500"), 0.0, "the hook answered with HTTP 500"),
        (RuntimeError("secret"), 0.0, "the hook failed with RuntimeError"),
    ],
)
async def test_without_permission_there_are_no_media(answer, after_s, detail):
    """Denied, too late, failed: by default all the same, and said why."""
    ask, _ = answering(answer, after_s)
    async with at_work("audio", "transcript", consent=Consent(ask)) as stream:
        await asyncio.sleep(30.0)
        assert [name for _, name in stream.zoom.attempts] == ["signaling"]
        stream.zoom.play(1, name="signaling")
        await asyncio.sleep(1.0)
    [decided] = events(stream, ConsentDecided)
    assert (decided.allowed, decided.detail) == (False, detail)
    assert {refused.kind for refused in events(stream, MediaRefused)} == {"audio", "transcript"}
    assert not events(stream, AudioFrame)


async def test_without_an_answer_it_may_be_allowed():
    """If somebody has configured that."""
    ask, _ = answering(Answer(False), after_s=60.0)
    async with at_work("audio", consent=Consent(ask, otherwise="allow")) as stream:
        await asyncio.sleep(20.0)
        assert [name for _, name in stream.zoom.attempts] == ["signaling", "audio"]


async def test_a_stream_may_end_while_it_is_asked():
    """The question ends with it."""
    ask, _ = answering(Answer(True), after_s=9.0)
    async with at_work("audio", consent=Consent(ask)) as stream:
        await asyncio.sleep(1.0)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 8.0
    assert not events(stream, ConsentDecided)


async def test_nobody_who_is_excluded_reaches_a_sink():
    """By the hook's answer; said once, by number alone."""
    ask, _ = answering(Answer(True, exclude=("16778240",)))
    async with at_work("audio", consent=Consent(ask)) as stream:
        await asyncio.sleep(1.0)
        stream.zoom.play(1)
        stream.zoom.play(2, user_id=7)
        stream.zoom.play(3)
        await asyncio.sleep(1.0)
    assert [frame.speaker.user_id for frame in events(stream, AudioFrame)] == [7]
    assert [event.user_id for event in events(stream, ParticipantExcluded)] == [16778240]


def test_who_is_excluded():
    """By name in any case, by number, whatever the kind; and still after another name was taken."""
    ana, ben = Speaker(7, "Ana"), Speaker(8, "Ben")
    exclusion = Exclusion(["ANA ", "9"])

    def frames(speaker):
        yield AudioFrame("s", speaker, 0, 0.0, AudioParams(), b"x")
        yield VideoFrame("s", speaker, 0, 0.0, "h264", b"x")
        yield TranscriptSegment("s", speaker, 0, 0.0, "x")
        yield ChatMessage("s", speaker, 0, 0.0, "x")

    assert all(map(exclusion.covers, frames(ana)))
    assert not any(map(exclusion.covers, frames(ben)))
    assert all(map(exclusion.covers, frames(Speaker(7, "Somebody else"))))
    assert all(map(exclusion.covers, frames(Speaker(9))))
    exclusion.hear(ParticipantJoined(0, Participant(12, "ana")))
    assert all(map(exclusion.covers, frames(Speaker(12))))


def test_mixed_sound_is_everybodys():
    """So none of it is let through."""
    assert Exclusion(["Ana"]).covers(
        AudioFrame("s", Speaker(8, "Ben"), 0, 0.0, AudioParams(), b"x", mixed=True)
    )


def test_whom_somebody_asks_to_exclude():
    """By number; also after they left and came back under the same name with another one."""
    exclusion = Exclusion(["9"])
    chat = [
        ChatMessage("s", Speaker(user_id, name), 0, 0.0, "x") for user_id, name in ((7, "Ana"), (8, "Ben"))
    ]
    mixed = AudioFrame("s", Speaker(8, "Ben"), 0, 0.0, AudioParams(), b"x", mixed=True)
    exclusion.ask(7)
    assert [exclusion.covers(one) for one in chat] == [True, False]
    exclusion.hear(ParticipantLeft(0, Participant(7, "Ana")))
    assert exclusion.hear(ParticipantJoined(0, Participant(12, "ANA "))) == 12
    assert exclusion.hear(ParticipantJoined(0, Participant(13, "Ben"))) is None
    assert exclusion.covers(ChatMessage("s", Speaker(12, "Ana"), 0, 0.0, "x"))
    assert (exclusion.by(12), exclusion.by(9)) == ("request", "rule")
    exclusion.take_back(12)
    assert not exclusion.covers(ChatMessage("s", Speaker(12, "Ana"), 0, 0.0, "x"))
    exclusion.take_back(9)
    assert exclusion.covers(ChatMessage("s", Speaker(9, "Cem"), 0, 0.0, "x")), "a rule stays"
    assert exclusion.covers(mixed)
    nobody = Exclusion()
    nobody.ask(7)
    nobody.take_back(7)
    assert not nobody.covers(mixed)


def test_video_comes_back_with_a_key_picture():
    """Pictures that need what was dropped would be shown broken."""
    exclusion = Exclusion()
    exclusion.ask(7)
    exclusion.take_back(7)

    def picture(payload, codec="h264"):
        return VideoFrame("s", Speaker(7, "Ana"), 0, 0.0, codec, payload)

    assert exclusion.covers(picture(b"\0\0\0\1\x41later"))
    assert not exclusion.covers(picture(b"\xff\xd8", "jpg"))
    assert not exclusion.covers(picture(b"\0\0\0\1\x67sets\0\0\1\x65key"))
    assert not exclusion.covers(picture(b"\0\0\0\1\x41later"))
