"""Signing in with a browser."""

from pathlib import Path

import aiohttp
import pytest

from rtms_engine import ApiConfig
from rtms_engine.api.access import COOKIE
from rtms_engine.api.tokens import Scope, TokenFile
from tests.api.support import answer, zoom_and_api

pytestmark = pytest.mark.virtual_clock
PATH = "/api/v1/session"


async def test_in_and_out(tmp_path: Path) -> None:
    text = TokenFile(tmp_path / "state").new("ops", [Scope.READ, Scope.MEDIA], 0)
    async with zoom_and_api(folder=tmp_path, api=ApiConfig(port=0, anonymous="never")) as (_, engine, _):
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(engine.api_url, cookie_jar=jar) as browser:
            await answer(browser.get(PATH), 401)
            await answer(browser.post(PATH, json={"token": "rtms_wrong"}), 401)
            response = await browser.post(PATH, json={"token": text})
            cookie = response.headers["Set-Cookie"]
            assert text not in await response.text()
            assert await answer(response) == {
                "name": "ops",
                "scopes": ["media", "read"],
                "is_signed_in": True,
            }
            for guard in ("HttpOnly", "SameSite=Strict", "Path=/"):
                assert guard in cookie
            assert "Secure" not in cookie
            assert (await answer(browser.get(PATH)))["name"] == "ops"
            await answer(browser.get("/api/v1/streams"))
            await answer(browser.delete(PATH), 204)
            await answer(browser.get("/api/v1/streams"), 401)


async def test_behind_tls_the_cookie_is_for_tls(tmp_path: Path) -> None:
    text = TokenFile(tmp_path / "state").new("ops", [Scope.READ], 0)
    async with zoom_and_api(folder=tmp_path) as (_, _, client):
        response = await client.post(PATH, json={"token": text}, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in response.headers["Set-Cookie"]
        await answer(response)
        assert COOKIE in response.cookies


async def test_other_pages_sign_nobody_in(tmp_path: Path) -> None:
    async with zoom_and_api(folder=tmp_path) as (_, _, client):
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            await answer(client.post(PATH, json={"token": "x"}, headers=headers), 403)
        await answer(client.post(PATH, json={"tokn": "x"}), 400)


async def test_guessing_is_slow(tmp_path: Path) -> None:
    async with zoom_and_api(folder=tmp_path, api=ApiConfig(port=0, requests_per_s=1.0)) as (_, _, client):
        statuses = [(await client.post(PATH, json={"token": "rtms_guess"})).status for _ in range(5)]
        assert statuses == [401, 401, 429, 429, 429]


async def test_who_needs_no_token_has_a_name_all_the_same() -> None:
    async with zoom_and_api() as (_, _, client):
        session = await answer(client.get(PATH))
        assert (session["name"], session["is_signed_in"]) == ("anonymous", False)
