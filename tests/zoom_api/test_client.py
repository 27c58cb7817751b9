import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from rtms_engine.errors import ConfigError, LocalProtocolError, ZoomApiError
from rtms_engine.model.products import MEETING, PHONE, SESSION, WEBINAR
from rtms_engine.model.reasons import EXPLAINABLE, RestCode, StopReason, explain, numbers_of
from rtms_engine.simulator import Answer, demo_script
from rtms_engine.zoom_api.client import ZoomApi
from tests.zoom_api.conftest import app_with

pytestmark = pytest.mark.virtual_clock


def now():
    return asyncio.get_running_loop().time()


# --- what it does ---


@pytest.mark.parametrize("uuid", ["4gxPtJMKQuexGn0Bw3Ta1A==", "/a+b==", "a//b", "a/b"])
@pytest.mark.parametrize("product", [MEETING, WEBINAR, SESSION])
async def test_stop_and_start_again(zoom, api, app, product, uuid):
    first = await zoom.start(demo_script(), product=product, meeting_uuid=uuid)
    await asyncio.sleep(3)
    await api.control(app, product, uuid, "stop")
    assert await first.ended() == StopReason.USER_TRIGGERED
    await api.control(app, product, uuid, "start")
    second = zoom.newest(uuid)
    assert second.stream_id != first.stream_id
    assert second.facts.entity_id == uuid
    assert 3000 <= second.timeline.position_ms < 4000


async def test_a_meeting_by_its_number(zoom, api, app):
    meeting = await zoom.start(demo_script())
    await api.control(app, MEETING, str(meeting.facts.number), "stop", participant_user_id="user-1")
    await meeting.ended()
    [asked] = zoom.rest.asked
    assert asked.body == {
        "action": "stop",
        "settings": {"client_id": "rtms-client-id", "participant_user_id": "user-1"},
    }


async def test_pause_and_resume(zoom, api, app):
    meeting = await zoom.start(demo_script())
    await api.control(app, MEETING, meeting.facts.entity_id, "pause")
    assert meeting.is_paused
    await api.control(app, MEETING, meeting.facts.entity_id, "resume")
    assert not meeting.is_paused


# --- tokens ---


async def test_one_token_however_many_callers_wait(zoom, api, app):
    meeting = await zoom.start(demo_script())
    call = (app, MEETING, meeting.facts.entity_id, "pause")
    await asyncio.gather(*(api.control(*call) for _ in range(50)))
    assert (zoom.rest.tokens_asked, len(zoom.rest.asked)) == (1, 50)


async def test_a_token_is_replaced_before_it_expires(zoom, api, app):
    meeting = await zoom.start(demo_script(), speed=0.001)
    for at_s, tokens in [(0, 1), (3500, 1), (3545, 2), (7000, 2)]:
        await asyncio.sleep(at_s - now())
        await api.control(app, MEETING, meeting.facts.entity_id, "start")
        assert zoom.rest.tokens_asked == tokens


async def test_a_revoked_token_is_replaced_once_by_all(zoom, api, app):
    meeting = await zoom.start(demo_script())
    call = (app, MEETING, meeting.facts.entity_id, "pause")
    await api.control(*call)
    zoom.rest.revoke_tokens()
    await asyncio.gather(*(api.control(*call) for _ in range(10)))
    assert zoom.rest.tokens_asked == 2


async def test_a_second_401_is_the_end(zoom, api, app):
    zoom.rest.answers = [Answer(401, 124, "Invalid access token.")] * 2
    with pytest.raises(ZoomApiError) as refused:
        await api.control(app, MEETING, "1", "start")
    assert (refused.value.status, refused.value.code) == (401, 124)
    assert (zoom.rest.tokens_asked, now()) == (2, 0)


