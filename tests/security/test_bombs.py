"""Small bodies that want to become large: on the webhook port, on the sockets to Zoom, on the API's port."""

import contextlib
import gzip
import json
import time

import aiohttp
import pytest

from rtms_engine import ApiConfig
from rtms_engine.errors import WebhookRejected
from rtms_engine.webhook.parse import parse
from rtms_engine.wire.json_codec import decode
from rtms_engine.wire.messages import Malformed
from tests.e2e.support import zoom_and_engine
from tests.fuzz.targets import TARGETS

BOMBS = {
    "arrays": b"[" * 500_000,
    "objects": b'{"a":' * 200_000,
    "closed": b'{"msg_type":14,"content":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "number": b'{"msg_type":12,"timestamp":' + b"9" * 900_000 + b"}",
    "exponent": b'{"msg_type":12,"timestamp":1e999999999}',
    "keys": json.dumps({"msg_type": 6, **{f"k{n}": n for n in range(60_000)}}).encode(),
    "same key": b'{"msg_type":6' + b',"a":1' * 150_000 + b"}",
    "text": b'{"msg_type":17,"content":{"data":"' + b"\\u0041" * 150_000 + b'"}}',
}
CPU_S = 2.0


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_on_the_sockets_and_in_webhooks(name):
    """Each is read, or refused, in a moment."""
    began = time.process_time()
    TARGETS["wire"].run(BOMBS[name])
    with_event = BOMBS[name].replace(b'"msg_type":', b'"event":"meeting.rtms_started","x":')
    with contextlib.suppress(WebhookRejected):
        parse(with_event, "app", 0)
    assert time.process_time() - began < CPU_S


def test_a_deep_message_is_noise():
    assert isinstance(decode(BOMBS["arrays"]), Malformed)


@pytest.mark.virtual_clock
async def test_a_compressed_webhook_is_not_unpacked():
    """It is refused for its signature, which covers the bytes as they came."""
    async with zoom_and_engine() as (_, engine), aiohttp.ClientSession() as session:
        headers = {
            "Content-Encoding": "gzip",
            "x-zm-request-timestamp": "1790000000",
            "x-zm-signature": "v0=" + "0" * 64,
        }
        body = gzip.compress(bytes(50_000_000))
        async with session.post(engine.webhook_url, data=body, headers=headers) as response:
            assert response.status == 401


@pytest.mark.virtual_clock
async def test_bombs_on_the_api():
    """A compressed body and a deep one get a 4xx, and the next request its answer."""
    async with zoom_and_engine(api=ApiConfig(port=0)) as (_, engine), aiohttp.ClientSession() as session:
        url = f"{engine.api_url}/api/v1/streams"
        for body, headers in (
            (BOMBS["arrays"], {}),
            (BOMBS["keys"], {}),
            (gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}),
        ):
            async with session.post(url, data=body, headers=headers) as response:
                assert 400 <= response.status < 500
        async with session.get(url) as response:
            assert response.status == 200
