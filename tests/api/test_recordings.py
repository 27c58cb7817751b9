"""Search among recordings, their manifests and their files, from a real engine and a real disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from rtms_engine import ApiConfig, Engine, SinkConfig, StateConfig
from rtms_engine.api.tokens import Scope, TokenFile
from rtms_engine.audit.log import AuditLog
from rtms_engine.config import EncryptionConfig, Secret
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import FakeZoom, synthetic_script
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import APP, config, over, recording
from tests.recording.test_library import record

pytestmark = pytest.mark.virtual_clock

SCRIPT = synthetic_script(speakers=2, duration_ms=3_000)
AUDIO = frozenset({MediaKind.AUDIO})
EVIL = [
    "../manifest.json", "..%2Fmanifest.json", "%2e%2e/manifest.json", "%2e%2e%2fmanifest.json",
    "audio/..%2f..%2f..%2f..%2fsecret", "audio/%2e%2e/manifest.json", "%2Fetc%2Fpasswd", "/etc/passwd",
    "manifest.json%00", "..%5cmanifest.json", "..%c0%afmanifest.json", ".%2e/%2e./secret", "link", "%2e",
    "audio", "audio%2F", "%252e%252e%252fsecret", "....//secret", "audio//mixed.wav",
]  # fmt: skip


@asynccontextmanager
async def recorded(
    folder: Path, **changes: Any
) -> AsyncIterator[tuple[FakeZoom, Engine, aiohttp.ClientSession, str]]:
    """An engine that has recorded a meeting."""
    async with zoom_and_api(recording(folder / "recordings"), folder=folder, **changes) as (zoom, engine, c):
        meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
        await over(engine, meeting)
        yield zoom, engine, c, meeting.stream_id


@pytest.mark.parametrize("keys", [(), (Secret("11" * 32),)], ids=["plain", "encrypted"])
async def test_a_recording_from_the_list_to_its_bytes(tmp_path: Path, keys: tuple[Secret, ...]) -> None:
    async with recorded(tmp_path, encryption=EncryptionConfig(key=keys)) as (_, _, client, stream_id):
        (listed,) = (await answer(client.get("/api/v1/recordings")))["recordings"]
        assert (listed["id"], listed["part"], listed["state"]) == (stream_id, 1, "done")
        assert len(listed["participants"]) == 2
        assert listed["kinds"]
        manifest = await answer(client.get(f"/api/v1/recordings/{stream_id}"))
        assert manifest["rtms_stream_id"] == stream_id
        assert manifest["state"] == "done"
        files = await answer(client.get(listed["artifacts_url"]))
        assert (files["state"], files["part"], files["parts"]) == ("done", 1, 1)
        by_path = {file["path"]: file for file in files["artifacts"]}
        assert {"manifest.json", "audio/mixed.wav"} <= set(by_path)
        assert {file["path"] for file in manifest["artefacts"]} <= set(by_path)
        mixed = by_path["audio/mixed.wav"]
        assert (mixed["scope"], mixed["state"], mixed["media_type"]) == ("media", "done", "audio/wav")
        for file in by_path.values():
            async with client.get(file["url"]) as response:
                content = await response.read()
                assert response.status == 200
                assert response.content_type == file["media_type"]
                assert len(content) == file["bytes"]
                assert file["sha256"] in ("", sha256(content).hexdigest())


@pytest.mark.parametrize("keys", [(), (Secret("11" * 32),)], ids=["plain", "encrypted"])
async def test_ranges_and_unchanged_files(tmp_path: Path, keys: tuple[Secret, ...]) -> None:
    async with recorded(tmp_path, encryption=EncryptionConfig(key=keys)) as (_, _, client, stream_id):
        url = f"/api/v1/streams/{stream_id}/artifacts/audio/mixed.wav"
        async with client.get(url) as response:
            whole, tag = await response.read(), response.headers["ETag"]
            assert response.headers["Accept-Ranges"] == "bytes"
            assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''mixed.wav"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        for wanted, begin, end in (("0-9", 0, 10), ("100-", 100, None), ("-7", -7, None), ("4-4", 4, 5)):
            async with client.get(url, headers={"Range": f"bytes={wanted}"}) as response:
                assert response.status == 206
                assert await response.read() == whole[begin:end]
                assert response.headers["Content-Range"].endswith(f"/{len(whole)}")
        async with client.get(url, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}) as response:
            assert (response.status, await response.read()) == (200, whole)
        async with client.get(url, headers={"Range": "bytes=0-9", "If-Range": tag}) as response:
            assert (response.status, await response.read()) == (206, whole[:10])
        async with client.head(url) as response:
            assert response.status == 200
            assert (response.content_length, await response.read()) == (len(whole), b"")
        for impossible in (f"bytes={len(whole)}-", "bytes=9-1", "bytes=0-1,4-5", "bytes=x", "items=1-2"):
            response = await client.get(url, headers={"Range": impossible})
            problem = await answer(response, 416)
            assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
            assert problem["field"] == "header.Range"


@pytest.mark.parametrize("path", EVIL)
async def test_nothing_but_its_files(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("a secret")
    folder = record(tmp_path / "recordings", "2026-07-31/meeting/stream")
    (folder / "audio").mkdir()
    (folder / "audio" / "mixed.wav").touch()
    (folder / "link").symlink_to(tmp_path / "secret")
    async with zoom_and_api(recording(tmp_path / "recordings"), folder=tmp_path) as (_, engine, _):
        from yarl import URL

        url = URL(f"{engine.api_url}/api/v1/streams/stream/artifacts/{path}", encoded=True)
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            assert response.status in (400, 404)
            assert "a secret" not in await response.text()


async def test_search(tmp_path: Path) -> None:
    root = tmp_path / "recordings"
    day = 24 * 3600 * 1000
    for n in range(5):
        record(
            root,
            f"day/meeting{n}/s{n}",
            started_ms=20_000 * day + n * day,
            entity_id=f"meeting{n}==",
            meeting_id=f"9{n}",
            app="other" if n == 4 else "default",
            participants=[{"user_id": 16_778_240 + n, "name": f"Zoë {n}"}],
            state="failed" if n == 3 else "done",
        )
    async with zoom_and_api(recording(root), folder=tmp_path) as (_, _, client):

        async def found(**query: Any) -> str:
            page = await answer(client.get("/api/v1/recordings", params=query))
            return " ".join(one["id"] for one in page["recordings"])

        assert await found() == "s4 s3 s2 s1 s0"
        assert await found(meeting="meeting2==") == await found(meeting="92") == "s2"
        assert await found(participant="16778241") == await found(participant="zoë 1") == "s1"
        assert await found(participant="nobody") == ""
        assert await found(app="other") == "s4"
        assert await found(state="failed") == "s3"
        # 20 000 days after 1970
        assert await found(**{"from": "2024-10-05", "to": "2024-10-06"}) == "s2 s1"
        first = await answer(client.get("/api/v1/recordings?limit=2"))
        second = await answer(client.get(f"/api/v1/recordings?limit=9&after={first['next']}"))
        assert [one["id"] for one in second["recordings"]] == ["s2", "s1", "s0"]
        assert not second["next"]
        for bad in ({"from": "yesterday"}, {"state": "gone"}, {"limit": "0"}, {"since": "2024-10-05"}):
            problem = await answer(client.get("/api/v1/recordings", params=bad), 400)
            assert problem["field"].startswith("query")


async def test_what_is_being_recorded_is_there_too(tmp_path: Path) -> None:
    async with zoom_and_api(recording(tmp_path / "recordings"), folder=tmp_path) as (zoom, engine, client):
        script = synthetic_script(speakers=1, duration_ms=60_000)
        meeting = await zoom.start(script, engine.webhook_url, granted=AUDIO)
        await settle(10)
        (listed,) = (await answer(client.get("/api/v1/recordings?state=recording")))["recordings"]
        assert listed["id"] == meeting.stream_id
        files = await answer(client.get(f"/api/v1/streams/{meeting.stream_id}/artifacts"))
        assert {"recording"} == {file["state"] for file in files["artifacts"]}
        assert (await answer(client.get(f"/api/v1/recordings/{meeting.stream_id}")))["state"] == "recording"


async def test_texts_and_media_need_their_scopes(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state")
    reader = {"Authorization": f"Bearer {tokens.new('reader', [Scope.READ], 0)}"}
    player = {"Authorization": f"Bearer {tokens.new('player', [Scope.MEDIA], 0)}"}
    async with recorded(tmp_path, api=ApiConfig(port=0, anonymous="never")) as (_, _, client, stream_id):
        url = f"/api/v1/streams/{stream_id}/artifacts"
        await answer(client.get(url), 401)
        await answer(client.get(url, headers=player), 403)
        assert (await client.get(f"{url}/events.jsonl", headers=reader)).status == 200
        problem = await answer(client.get(f"{url}/audio/mixed.wav", headers=reader), 403)
        assert "media" in problem["remedy"]
        assert (await client.get(f"{url}/audio/mixed.wav", headers=player)).status == 200
        await answer(client.get(f"{url}/events.jsonl", headers=player), 403)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("recordings/nothing", 404),
        ("streams/nothing/artifacts", 404),
        ("streams/nothing/artifacts/manifest.json", 404),
        ("streams/gone/artifacts/manifest.json", 410),
        ("streams/gone/artifacts?part=2", 404),
        ("streams/gone/artifacts?part=0", 400),
        ("recordings/gone?part=two", 400),
    ],
)
async def test_what_is_not_there(tmp_path: Path, path: str, status: int) -> None:
    record(tmp_path / "recordings", "day/meeting/gone", state="deleted")
    async with zoom_and_api(recording(tmp_path / "recordings"), folder=tmp_path) as (_, _, client):
        problem = await answer(client.get(f"/api/v1/{path}"), status)
        assert problem["detail"]


async def test_without_a_recording_sink_there_are_none() -> None:
    async with zoom_and_api(SinkConfig("null")) as (_, _, client):
        assert await answer(client.get("/api/v1/recordings")) == {"recordings": [], "next": ""}


async def test_deleted_for_good(tmp_path: Path) -> None:
    """Files and captures; what is left says that there was something, and who wanted it gone."""
    captures = {"capture": True, "capture_directory": str(tmp_path / "captures")}
    tokens = TokenFile(tmp_path / "state")
    reader = {"Authorization": f"Bearer {tokens.new('reader', [Scope.READ], 0)}"}
    eraser = {"Authorization": f"Bearer {tokens.new('eraser', [Scope.DELETE, Scope.READ], 0)}"}
    async with FakeZoom([APP], tls=False) as zoom:
        made = config(
            zoom,
            recording(tmp_path / "recordings"),
            SinkConfig("jsonl", options={"path": str(tmp_path / "lines")}),
            api=ApiConfig(port=0),
            state=StateConfig(directory=str(tmp_path / "state")),
        )
        made = msgspec.structs.replace(made, rtms=msgspec.structs.replace(made.rtms, **captures))
        async with Engine(made) as engine, aiohttp.ClientSession(engine.api_url) as client:
            meeting = await zoom.start(SCRIPT, engine.webhook_url, granted=AUDIO)
            url = f"/api/v1/streams/{meeting.stream_id}"
            await settle()
            await answer(client.delete(url, headers=reader), 403)
            problem = await answer(client.delete(url, headers=eraser), 409)
            assert "Stop it" in problem["remedy"]
            await over(engine, meeting)
            assert list((tmp_path / "captures").iterdir())
            (await client.get(f"{url}/artifacts/events.jsonl", headers=reader)).close()
            deleted = await answer(client.delete(url, headers=eraser))
            assert deleted["files"] > 4
            assert (await answer(client.delete(url, headers=eraser)))["files"] == 0
            assert not list((tmp_path / "captures").iterdir()) + list((tmp_path / "lines").iterdir())
            left = [path.name for path in (tmp_path / "recordings").rglob("*") if path.is_file()]
            assert left == ["manifest.json"]
            tombstone = await answer(client.get(f"/api/v1/recordings/{meeting.stream_id}"))
            assert (tombstone["state"], tombstone["cause"]) == ("deleted", "requested")
            (listed,) = (await answer(client.get("/api/v1/recordings")))["recordings"]
            assert (listed["state"], listed["participants"]) == ("deleted", [])
            assert (await answer(client.get(f"{url}/artifacts")))["artifacts"] == []
            await answer(client.get(f"{url}/artifacts/events.jsonl"), 410)
            await answer(client.delete("/api/v1/streams/nothing"), 404)
    entries = AuditLog(tmp_path / "state").entries()
    told = {(entry.action, entry.about.get("by")) for entry in entries}
    assert {("artifact_read", "reader"), ("deletion_requested", "eraser"), ("stream_deleted", None)} <= told
