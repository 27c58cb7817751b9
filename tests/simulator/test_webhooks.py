"""Webhooks: their signature, their payloads, their 3 s (V1.md §1)."""

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import web

from rtms_engine.model.products import MEETING, PRODUCTS, WEBINAR, Product
from rtms_engine.simulator import FakeZoom, demo_script
from rtms_engine.simulator.webhooks import StreamFacts
from tests.simulator.client import APP

pytestmark = pytest.mark.virtual_clock


async def test_a_signed_webhook(zoom: FakeZoom, inbox: Any) -> None:
    """V1.md §1.3: over the header's timestamp in seconds and the raw body."""
    meeting = await zoom.start(demo_script(), inbox.url)
    (headers, body) = inbox.deliveries[0]
    message = b"v0:" + headers["x-zm-request-timestamp"].encode() + b":" + body
    wanted = "v0=" + hmac.new(APP.secret_token.encode(), message, hashlib.sha256).hexdigest()
    assert headers["x-zm-signature"] == wanted
    assert headers["x-zm-request-timestamp"] == "1790000000"
    assert headers["user-agent"] == "Zoom Marketplace/1.0a"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "event": "meeting.rtms_started",
        "event_ts": 1_790_000_000_000,
        "payload": {
            "account_id": "AAAAAABBBB",
            "meeting_id": 1234567890,
            "meeting_uuid": meeting.facts.entity_id,
            "operator_id": "30R7kT7bTIKSNUFEuH_Qlg",
            "is_original_host": True,
            "rtms_stream_id": meeting.stream_id,
            "server_urls": meeting.server_url,
        },
    }
    assert [delivery.status for delivery in meeting.deliveries] == [200]


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
async def test_names_and_ids_of_every_product(zoom: FakeZoom, inbox: Any, product: Product) -> None:
    """V1.md §1.9."""
    meeting = await zoom.start(demo_script(), inbox.url, product=product, meeting_uuid="id/+==")
    await meeting.stop(8)
    started, stopped = inbox.bodies()
    assert started["event"] == product.event_prefix + "rtms_started"
    assert started["payload"][product.id_field] == "id/+=="
    assert stopped == {
        "event": product.event_prefix + "rtms_stopped",
        "event_ts": stopped["event_ts"],
        "payload": {product.id_field: "id/+==", "rtms_stream_id": meeting.stream_id, "stop_reason": 8},
    }


def test_the_nested_variant() -> None:
    """Some pages put everything under ``object`` (V1.md §1.7)."""
    facts = StreamFacts(WEBINAR, "W", "S")
    nested = facts.started("wss://x", nested=True)
    assert set(nested) == {"account_id", "object"}
    assert nested["object"]["webinar_uuid"] == "W"
    assert nested["object"]["server_urls"] == "wss://x"


async def test_url_validation(zoom: FakeZoom, inbox: Any) -> None:
    """Right, wrong and no answer (V1.md §1.4)."""

    def answer(body: bytes) -> web.Response:
        plain = json.loads(body)["payload"]["plainToken"]
        token = hmac.new(APP.secret_token.encode(), plain.encode(), hashlib.sha256).hexdigest()
        return web.json_response({"plainToken": plain, "encryptedToken": token})

    sender = zoom.webhooks(inbox.url)
    assert (await sender.validate_url()).error == "the answer is wrong"
    inbox.answer = answer
    assert not (await sender.validate_url()).error
    inbox.answer = lambda body: web.Response(status=401)
    assert not (await sender.validate_url()).is_good


async def test_an_answer_after_3_s_is_none(zoom: FakeZoom, inbox: Any) -> None:
    """Zoom calls it a failure (V1.md §1.1)."""

    async def late() -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    inbox.answer = lambda body: late()
    meeting = await zoom.start(demo_script(), inbox.url)
    (delivery,) = meeting.deliveries
    assert (delivery.status, delivery.elapsed_s) == (None, 3.0)
    assert "TimeoutError" in delivery.error


async def test_nobody_listens(zoom: FakeZoom) -> None:
    """No connection is no answer either; the stream goes on."""
    meeting = await zoom.start(demo_script(), "http://127.0.0.1:1/webhook")
    assert not meeting.deliveries[0].is_good
    assert meeting.stop_reason is None


async def test_concurrency_webhooks(zoom: FakeZoom, inbox: Any) -> None:
    """V1.md §1.9.4."""
    sender = zoom.webhooks(inbox.url)
    await sender.concurrency_near_limit(2000, 1601)
    await sender.concurrency_limited(MEETING, "M", 2001)
    near, limited = inbox.bodies()
    assert near["payload"] == {"concurrency_limit": 2000, "concurrency_number": 1601, "percentage": 80}
    assert limited["payload"]["id_field"] == {"meeting_uuid": "M"}
