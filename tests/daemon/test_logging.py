import io
import json
import logging

import pytest
import structlog

from rtms_engine.daemon.logging import configure, is_sensitive


@pytest.fixture
def logged():
    """Configures logging; afterwards gives the lines that were written."""
    stream = io.StringIO()

    def start(level="info", style="json"):
        configure(level, style, stream)
        return structlog.get_logger(), lambda: stream.getvalue().splitlines()

    return start


def test_json_for_machines(logged):
    log, lines = logged()
    log.info("StreamStarted", stream_id="s", kinds=frozenset({"audio"}))
    [line] = map(json.loads, lines())
    assert (line["event"], line["level"], line["stream_id"]) == ("StreamStarted", "info", "s")
    assert line["timestamp"].endswith("Z")


def test_console_for_people(logged):
    log, lines = logged(style="console")
    log.warning("FramesDropped", count=3)
    [line] = lines()
    assert "FramesDropped" in line
    assert "count=3" in line
    assert "\x1b" not in line


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(logged, level, count):
    log, lines = logged(level)
    for speak in (log.debug, log.info, log.warning, log.error):
        speak("Said")
    assert len(lines()) == count


def test_bound_context_is_in_every_line(logged):
    log, lines = logged()
    context = {"stream_id": "s", "meeting": "m", "product": "meeting", "leg": "audio"}
    with structlog.contextvars.bound_contextvars(**context):
        log.info("LegLost")
    log.info("Other")
    first, second = map(json.loads, lines())
    assert context.items() <= first.items()
    assert "stream_id" not in second


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "client_secret",
        "SECRET_TOKEN",
        "secret_token",
        "signature",
        "token",
        "authorization",
        "srt_passphrase",
        "password",
        "data",
        "text",
        "content",
        "payload",
        "user_name",
        "name",
        "participant",
    ],
)
@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_names_and_content_are_never_written(logged, style, key):
    log, lines = logged(style=style)
    log.info("Said", **{key: "hunter2"}, nested={"deep": [{key: "hunter2"}]})
    assert is_sensitive(key)
    [line] = lines()
    assert "hunter2" not in line
    assert line.count("***") == 2


def test_bytes_are_counted(logged):
    log, lines = logged()
    log.info("Said", frame=b"hunter2")
    assert json.loads(lines()[0])["frame"] == "<7 bytes>"


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_show_no_variables(logged, style):
    log, lines = logged(style=style)

    def fail():
        token = "hunter2"
        return {}[len(token)]

    try:
        fail()
    except KeyError:
        log.exception("WebhookFailed")
    written = "\n".join(lines())
    assert "KeyError: 7" in written
    assert "hunter2" not in written


@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("style", ["json", "console"])
def test_libraries_are_heard_from_warning_on(logged, level, style):
    _, lines = logged(level, style)
    library = logging.getLogger("websockets.client")
    library.debug("> GET /secret")
    library.info("connection open")
    library.warning("connection closed %s", "badly")
    [line] = lines()
    assert "connection closed badly" in line
    assert "websockets.client" in line
