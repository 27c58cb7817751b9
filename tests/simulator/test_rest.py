"""The simulator's REST API, asked by a plain HTTP client that shares nothing with ours."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from rtms_engine.model.reasons import StopReason
from rtms_engine.simulator import Answer, FakeZoom, LiveMeeting, demo_script
from tests.simulator.client import APP

pytestmark = pytest.mark.virtual_clock

SETTINGS = {"client_id": APP.client_id}
GRANT = {"grant_type": "account_credentials", "account_id": "AAAAAABBBB"}
CREDENTIALS = "s2s-client-id:s2s-client-secret"


class Caller:
    """Asks for a token once, and then for whatever a test wants."""

    def __init__(self, zoom: FakeZoom, session: aiohttp.ClientSession) -> None:
        self.zoom = zoom
        self.session = session
        self.token = ""

    async def grant(self, pair: str = CREDENTIALS, **query: str) -> tuple[int, Any]:
        """Ask for a token."""
        headers = {"Authorization": "Basic " + b64encode(pair.encode()).decode()}
        url = self.zoom.oauth_url
        async with self.session.post(url, params=GRANT | query, headers=headers) as response:
            body = await response.json()
            self.token = body.get("access_token", self.token)
            return response.status, body

    async def patch(self, path: str, body: Any) -> tuple[int, Any]:
        """Call with the last token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = URL(self.zoom.api_url + path, encoded=True)
        async with self.session.patch(url, json=body, headers=headers) as response:
            return response.status, await response.json() if response.status >= 300 else await response.text()

    async def act(self, meeting: LiveMeeting, action: str) -> int:
        """An action on a meeting, by its number."""
        path = f"/live_meetings/{meeting.facts.number}/rtms_app/status"
        return (await self.patch(path, {"action": action, "settings": SETTINGS}))[0]


@pytest.fixture
async def caller(zoom: FakeZoom) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        caller = Caller(zoom, session)
        await caller.grant()
        yield caller


async def test_a_token(caller: Caller) -> None:
    status, body = await caller.grant()
    assert status == 200
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 3600
    assert len(body["access_token"]) > 30


