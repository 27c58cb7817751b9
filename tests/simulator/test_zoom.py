"""Handshakes on both sockets (V1.md §3.3, §3.4, §4.1 to §4.3), in split and unified mode."""

import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtms_engine.model.media import MediaKind
from rtms_engine.model.products import PRODUCTS, Product
from rtms_engine.simulator import App, FakeZoom, Faults, demo_script, synthetic_script
from tests.simulator.client import APP, H264, L16_20_MS, client_of, signature

pytestmark = pytest.mark.virtual_clock

SHORT = synthetic_script(duration_ms=1000, chat_every_ms=500, camera=True, slides=True)
ALL_PARAMS = {"audio": L16_20_MS, "video": H264, "transcript": {"src_language": 9}}


async def test_the_documented_path(zoom: FakeZoom) -> None:
    """Message 2 and 4 as V1.md §3.4 and §4.3 show them."""
    meeting = await zoom.start(SHORT)
    async with client_of(zoom, meeting) as client:
        answer = await client.signal()
        urls = answer.pop("media_server")["server_urls"]
        assert answer == {"msg_type": 2, "protocol_version": 1, "sequence": 0, "status_code": 0, "reason": ""}
        assert list(urls) == ["audio", "video", "deskshare", "transcript", "chat", "all"]
        assert not any(meeting.stream_id in url for url in urls.values())
        assert await client.attach("audio", {"data_opt": 2}) == {
            "msg_type": 4,
            "protocol_version": 1,
            "status_code": 0,
            "reason": "",
            "sequence": 0,
            "payload_encrypted": False,
            "media_params": {"audio": L16_20_MS},
        }
    assert not meeting.ledger.client_errors


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"signature": "0" * 64}, 3),
        ({"signature": None}, 4),
        ({"rtms_stream_id": "unheard-of"}, 2),
        ({"rtms_stream_id": 5}, 4),
        ({"meeting_uuid": "another"}, 4),
        ({"meeting_uuid": ["a list"]}, 4),
        ({"protocol_version": 2}, 4),
        ({"msg_type": 5}, 1),
    ],
)
async def test_signaling_refusals(zoom: FakeZoom, changes: dict[str, Any], status: int) -> None:
    """A status other than 0, then the server closes (V1.md §3.4)."""
    meeting = await zoom.start(SHORT)
    async with client_of(zoom, meeting) as client:
        assert (await client.signal(**changes))["status_code"] == status
        await client.signaling.closed.wait()
        assert client.signaling.close_code == 1000
    assert [int(refusal.status) for refusal in zoom.refusals] == [status]


async def test_a_second_signaling_connection_is_a_duplicate(zoom: FakeZoom) -> None:
    """Status 8; the first one lives on."""
    meeting = await zoom.start(SHORT)
    async with client_of(zoom, meeting) as first, client_of(zoom, meeting) as second:
        assert (await first.signal())["status_code"] == 0
        assert (await second.signal())["status_code"] == 8
        assert (await first.attach("audio"))["status_code"] == 0


@pytest.mark.parametrize(
    ("key", "params", "changes", "status"),
    [
        ("audio", None, {"signature": "no"}, 3),
        ("audio", None, {"rtms_stream_id": "no"}, 2),
        ("audio", None, {"meeting_uuid": "no"}, 4),
        ("audio", None, {"media_type": 6}, 14),
        ("audio", None, {"media_type": "audio"}, 7),
        ("chat", None, {}, 13),
        ("audio", {"sample_rate": 9}, {}, 20),
        ("audio", None, {"media_params": "no"}, 17),
    ],
)
async def test_media_refusals(
    zoom: FakeZoom, key: str, params: dict[str, Any] | None, changes: dict[str, Any], status: int
) -> None:
    """The socket is of no use afterwards; a new one is."""
    meeting = await zoom.start(SHORT, granted=frozenset(MediaKind) - {MediaKind.CHAT})
    async with client_of(zoom, meeting) as client:
        await client.signal()
        assert "chat" not in client.urls
        assert (await client.attach(key, params, **changes))["status_code"] == status
        await client.media[key].closed.wait()
        assert (await client.attach("audio"))["status_code"] == 0


@pytest.mark.parametrize(
    ("first", "second", "status"), [("audio", "audio", 16), ("all", "audio", 15), ("audio", "all", 16)]
)
async def test_duplicate_media_connections(zoom: FakeZoom, first: str, second: str, status: int) -> None:
    """15 beside an "all" connection, 16 beside one of the same kind (V1.md §4.1)."""
    meeting = await zoom.start(SHORT)
    async with client_of(zoom, meeting) as client, client_of(zoom, meeting) as other:
        await client.signal()
        other.urls = client.urls
        assert (await client.attach(first))["status_code"] == 0
        assert (await other.attach(second))["status_code"] == status


