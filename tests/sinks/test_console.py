import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from rtms_engine.errors import SinkError
from rtms_engine.sinks.console import ConsoleConfig, ConsoleSink, printable
from tests.sinks.items import ADA, AUDIO, CHAT, FINISHED, ITEMS, STREAM, STREAM_ID, TRANSCRIPT

pytestmark = pytest.mark.virtual_clock


async def shown(*batches, content=False, pause_s=0.0):
    """The lines that a stream of these batches makes, without the stream's id."""
    texts = []
    sink = ConsoleSink(ConsoleConfig(content=content), texts.append)
    await sink.open(STREAM)
    for batch in batches:
        await sink.write(batch)
        await asyncio.sleep(pause_s)  # virtual
    await sink.close(FINISHED)
    return [line.removeprefix(f"{STREAM_ID}  ") for line in "".join(texts).splitlines()]


async def test_counts_by_kind_and_no_word_of_the_meeting():
    assert await shown(ITEMS) == [
        "meeting begins",
        "audio 1  chat 1  event 2  share 1  transcript 1  video 1",
        "ended: MEETING_ENDED",
    ]


async def test_one_line_a_second():
    lines = await shown(*[[AUDIO]] * 10, pause_s=0.2)
    assert lines[1:-1] == ["audio 1", "audio 5", "audio 4"]


async def test_text_on_request():
    lines = await shown([TRANSCRIPT, CHAT], content=True)
    assert lines[1:3] == ["Ada: Good morning.", "Ada: Hello"]


async def test_a_speaker_without_a_name_is_a_number():
    segment = msgspec.structs.replace(TRANSCRIPT, speaker=msgspec.structs.replace(ADA, name=""))
    assert "16778240: Good morning." in await shown([segment], content=True)


def test_participants_do_not_steer_the_terminal():
    assert printable("\x1b[2JA\nda\u202e") == " [2JA da "


async def test_the_standard_output_is_where_it_goes(capsys):
    sink = ConsoleSink(ConsoleConfig())
    await sink.open(STREAM)
    assert capsys.readouterr().out == f"{STREAM_ID}  meeting begins\n"


@pytest.fixture
def only_readable():
    with Path("/dev/null").open() as file:
        yield file


async def test_an_output_that_does_not_take_it(monkeypatch, only_readable):
    monkeypatch.setattr(sys, "stdout", only_readable)
    with pytest.raises(SinkError, match="standard output"):
        await ConsoleSink(ConsoleConfig()).open(STREAM)