async def test_the_waiting_fail_with_the_one_that_asked(zoom, api, app):
    zoom.rest.oauth_answers = [Answer(400, 0, "bad")]
    calls = [api.control(app, MEETING, "1", "start") for _ in range(20)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {ZoomApiError}
    assert zoom.rest.tokens_asked == 1


async def test_whoever_is_cancelled_leaves_the_token_to_the_others(zoom, api, app):
    zoom.rest.oauth_answers = [Answer(500, delay_s=5)]
    meeting = await zoom.start(demo_script())
    async with asyncio.TaskGroup() as group:
        call = (app, MEETING, meeting.facts.entity_id, "pause")
        first, second = (group.create_task(api.control(*call)) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
    assert first.cancelled()
    assert second.exception() is None


@pytest.mark.parametrize(
    "changes", [{"account_id": "other"}, {"api_client_id": "other"}, {"api_client_secret": "other"}]
)
async def test_wrong_credentials_are_explained(api, changes):
    with pytest.raises(ZoomApiError, match="api_client_secret") as refused:
        await api.control(app_with(**changes), MEETING, "1", "start")
    assert refused.value.status == 400
    assert now() == 0


async def test_two_apps_have_their_own_tokens(zoom, api, app):
    meeting = await zoom.start(demo_script())
    await api.control(app, MEETING, meeting.facts.entity_id, "pause")
    with pytest.raises(ZoomApiError):
        await api.control(app_with(account_id="other"), MEETING, meeting.facts.entity_id, "pause")


async def test_video_sdk_signs_for_itself(zoom, api):
    """Its accounts have no OAuth apps, but an API key and secret."""
    meeting = await zoom.start(demo_script(), product=SESSION)
    app = app_with(account_id=None)
    await api.control(app, SESSION, meeting.facts.entity_id, "pause")
    assert meeting.is_paused
    assert zoom.rest.tokens_asked == 0
    with pytest.raises(ZoomApiError, match="INVALID_ACCESS_TOKEN"):
        await api.control(
            app_with(account_id=None, api_client_secret="other"), SESSION, meeting.facts.entity_id, "pause"
        )


# --- patience ---


@pytest.mark.parametrize(
    ("answers", "at_s"),
    [
        ([Answer(500)], 1),
        ([Answer(502), Answer(503), Answer(504), Answer(500)], 15),
        ([Answer(400, 3000, "third party")], 1),
        ([Answer(429, retry_after="30")], 30),
        ([Answer(429, retry_after="2026-09-21T14:14:00Z")], 40),
        ([Answer(429)], 1),
        ([Answer(429, retry_after="0")], 1),
        ([Answer(204, delay_s=20)], 11),
    ],
)
async def test_what_passes_is_waited_for(zoom, api, app, answers, at_s):
    meeting = await zoom.start(demo_script(), speed=0.1)
    zoom.rest.answers = answers
    tries = len(answers) + 1
    await api.control(app, MEETING, meeting.facts.entity_id, "pause")
    assert now() == pytest.approx(at_s, abs=0.01)
    assert len(zoom.rest.asked) == tries
    assert zoom.rest.tokens_asked == 1


async def test_patience_holds_for_tokens_too(zoom, api, app):
    meeting = await zoom.start(demo_script())
    zoom.rest.oauth_answers = [Answer(503), Answer(200, message="this holds no token")]
    await api.control(app, MEETING, meeting.facts.entity_id, "pause")
    assert now() == pytest.approx(3)


async def test_chance_shortens_the_waits(zoom, client, app):
    zoom.rest.answers = [Answer(500)] * 5
    async with client(zoom.api_url, zoom.oauth_url, random=0.5) as api:
        with pytest.raises(ZoomApiError):
            await api.control(app, MEETING, "1", "start")
    assert now() == pytest.approx(15 * 0.75)


@pytest.mark.parametrize(
    ("answer", "name", "tries"),
    [
        (Answer(500), "INTERNAL_ERROR", 5),
        (Answer(507), "UNKNOWN_507", 5),
        (Answer(400, 3000, "no"), "TRY_AGAIN", 5),
        (Answer(429, retry_after="3600"), "TOO_MANY_REQUESTS", 1),
        (Answer(429, retry_after="2026-09-22T00:00:00Z"), "TOO_MANY_REQUESTS", 1),
        (Answer(400, 2308, "no"), "USER_NOT_ALLOWED", 1),
        (Answer(400, 2310, "no"), "OPERATION_FAILED", 1),
        (Answer(400, 4711, "no"), "MISSING_SCOPE", 1),
        (Answer(400, 9999, "no"), "BAD_REQUEST", 1),
        (Answer(403, 0, "no"), "FORBIDDEN", 1),
        (Answer(404, 3001, "no"), "NO_SUCH_MEETING", 1),
        (Answer(302), "UNKNOWN_302", 1),
    ],
)
async def test_an_error_says_what_to_do(zoom, api, app, answer, name, tries):
    zoom.rest.answers = [answer] * tries
    with pytest.raises(ZoomApiError) as refused:
        await api.control(app, MEETING, "1", "start")
    error = refused.value
    explanation = explain("rest", error.reason)
    assert (error.status, error.reason.name) == (answer.status, name)
    assert len(zoom.rest.asked) == tries
    for text in (f"HTTP {answer.status}", name, answer.message, explanation.cause, explanation.remedy):
        assert text in str(error)


async def test_nobody_there(nobody, client, app):
    async with client(nobody, nobody) as api:
        with pytest.raises(ZoomApiError, match=r"out of reach.*network") as failed:
            await api.control(app, MEETING, "1", "start")
    assert (failed.value.status, failed.value.reason) == (0, RestCode.UNREACHABLE)
    assert now() == pytest.approx(15)


async def test_no_redirect_takes_the_token_elsewhere(zoom, client, app):
    calls = []

    async def lure(request):
        calls.append(request.path)
        return web.Response(status=302, headers={"location": "/elsewhere"})

    site = web.Application()
    site.router.add_route("*", "/{path:.*}", lure)
    runner = web.AppRunner(site, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with client(f"http://{host}:{port}", zoom.oauth_url) as api:
        with pytest.raises(ZoomApiError, match="302"):
            await api.control(app, MEETING, "1", "start")
    assert calls == ["/live_meetings/1/rtms_app/status"]
    await runner.cleanup()


# --- what it refuses ---


@pytest.mark.parametrize(
    ("changes", "product", "missing"),
    [
        ({"account_id": None}, MEETING, ["account_id"]),
        ({"api_client_id": None, "api_client_secret": None}, SESSION, ["api_client_id", "api_client_secret"]),
    ],
)
async def test_an_app_without_credentials(zoom, api, changes, product, missing):
    with pytest.raises(ConfigError) as refused:
        await api.control(app_with(**changes), product, "1", "start")
    assert refused.value.problems == tuple(
        f"apps.default.{key}: is missing; Zoom's REST API needs it" for key in missing
    )
    assert zoom.rest.asked == []


async def test_a_product_without_rest(zoom, api, app):
    with pytest.raises(LocalProtocolError, match="phone"):
        await api.control(app, PHONE, "1", "start")
    assert zoom.rest.tokens_asked == 0


@pytest.mark.parametrize("key", ["api_url", "oauth_url"])
async def test_only_https(key):
    good = {"api_url": "https://api.zoom.us/v2", "oauth_url": "https://zoom.us/oauth/token"}
    with pytest.raises(ConfigError, match=f"zoom.{key}: must be an https"):
        ZoomApi(**good | {key: "http://api.zoom.us"}, unix_s=lambda: 0, random=lambda: 0)


async def test_no_secret_is_said(zoom, api, app):
    zoom.rest.answers = [Answer(500), Answer(401), Answer(401)]
    with capture_logs() as logs, pytest.raises(ZoomApiError) as refused:
        await api.control(app, MEETING, "1", "start")
    assert [log["event"] for log in logs] == ["ZoomApiRetried"]
    said = f"{logs} {refused.value} {refused.value!r} {api!r} {app!r}"
    assert not any(secret in said for secret in ("s2s-client-secret", "Bearer", "Basic", *zoom.rest._tokens))
    assert refused.value.__cause__ is None


# --- the table ---


@pytest.mark.parametrize("code", numbers_of("rest"))
def test_every_number_is_explained(code):
    name, cause, remedy = explain("rest", code)
    assert name == code.name
    assert cause.endswith(".")
    assert remedy.endswith(".")
    assert ("tries again" in remedy) is code.is_retryable


def test_the_table_is_one_that_can_be_asked_for():
    assert "rest" in EXPLAINABLE
    assert "meeting:update:participant_rtms_app_status" in explain("rest", 4711).remedy
