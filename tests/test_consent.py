"""The hook before media, as a function and over HTTP."""

import sys

import pytest
from aiohttp import web

from rtms_engine.consent import hook
from rtms_engine.errors import ConfigError
from rtms_engine.stream.consent import Answer, NoAnswerError
from tests.stream.items import INFO


def yes(facts):
    assert facts["rtms_stream_id"] == "S"
    return True


async def later(facts):
    return {"allow": True, "notice": facts["app"], "exclude": ["7"]}


def junk(_facts):
    return "perhaps"


HERE = __name__


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "consent_hooks", sys.modules[HERE])


async def test_a_function_is_asked():
    """Synchronous or not; a bool, or a dict with more."""
    ask = hook("", "consent_hooks:yes", allow_private=False, timeout_s=1)
    assert await ask(INFO) == Answer(allow=True)
    ask = hook("", "consent_hooks:later", allow_private=False, timeout_s=1)
    assert await ask(INFO) == Answer(True, "app", ("7",))
    with pytest.raises(NoAnswerError, match="neither a bool"):
        await hook("", "consent_hooks:junk", allow_private=False, timeout_s=1)(INFO)


@pytest.mark.parametrize(
    ("url", "function", "why"),
    [
        ("http://consent.example.com", "", "https"),
        ("https://u:p@consent.example.com", "", "user"),
        ("https://x.example", "consent_hooks:yes", "not both"),
        ("", "consent_hooks:none", "module:function"),
        ("", "nowhere", "module:function"),
        ("", "", None),
    ],
)
def test_what_cannot_be_asked(url, function, why):
    """Is said when the configuration is read."""
    if why is None:
        assert hook(url, function, allow_private=False, timeout_s=1) is None
        return
    with pytest.raises(ConfigError, match=why):
        hook(url, function, allow_private=False, timeout_s=1)


@pytest.fixture
async def served():
    """An address that answers with what it is told to; what it was asked."""
    asked, answers = [], []

    async def post(request):
        asked.append(await request.json())
        return answers.pop(0)

    application = web.Application()
    application.router.add_post("/ask", post)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/ask", asked, answers
    await runner.cleanup()


async def test_an_address_is_asked(served):
    """With the facts of the stream."""
    url, asked, answers = served
    ask = hook(url, "", allow_private=True, timeout_s=5)
    answers.append(web.json_response({"allow": True, "notice": "v3"}))
    assert await ask(INFO) == Answer(True, "v3")
    assert asked[0]["entity_id"] == "U=="
    for answer, why in (
        (web.Response(status=302, headers={"Location": "http://169.254.169.254/"}), "HTTP 302"),
        (web.Response(text="yes"), "is not"),
        (web.json_response({"allow": "yes"}), "is not"),
        (web.Response(text="[" * 50_000), "is not"),
    ):
        answers.append(answer)
        with pytest.raises(NoAnswerError, match=why):
            await ask(INFO)


async def test_an_address_in_the_house_needs_leave(served):
    """The name is looked at when it is connected to."""
    url, asked, _ = served
    ask = hook(url.replace("http://127.0.0.1", "https://localhost"), "", allow_private=False, timeout_s=5)
    with pytest.raises(NoAnswerError, match="cannot be asked"):
        await ask(INFO)
    assert not asked
