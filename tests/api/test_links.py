"""Links open one file, for a while, to whoever has them, and nothing else."""

from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from rtms_engine import ApiConfig
from rtms_engine.api.links import LIFE_S, Links, key_of
from rtms_engine.api.problem import Refused
from rtms_engine.api.tokens import Scope, TokenFile
from rtms_engine.audit.log import AuditLog
from rtms_engine.simulator import synthetic_script
from tests.api.support import answer, settle, zoom_and_api
from tests.e2e.support import over, recording

ADDRESS = ("S/1", "audio/mixed.wav", "1")


def fields(query: str) -> tuple[str, str]:
    expires, _, signature = query.removeprefix("expires=").partition("&signature=")
    return expires, signature


@pytest.mark.parametrize(
    ("operation", "address", "expires", "passed_s", "why"),
    [
        ("getArtifact", ADDRESS, None, LIFE_S, "expired"),
        ("getArtifact", ("S/1", "audio/7.wav", "1"), None, 0, "changed"),
        ("getArtifact", ("S", "1", "audio/mixed.wav", "1"), None, 0, "changed"),
        ("getArtifact", (*ADDRESS[:2], "2"), None, 0, "changed"),
        ("deleteStream", ADDRESS, None, 0, "changed"),
        ("getArtifact", ADDRESS, "99999999999", 0, "changed"),
        ("getArtifact", ADDRESS, "never", 0, "changed"),
    ],
)
def test_another_file_another_time(
    operation: str, address: tuple[str, ...], expires: str | None, passed_s: int, why: str
) -> None:
    now = [1_000.0]
    links = Links(b"k" * 32, lambda: now[0])
    until, signature = fields(links.query("getArtifact", ADDRESS))
    assert links.check("getArtifact", ADDRESS, until, signature).scopes == {Scope.READ, Scope.MEDIA}
    now[0] += passed_s
    with pytest.raises(Refused, match=why) as refused:
        links.check(operation, address, expires or until, signature)
    assert refused.value.problem.status == 403
    with pytest.raises(Refused):
        Links(b"l" * 32, lambda: 1_000.0).check("getArtifact", ADDRESS, until, signature)


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    key = key_of(tmp_path / "state")
    assert key == key_of(tmp_path / "state")
    path = tmp_path / "state" / "links.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"cut")
    assert len(key_of(tmp_path / "state")) == 32
    assert key_of(None) != key_of(None)


@pytest.mark.virtual_clock
async def test_what_recalls_clients_download(tmp_path: Path) -> None:
    """Without a token, and written down; whoever may not read media gets no link to them."""
    tokens = TokenFile(tmp_path / "state")
    both = {"Authorization": f"Token {tokens.new('both', [Scope.READ, Scope.MEDIA], 0)}"}
    reader = {"Authorization": f"Token {tokens.new('reader', [Scope.READ], 0)}"}
    strict = ApiConfig(port=0, anonymous="never")
    async with zoom_and_api(recording(tmp_path / "r"), folder=tmp_path, api=strict) as (zoom, engine, client):
        meeting = await zoom.start(synthetic_script(speakers=2, duration_ms=3_000), engine.webhook_url)
        await over(engine, meeting)
        path = f"/api/v1/meeting_direct_connect/{meeting.stream_id}"
        (full,) = (await answer(client.get(path, headers=both)))["recordings"]
        (half,) = (await answer(client.get(path, headers=reader)))["recordings"]
        audio = full["media_shortcuts"]["audio_mixed"]["data"]["download_url"]
        async with client.get(audio) as response:
            assert (response.status, response.content_type) == (200, "audio/wav")
            assert await response.read()
        await answer(client.get(half["media_shortcuts"]["audio_mixed"]["data"]["download_url"]), 401)
        words = await answer(client.get(half["media_shortcuts"]["transcript"]["data"]["download_url"]))
        assert {"participant", "words"} <= set(words[0])
        about = full["media_shortcuts"]["participant_events"]["data"]
        people = await answer(client.get(about["participants_download_url"]))
        assert [set(one) for one in people] == [
            {"id", "name", "is_host", "platform", "extra_data", "email"}
        ] * 2
        events = await answer(client.get(about["participant_events_download_url"]))
        assert [one["action"] for one in events][:2] == ["join", "join"]
        assert events[0]["participant"] == people[0]
        assert set(events[0]["timestamp"]) == {"relative", "absolute"}
        assert await answer(
            client.get(about["participants_download_url"].replace("participants?", "participant_events?")),
            403,
        )
        other = urlsplit(audio).query
        files = f"/api/v1/streams/{meeting.stream_id}/artifacts"
        for place in (f"{files}/audio/16778240.wav", f"{files}/manifest.json"):
            assert (await answer(client.get(f"{place}?{other}"), 403))["field"] == "query.signature"
        await answer(client.delete(f"/api/v1/streams/{meeting.stream_id}?{other}"), 401)
        await answer(client.get(f"{files}?{other}"), 401)
        await settle(LIFE_S + 1)
        async with aiohttp.ClientSession() as later:
            assert (await answer(later.get(audio), 403))["field"] == "query.expires"
    read = [
        entry.about for entry in AuditLog(tmp_path / "state").entries() if entry.action == "artifact_read"
    ]
    assert [about["by"] for about in read] == ["link", "link"]
