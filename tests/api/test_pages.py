"""The dashboard's files: open to all who know our name, and closed to everything else."""

import pytest

from rtms_engine import ApiConfig
from rtms_engine.api.pages import Pages
from tests.api.support import zoom_and_api

pytestmark = pytest.mark.virtual_clock


async def test_every_file_is_served_with_a_strict_policy() -> None:
    """Also to who has no token yet: they hold nothing."""
    async with zoom_and_api(api=ApiConfig(port=0, anonymous="never", requests_per_s=1000.0)) as (
        _,
        _,
        client,
    ):
        for path in Pages().paths:
            async with client.get(path) as response:
                assert response.status == 200
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "http" not in policy
                assert "require-trusted-types-for 'script'" in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["X-Frame-Options"] == "DENY"
                again = await client.get(path, headers={"If-None-Match": response.headers["ETag"]})
                assert again.status == 304


@pytest.mark.parametrize(
    "path", ["/dashboard/../server.py", "/dashboard/%2e%2e/pages.py", "/dashboard/", "/x"]
)
async def test_nothing_else_is(path: str) -> None:
    async with zoom_and_api() as (_, _, client):
        assert (await client.get(path)).status == 404


async def test_not_under_another_name() -> None:
    async with zoom_and_api() as (_, _, client):
        assert (await client.get("/", headers={"Host": "evil.example"})).status == 403


def test_they_hold_nothing_inline_and_nothing_of_others() -> None:
    """No script or style in the page, and no address of anybody else's."""
    pages = Pages()
    for path in pages.paths:
        text = pages._files[path].content.decode()
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path
        assert "https://" not in text, path
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            " style=",
            "onclick=",
        ):
            assert word not in text, path