async def test_unified_mode(zoom: FakeZoom) -> None:
    """One socket with media_type 32 carries everything that is granted."""
    meeting = await zoom.start(SHORT, granted=frozenset({MediaKind.AUDIO, MediaKind.TRANSCRIPT}))
    async with client_of(zoom, meeting) as client:
        await client.signal()
        answer = await client.attach("all", ALL_PARAMS)
        assert list(answer["media_params"]) == ["audio", "transcript"]
        await client.ready()
        await client.over()
        assert len(client.media["all"].of(14)) == 50
        assert len(client.media["all"].of(17)) == 1


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
@pytest.mark.parametrize("own_field", [False, True])
async def test_id_fields_of_every_product(zoom: FakeZoom, product: Product, own_field: bool) -> None:
    """meeting_uuid for all of them, or the product's own (V1.md §0.4)."""
    meeting = await zoom.start(SHORT, product=product)
    async with client_of(zoom, meeting, id_field=product.id_field if own_field else "meeting_uuid") as client:
        await client.stream(audio=L16_20_MS)
        await client.media["audio"].hear(14)


async def test_both_id_fields_at_once(zoom: FakeZoom) -> None:
    """The same value under two keys is fine, two values are not."""
    meeting = await zoom.start(SHORT, product=PRODUCTS[2], meeting_uuid="a/b+c==")
    async with client_of(zoom, meeting) as client:
        assert (await client.signal(session_id="other"))["status_code"] == 4
        assert (await client.signal(session_id="a/b+c=="))["status_code"] == 0


async def test_told_statuses_come_first(zoom: FakeZoom) -> None:
    """`Faults` refuses the first handshakes as told, then all is well."""
    faults = Faults(signaling_statuses=(8, 45), media_statuses={MediaKind.AUDIO: (16,)})
    meeting = await zoom.start(SHORT, faults=faults)
    async with client_of(zoom, meeting) as client:
        assert [(await client.signal())["status_code"] for _ in range(3)] == [8, 45, 0]
        assert [(await client.attach("audio"))["status_code"] for _ in range(2)] == [16, 0]


async def test_tls_with_a_ca_of_its_own(tmp_path: Path) -> None:
    """The certificate is good for who trusts the CA, over two runs, and for nobody else."""
    for _ in range(2):
        async with FakeZoom([APP], ca_file=tmp_path / "ca.pem") as zoom:
            meeting = await zoom.start(SHORT)
            assert zoom.ca_file.read_bytes() == (tmp_path / "ca.pem").read_bytes() == zoom.ca_pem
            async with client_of(zoom, meeting) as client:
                assert (await client.signal())["status_code"] == 0
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(meeting.server_url, proxy=None)


async def test_the_signature_is_that_of_the_stream_s_app(zoom: FakeZoom) -> None:
    """Another app's secret does not open it."""
    other = App("other", "secret", "token")
    meeting = await zoom.start(SHORT, app=other)
    async with client_of(zoom, meeting) as client:
        assert (await client.signal())["status_code"] == 3
        assert (await client.signal(signature=signature(meeting, other)))["status_code"] == 0


async def test_many_streams_at_once(zoom: FakeZoom) -> None:
    """Each client gets its own stream, and all of it."""
    script = synthetic_script(duration_ms=2000)
    meetings = [await zoom.start(script, keeps_frames=False) for _ in range(100)]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(zoom, meeting)) for meeting in meetings]
        for client in clients:
            await client.stream(audio=L16_20_MS, transcript=None)
        for client in clients:
            await client.over()
            assert len(client.media["audio"].of(14)) == 100
            assert client.meeting.ledger.frames[MediaKind.AUDIO] == 100


async def test_a_silent_socket_is_closed(zoom: FakeZoom) -> None:
    """Who says nothing for 10 s has no business here."""
    async with connect(f"{zoom.base_url}/signaling/0", proxy=None) as socket:
        await socket.wait_closed()
        assert socket.close_code == 1000


async def test_an_unknown_path(zoom: FakeZoom) -> None:
    """Refused like a bad payload."""
    meeting = await zoom.start(demo_script())
    async with client_of(zoom, meeting) as client:
        client.urls = {"all": f"{zoom.base_url}/elsewhere"}
        socket = await client.open(client.urls["all"])
        await socket.say({"msg_type": 3})
        assert (await socket.hear(2))["status_code"] == 4