@pytest.mark.parametrize(
    ("pair", "query", "error"),
    [
        ("s2s-client-id:wrong", {}, "invalid_client"),
        ("wrong:s2s-client-secret", {}, "invalid_client"),
        (CREDENTIALS, {"account_id": "wrong"}, "invalid_request"),
        (CREDENTIALS, {"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ],
)
async def test_no_token(caller: Caller, pair: str, query: dict[str, str], error: str) -> None:
    status, body = await caller.grant(pair, **query)
    assert (status, body["error"]) == (400, error)


async def test_a_stopped_meeting_goes_on_where_it_is(zoom: FakeZoom, caller: Caller, inbox: Any) -> None:
    first = await zoom.start(demo_script(), inbox.url)
    await asyncio.sleep(5)
    await first.stop(StopReason.EXIT_SIGNAL)
    await asyncio.sleep(2)
    assert await caller.act(first, "start") == 204
    await asyncio.sleep(0.1)
    started, stopped, again = inbox.bodies()
    assert [body["event"] for body in (started, stopped, again)] == [
        "meeting.rtms_started",
        "meeting.rtms_stopped",
        "meeting.rtms_started",
    ]
    assert again["payload"]["rtms_stream_id"] != started["payload"]["rtms_stream_id"]
    same = ("meeting_uuid", "meeting_id", "operator_id")
    assert [again["payload"][key] for key in same] == [started["payload"][key] for key in same]
    second = zoom.newest(first.facts.entity_id)
    assert second is not None
    assert second.timeline.unix_ms == first.timeline.unix_ms
    assert 7000 <= second.timeline.position_ms < 8000


async def test_a_second_start_changes_nothing(zoom: FakeZoom, caller: Caller) -> None:
    meeting = await zoom.start(demo_script())
    await meeting.stop(StopReason.EXIT_SIGNAL)
    assert [await caller.act(meeting, "start") for _ in range(2)] == [204, 204]
    assert len(zoom.meetings) == 2


@pytest.mark.parametrize("reason", [StopReason.MEETING_ENDED, None])
async def test_a_meeting_that_is_over(zoom: FakeZoom, caller: Caller, reason: StopReason | None) -> None:
    meeting = await zoom.start(demo_script())
    if reason is None:
        await meeting.ended()
        await caller.grant()
    else:
        await meeting.stop(reason)
    assert await caller.act(meeting, "start") == 404


@pytest.mark.parametrize("action", ["stop", "pause", "resume"])
async def test_what_does_not_run_cannot_be_changed(zoom: FakeZoom, caller: Caller, action: str) -> None:
    meeting = await zoom.start(demo_script())
    await meeting.stop(StopReason.EXIT_SIGNAL)
    assert await caller.act(meeting, action) == 404


async def test_numbers_of_different_meetings_differ(zoom: FakeZoom) -> None:
    meetings = [await zoom.start(demo_script()) for _ in range(3)]
    assert len({meeting.facts.number for meeting in meetings}) == 3
    same = await zoom.start(demo_script(), meeting_uuid=meetings[0].facts.entity_id)
    assert same.facts.number == meetings[0].facts.number


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/live_meetings/1/rtms_app/status", {"action": "start", "settings": SETTINGS}, 404, 3001),
        ("/live_meetings/1234567890/rtms_app/status", {"action": "start"}, 400, 300),
        ("/live_meetings/1234567890/rtms_app/status", {"action": "begin", "settings": SETTINGS}, 400, 300),
        ("/live_meetings/1234567890/rtms_app/status", [], 400, 300),
        (
            "/live_meetings/1234567890/rtms_app/status",
            {"action": "stop", "settings": {"client_id": "x"}},
            404,
            3001,
        ),
        ("/videosdk/sessions/1234567890/rtms_app/status", {"action": "stop"}, 404, 3001),
        ("/live_meetings/a%2Fb/rtms_app/status", {"action": "stop", "settings": SETTINGS}, 404, 3001),
        ("/live_meetings/a/b/rtms_app/status", {"action": "stop", "settings": SETTINGS}, 404, 404),
    ],
)
async def test_refusals(zoom: FakeZoom, caller: Caller, path: str, body: Any, status: int, code: int) -> None:
    meeting = await zoom.start(demo_script(), meeting_uuid="a/b")
    answer = await caller.patch(path, body)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert meeting.stop_reason is None


async def test_an_id_with_a_slash_is_encoded_twice(zoom: FakeZoom, caller: Caller) -> None:
    """V1.md §1.11."""
    meeting = await zoom.start(demo_script(), meeting_uuid="a/b")
    path = "/live_meetings/a%252Fb/rtms_app/status"
    assert (await caller.patch(path, {"action": "stop", "settings": SETTINGS}))[0] == 204
    assert await meeting.ended() == StopReason.USER_TRIGGERED


@pytest.mark.parametrize("why", ["none", "expired", "revoked", "not a JWT"])
async def test_bad_tokens(zoom: FakeZoom, caller: Caller, why: str) -> None:
    meeting = await zoom.start(demo_script(), speed=0.001)
    match why:
        case "none":
            caller.token = ""
        case "expired":
            await asyncio.sleep(3600)
        case "revoked":
            zoom.rest.revoke_tokens()
        case _:
            caller.token = "a.b.c"
    assert await caller.act(meeting, "pause") == 401
    assert (await caller.patch("/videosdk/sessions/1/rtms_app/status", {"action": "stop"}))[0] == 401


async def test_answers_that_were_ordered(zoom: FakeZoom, caller: Caller) -> None:
    meeting = await zoom.start(demo_script())
    zoom.rest.answers = [
        Answer(429, retry_after="7"),
        Answer(400, 2308, "Not allowed."),
        Answer(500, delay_s=2),
    ]
    assert [await caller.act(meeting, "pause") for _ in range(4)] == [429, 400, 500, 204]
    assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.01)
    assert [asked.body["action"] for asked in zoom.rest.asked] == ["pause"] * 4
