"""The API over real sockets: what comes in is checked, what goes out is as described."""

from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec
import pytest

from rtms_engine import ApiConfig, ConfigError
from rtms_engine.api.access import COOKIE
from rtms_engine.api.tokens import Scope, TokenFile
from tests.api.support import answer, zoom_and_api

pytestmark = pytest.mark.virtual_clock


async def test_its_description_names_everything() -> None:
    async with zoom_and_api() as (_, _, client):
        described = await answer(client.get("/api/openapi.json"))
        assert described["openapi"] == "3.1.0"
        assert "/api/v1/streams/{stream_id}/timeline" in described["paths"]
        for path in described["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    assert int(status) < 400 or "application/problem+json" in response["content"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("PATCH", "/api/v1/streams", 405),
        ("GET", "/api/v1/streams/nothing", 404),
        ("GET", "/api/v1/streams/nothing/timeline", 404),
        ("POST", "/api/v1/streams/nothing/stop", 404),
        ("GET", "/api/v1/streams?limit=0", 400),
        ("GET", "/api/v1/streams?limit=many", 400),
        ("GET", "/api/v1/streams?lmit=1", 400),
        ("GET", "/api/v1/streams?state=Xyzzy", 400),
    ],
)
async def test_errors_are_problems(method: str, path: str, status: int) -> None:
    async with zoom_and_api() as (_, _, client):
        response = await client.request(method, path)
        assert response.content_type == "application/problem+json"
        problem = await answer(response, status)
        assert problem["status"] == status
        assert problem["detail"]
        assert "Xyzzy" not in str(problem), "nothing that was sent comes back"
        if status == 400:
            assert problem["field"].startswith("query")
        if status == 405:
            assert response.headers["Allow"] == "GET,HEAD" or "GET" in response.headers["Allow"]


async def test_nonsense_is_refused_not_a_defect() -> None:
    """Bytes that are no text, and an origin that is none: fuzzing found both answered with 500."""
    async with zoom_and_api() as (_, _, client):
        response = client.post("/api/v1/session", data=b'{"token": "\xff"}')
        assert (await answer(response, 400))["field"] == "body"
        assert (await answer(client.get("/api/v1/streams", headers={"Origin": "http://["}), 403))[
            "field"
        ] == "header.Origin"


async def test_an_integer_may_be_written_with_a_point() -> None:
    """As JSON Schema has it, and with it the clients that are made from the description."""
    async with zoom_and_api() as (_, _, client):
        path = "/api/v1/streams/none/exclude"
        await answer(client.post(path, data=b'{"user_id": 7.0}'), 404)
        for wrong in (
            b'{"user_id": 7.5}',
            b'{"user_id": 1e300}',
            b'{"user_id": "7"}',
            b'{"user_id": 7.0, "x": 1}',
        ):
            assert (await answer(client.post(path, data=wrong), 400))["field"].startswith("body")


async def test_tokens_and_scopes(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state")
    reader = {"Authorization": f"Bearer {tokens.new('reader', [Scope.READ], 0)}"}
    async with zoom_and_api(folder=tmp_path, api=ApiConfig(port=0, anonymous="never")) as (_, _, client):
        problem = await answer(client.get("/api/v1/streams"), 401)
        assert "Bearer" in problem["remedy"]
        assert await answer(client.get("/api/v1/streams", headers=reader)) == {"streams": [], "next": ""}
        forbidden = await answer(client.post("/api/v1/streams/x/stop", headers=reader), 403)
        assert "control" in forbidden["remedy"]
        cookie = {COOKIE: reader["Authorization"].removeprefix("Bearer ")}
        async with aiohttp.ClientSession(client._base_url, cookies=cookie) as browser:
            await answer(browser.get("/api/v1/streams"))
        tokens.revoke("reader")
        await answer(client.get("/api/v1/streams", headers=reader), 401)


async def test_an_address_in_use_is_said() -> None:
    async with zoom_and_api() as (_, engine, _):
        assert engine.api_url is not None
        port = int(engine.api_url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"api: cannot listen on 127.0.0.1:{port}"):
            async with zoom_and_api(api=ApiConfig(port=port)):
                pass


async def test_it_is_json_that_it_speaks() -> None:
    async with zoom_and_api() as (_, _, client):
        response = await client.get("/api/v1/streams")
        assert msgspec.json.decode(await response.read()) == {"streams": [], "next": ""}


async def test_every_refusal_says_what_to_do() -> None:
    """Whatever is asked wrongly: a cause, a remedy, and the field if one is to blame."""
    stream = "/api/v1/streams/nothing"
    asked = [
        ("GET", "/api/v1/recordings?from=never", None),
        ("GET", "/api/v1/recordings/nothing", None),
        ("GET", f"{stream}/artifacts", None),
        ("GET", f"{stream}/artifacts/audio/mixed.wav", None),
        ("DELETE", stream, None),
        ("POST", f"{stream}/pause", None),
        ("POST", f"{stream}/resume", None),
        ("POST", f"{stream}/video", b'{"user_id": 1}'),
        ("POST", f"{stream}/video", b"{"),
        ("POST", "/api/v1/streams", b"[]"),
        ("POST", "/api/v1/streams", b'{"event": "x", "payload": {}}'),
        ("POST", "/api/v1/streams?app=nobody", b'{"event": "x", "payload": {}}'),
        ("POST", "/api/v1/streams", BytesIO(b" " * 2_000_000)),
        ("POST", "/api/v1/meeting_direct_connect", b"{}"),
        ("GET", "/api/v1/meeting_direct_connect/nothing", None),
    ]
    async with zoom_and_api() as (_, _, client):
        for method, path, body in asked:
            async with client.request(method, path, data=body) as response:
                assert response.content_type == "application/problem+json", path
                problem = msgspec.json.decode(await response.read())
                assert problem["status"] == response.status >= 400
                assert problem["detail"] and problem["remedy"], (path, problem)
                if response.status == 400:
                    assert problem["field"], (path, problem)
