"""What the audit log says of an engine at work, from real webhooks, requests and configurations."""

from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from rtms_engine import ApiConfig, AppConfig, SinkConfig
from rtms_engine.api.tokens import Scope, TokenFile
from rtms_engine.audit.chain import Entry
from rtms_engine.audit.log import AuditLog
from rtms_engine.engine import auditing
from rtms_engine.engine.engine import Engine
from rtms_engine.model.media import MediaKind
from rtms_engine.simulator import synthetic_script
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import config, over

pytestmark = pytest.mark.virtual_clock

AUDIO = frozenset({MediaKind.AUDIO})
STRICT = ApiConfig(port=0, anonymous="never")


def lines(folder: Path, *actions: str) -> list[Entry]:
    """Those of the audit log, verified."""
    return [entry for entry in AuditLog(folder / "state").entries() if not actions or entry.action in actions]


async def test_a_stream_from_its_webhook_to_its_end(tmp_path: Path) -> None:
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (zoom, engine, client):
        meeting = await zoom.start(
            synthetic_script(speakers=1, duration_ms=3_000), engine.webhook_url, granted=AUDIO
        )
        await settle(0.5)
        await answer(client.post(f"/api/v1/streams/{meeting.stream_id}/stop"), 202)
        await over(engine, meeting)
    mine = [entry for entry in lines(tmp_path) if entry.about.get("stream_id") == meeting.stream_id]
    said = [str(entry.about.get("event", entry.action)) for entry in mine]
    assert sorted(said[:2]) == ["StreamStarted", "stream_owner"], said
    assert sorted(said[2:]) == ["StreamEnded", "StreamStopped", "api_used"], said
    owner = next(entry.about for entry in mine if entry.action == "stream_owner")
    assert (owner["app"], owner["worker"], owner["cause"]) == ("default", "engine", "announced")
    (used,) = [entry.about for entry in mine if entry.action == "api_used"]
    assert (used["operation"], used["by"], used["status"]) == ("stopStream", "anonymous", 202)


async def test_rejected_webhooks_are_counted_and_cannot_fill_the_disk(tmp_path: Path) -> None:
    """Five hundred in ten minutes are eleven lines at most, and their sum is right."""
    async with zoom_and_api(folder=tmp_path) as (_, engine, _), aiohttp.ClientSession() as anybody:
        for number in range(500):
            async with anybody.post(engine.webhook_url, data=b"{}") as response:
                assert response.status == 401
            if number % 50 == 49:
                await settle(auditing.REJECTIONS_S)
    rejected = [entry.about for entry in lines(tmp_path, "webhooks_rejected")]
    assert len(rejected) <= 21
    assert sum(int(about["count"]) for about in rejected) == 500
    assert rejected[0]["last_status"] == 401


async def test_the_configuration_at_the_start_and_what_changed_later(tmp_path: Path) -> None:
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (zoom, engine, _):
        before = config(zoom, SinkConfig("null"), api=ApiConfig(port=0))
        app = AppConfig.of("client-id", "client-secret", "secret-token", "another-token-1234")
        engine.reload(msgspec.structs.replace(before, apps=[app], state=engine._terms.config.state))
    started, reloaded = [entry.about for entry in lines(tmp_path, "config_in_force")]
    assert started["cause"] == "start"
    assert "apps.default.client_id" in str(started["set"])
    assert len(str(started["sha256"])) == 64
    assert reloaded["cause"] == "reload"
    assert reloaded["changed"] == "apps.default.secret_token"
    assert "another-token-1234" not in (tmp_path / "state" / "audit.jsonl").read_text("utf-8")


async def test_who_was_denied_and_who_steered(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state")
    headers = {
        name: {"Authorization": f"Bearer {tokens.new(name, [scope], 0)}"}
        for name, scope in (("reader", Scope.READ), ("boss", Scope.CONTROL), ("eraser", Scope.DELETE))
    }
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path, api=STRICT) as (_, _, client):
        for _ in range(30):
            await answer(client.get("/api/v1/streams"), 401)
        await answer(client.post("/api/v1/streams/x/stop", headers=headers["reader"]), 403)
        await answer(client.post("/api/v1/streams/x/stop", headers=headers["boss"]), 404)
        await answer(client.delete("/api/v1/streams/x", headers=headers["eraser"]), 404)
        await answer(client.get("/api/v1/streams", headers=headers["reader"]))
    denied = [entry.about for entry in lines(tmp_path, "api_denied")]
    assert [about["count"] for about in denied] == [1, 30]
    assert denied[0]["last_status"] == 401
    assert denied[1]["last_status"] == 403
    assert denied[1]["last_from"] == "127.0.0.1"
    used = [(e.about["operation"], e.about["by"], e.about["status"]) for e in lines(tmp_path, "api_used")]
    assert used == [("stopStream", "boss", 404), ("deleteStream", "eraser", 404)]


async def test_who_watched(tmp_path: Path) -> None:
    """Once for each viewer, stream and ten minutes; a dashboard asks every second."""
    async with zoom_and_api(SinkConfig("null"), folder=tmp_path) as (zoom, engine, client):
        meeting = await zoom.start(
            synthetic_script(speakers=1, duration_ms=2_000), engine.webhook_url, granted=AUDIO
        )
        for _ in range(3):
            await answer(client.get(f"/api/v1/streams/{meeting.stream_id}/picture"), 404)
        async with client.get(f"/api/v1/streams/{meeting.stream_id}/events") as response:
            await response.read()
        await over(engine, meeting)
    used = [(e.about["operation"], e.about["stream_id"]) for e in lines(tmp_path, "api_used")]
    assert used == [("getPicture", meeting.stream_id), ("followStream", meeting.stream_id)]


async def test_an_engine_without_a_state_writes_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    async with zoom_and_api() as (_, engine, client):
        assert isinstance(engine, Engine)
        await answer(client.delete("/api/v1/streams/x"), 404)
    assert not list(tmp_path.rglob("audit*"))
