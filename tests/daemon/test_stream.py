"""``rtms-engine stream`` in a process of its own loop, against a simulated Zoom in this one."""

import asyncio

import pytest
from click.testing import CliRunner

from rtms_engine.daemon.cli import main
from rtms_engine.model.products import SESSION
from rtms_engine.simulator import Answer, App, FakeZoom, demo_script

APP = App("id", "secret", "token")
CONFIG = """
[[apps]]
client_id = "id"
client_secret = "secret"
secret_token = "token"
account_id = "AAAAAABBBB"
api_client_id = "s2s-client-id"
api_client_secret = "s2s-client-secret"
[[sinks]]
type = "null"
"""


@pytest.fixture
async def zoom():
    async with FakeZoom([APP], tls=False) as zoom:
        yield zoom


@pytest.fixture
def run(tmp_path, zoom):
    """Runs a command line in a thread, with a configuration of the simulated Zoom."""
    path = tmp_path / "config.toml"
    path.write_text(f'{CONFIG}[zoom]\napi_url = "{zoom.api_url}"\noauth_url = "{zoom.oauth_url}"\n')

    async def invoke(*words, more=""):
        path.write_text(path.read_text() + more)
        line = ["stream", *words, "--config", str(path)]
        return await asyncio.to_thread(CliRunner().invoke, main, line, catch_exceptions=False)

    return invoke


@pytest.mark.parametrize("action", ["pause", "stop"])
async def test_an_action(zoom, run, action):
    meeting = await zoom.start(demo_script())
    result = await run(action, meeting.facts.entity_id, "--user", "u1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"Zoom will {action}" in result.stdout
    assert meeting.facts.entity_id in result.stdout
    assert meeting.is_paused or meeting.stop_reason is not None
    [asked] = zoom.rest.asked
    assert asked.body == {"action": action, "settings": {"client_id": "id", "participant_user_id": "u1"}}


async def test_start_by_number(zoom, run):
    first = await zoom.start(demo_script())
    await first.stop(17)
    result = await run("start", str(first.facts.number))
    assert result.exit_code == 0
    assert "a webhook tells" in result.stdout
    assert len(zoom.meetings) == 2


async def test_a_session(zoom, run):
    meeting = await zoom.start(demo_script(), product=SESSION)
    assert (await run("pause", meeting.facts.entity_id)).exit_code == 1
    assert (await run("pause", "--session", meeting.facts.entity_id)).exit_code == 0
    assert meeting.is_paused


async def test_an_error_with_cause_and_remedy(zoom, run):
    zoom.rest.answers = [Answer(400, 2308, "Not allowed.")]
    result = await run("start", "123")
    assert result.exit_code == 1
    assert result.stdout == ""
    for words in ("HTTP 400, code 2308 USER_NOT_ALLOWED", "Not allowed.", "Name the host"):
        assert words in result.stderr
    assert "Traceback" not in result.output


SECOND = """
[[apps]]
name = "b"
client_id = "id-b"
client_secret = "secret"
secret_token = "token-b"
"""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["start", "1"], 2, "choose one with --app: default, b"),
        (["start", "1", "--app", "defualt"], 2, "did you mean 'default'?"),
        (["start", "1", "--app", "b"], 2, "apps.b.api_client_id: is missing"),
        (["begin", "1"], 2, "'begin' is not one of"),
        (["start", "..", "--app", "default"], 1, "is not the id of a meeting"),
    ],
)
async def test_what_cannot_be_done(zoom, run, words, code, message):
    result = await run(*words, more=SECOND)
    assert result.exit_code == code
    assert message in result.stderr
    assert zoom.rest.asked == []


async def test_one_of_several_apps(zoom, run):
    meeting = await zoom.start(demo_script())
    result = await run("pause", meeting.facts.entity_id, "--app", "default", more=SECOND)
    assert result.exit_code == 0
    assert meeting.is_paused


@pytest.mark.parametrize("words", [["2308"], ["USER_NOT_ALLOWED"]])
def test_explain_says_the_same(words):
    result = CliRunner().invoke(main, ["explain", "rest", *words])
    assert result.output.startswith("rest 2308: USER_NOT_ALLOWED\n")
    assert "--user" in result.output
