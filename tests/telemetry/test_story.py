"""Logs become stories."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog

import rtms_engine
from rtms_engine.telemetry.story import (
    BEGINNING,
    LATEST,
    MOST_STREAMS,
    SENTENCES,
    Entry,
    StoryBook,
    hearing,
    told,
)
from rtms_engine.telemetry.tap import tap, untap


def entry(n: int) -> Entry:
    return Entry(n, "info", "ConnectionLost", f"number {n}")


def test_a_log_line_is_told_in_words() -> None:
    event = {
        "event": "ConnectionLost",
        "leg": "audio",
        "reason": "closed by the server with 1006.",
        "meaning": "",
    }
    assert told(event, "warning", 7) == Entry(
        7,
        "warning",
        "ConnectionLost",
        "The audio connection was lost: closed by the server with 1006.",
        "audio",
    )


def test_what_has_no_sentence_tells_its_name_and_nothing_else() -> None:
    """A field that nobody thought of must not get into a story."""
    assert told({"event": "NewThing", "name": "Ann"}, "info", 7).text == "NewThing"
    assert told({"event": "ConnectionLost"}, "info", 7).text == "The ? connection was lost: ?. ?"


def test_a_long_story_keeps_its_beginning_and_its_end() -> None:
    book = StoryBook()
    for n in range(BEGINNING + LATEST + 50):
        book.note("stream", entry(n))
    numbers = [one.at_ms for one in book.of("stream")]
    assert numbers[:BEGINNING] == list(range(BEGINNING))
    assert numbers[-LATEST:] == list(range(BEGINNING + 50, BEGINNING + 50 + LATEST))
    assert book.of("stream")[BEGINNING].text.startswith("50 entries")


def test_the_most_silent_story_is_forgotten_first() -> None:
    book = StoryBook()
    for n in range(MOST_STREAMS):
        book.note(str(n), entry(n))
    book.note("0", entry(1))
    book.note("new", entry(1))
    assert len(book.of("0")) == 2
    assert not book.of("1")
    book.forget("new")
    assert not book.of("new")


def test_it_hears_the_log() -> None:
    """With what is bound, whatever is written; and nothing without a stream, or of debugging."""
    book = StoryBook()
    hear = hearing(book.note, lambda: 5)
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, _swallow])
    tap(hear)
    tap(hear)
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(stream_id="stream"):
        log.warning("ConnectionRestored", leg="video")
        log.debug("ConnectionAttempted", leg="video")
    log.warning("EngineStarted")
    untap(hear)
    log.warning("ConnectionLost", stream_id="stream")
    assert book.of("stream") == (
        Entry(5, "warning", "ConnectionRestored", "The video connection is back.", "video"),
    )


def _swallow(_logger: Any, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


@cache
def logged() -> set[str]:
    """The texts in the package's code: events are logged by them, some by way of a variable."""
    paths = [path for path in Path(rtms_engine.__file__).parent.rglob("*.py") if path.name != "story.py"]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("event", sorted(SENTENCES))
def test_every_sentence_is_for_an_event_that_is_logged(event: str) -> None:
    assert event in logged()
