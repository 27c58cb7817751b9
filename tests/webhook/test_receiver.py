"""The receiver behind a real HTTP server on loopback, on the virtual clock."""

import asyncio
import io
import json
import zlib
from contextlib import asynccontextmanager

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from rtms_engine.coordination.memory import MemoryJournal
from rtms_engine.errors import JournalError
from rtms_engine.model.signals import ConcurrencyLimited, StreamStarted, StreamStopped
from rtms_engine.webhook.receiver import (
    ACCEPT_TIMEOUT_S,
    BODY_TIMEOUT_S,
    LARGEST_BODY,
    WebhookReceiver,
    WebhookStatistics,
)
from tests.webhook.vectors import (
    BODY,
    ENCRYPTED_TOKEN,
    NOW_S,
    PLAIN_TOKEN,
    SECRET_TOKEN,
    STREAM_ID,
    body_of,
    headers_for,
)

pytestmark = pytest.mark.virtual_clock

OTHER_TOKEN = "of-another-app"


class Zoom:
    """Posts to the receiver as Zoom does, and knows what the receiver made of it."""

    def __init__(self, client, receiver, accepted):
        self.client = client
        self.accepted = accepted
        self._receiver = receiver

    @property
    def statistics(self):
        return self._receiver.statistics()

    async def posts(self, body, headers=None, path="/webhook"):
        headers = headers_for(body) if headers is None else headers
        async with self.client.post(path, data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.text()

    async def gets(self, path):
        async with self.client.get(path) as response:
            return response.status, await response.text()

    async def sends(self, head, body=b""):
        """Write to a socket of our own; what comes back until it closes or has answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.client.port)
        writer.write(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body)
        try:
            return (await reader.readline()).split()[1]
        finally:
            writer.close()


@asynccontextmanager
async def receiving(accept=None, **options):
    accepted = []

    async def take(signal):
        accepted.append(signal)

    apps = {"mine": [SECRET_TOKEN], "other": [OTHER_TOKEN]}
    receiver = WebhookReceiver(apps, accept or take, unix_s=lambda: NOW_S, **options)
    async with TestClient(TestServer(receiver.application())) as client:
        yield Zoom(client, receiver, accepted)


# --- what is accepted ---


async def test_a_start_is_handed_on():
    async with receiving() as zoom:
        assert await zoom.posts(BODY) == (200, "")
    [start] = zoom.accepted
    assert isinstance(start, StreamStarted)
    assert (start.app, start.stream_id) == ("mine", STREAM_ID)
    assert zoom.statistics == WebhookStatistics(accepted=1)


async def test_the_app_whose_secret_signed_owns_the_stream():
    async with receiving() as zoom:
        await zoom.posts(BODY, headers_for(BODY, OTHER_TOKEN))
    assert zoom.accepted[0].app == "other"


async def test_signals_of_the_account_are_handed_on_too():
    body = body_of("rtms.concurrency_limited", {"concurrency_number": 3})
    async with receiving() as zoom:
        assert (await zoom.posts(body))[0] == 200
    assert isinstance(zoom.accepted[0], ConcurrencyLimited)


async def test_the_challenge_is_answered():
    body = body_of("endpoint.url_validation", {"plainToken": PLAIN_TOKEN})
    async with receiving() as zoom:
        status, answer = await zoom.posts(body)
    assert status == 200
    assert json.loads(answer) == {"plainToken": PLAIN_TOKEN, "encryptedToken": ENCRYPTED_TOKEN}
    assert zoom.accepted == []
    assert zoom.statistics == WebhookStatistics(validated=1)


async def test_unknown_events_are_acknowledged_and_left_alone():
    async with receiving() as zoom:
        assert await zoom.posts(body_of("meeting.started", {"object": {}})) == (200, "")
    assert zoom.accepted == []
    assert zoom.statistics == WebhookStatistics(ignored=1)


async def test_an_unusable_start_is_acknowledged_and_an_error_in_the_log():
    with structlog.testing.capture_logs() as lines:
        async with receiving() as zoom:
            assert (await zoom.posts(body_of("meeting.rtms_started", {})))[0] == 200
    assert zoom.statistics == WebhookStatistics(unusable=1)
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert line["event"] == "WebhookUnusable"
    assert "rtms_stream_id" in line["why"]


# --- what is not ---


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(BODY, {}, 401, id="unsigned"),
        pytest.param(BODY + b" ", headers_for(BODY), 401, id="forged"),
        pytest.param(BODY, headers_for(BODY, timestamp="1626230000"), 401, id="stale"),
        pytest.param(BODY, headers_for(BODY, "nobody's"), 401, id="nobody's"),
        pytest.param(b"hello", headers_for(b"hello"), 400, id="not JSON"),
        pytest.param(b"{}", headers_for(b"{}"), 400, id="no event"),
    ],
)
async def test_it_is_refused_with_a_short_reason(body, headers, status):
    async with receiving() as zoom:
        answered, reason = await zoom.posts(body, headers)
    assert answered == status
    assert 0 < len(reason) < 40
    assert zoom.accepted == []
    assert zoom.statistics == WebhookStatistics(rejected=1)


async def test_the_challenge_must_be_signed_too():
    async with receiving() as zoom:
        status, answer = await zoom.posts(body_of("endpoint.url_validation", {"plainToken": PLAIN_TOKEN}), {})
    assert status == 401
    assert PLAIN_TOKEN not in answer


@pytest.mark.parametrize(("size", "status"), [(LARGEST_BODY, 400), (LARGEST_BODY + 1, 413)])
async def test_the_largest_body(size, status):
    body = b" " * size
    async with receiving() as zoom:
        assert (await zoom.posts(body))[0] == status


async def test_a_body_that_never_says_its_size_is_bounded_too():
    head = b"POST /webhook HTTP/1.1\nHost: x\nTransfer-Encoding: chunked"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    async with receiving() as zoom:
        assert await zoom.sends(head, chunk * 17) == b"413"


async def test_a_compressed_body_is_no_way_around_the_signature():
    packed = zlib.compress(BODY)
    async with receiving() as zoom:
        status, _ = await zoom.posts(packed, headers_for(packed) | {"Content-Encoding": "deflate"})
    assert status in {400, 401}
    assert zoom.accepted == []


async def test_a_broken_body_is_refused_without_a_traceback():
    head = b"POST /webhook HTTP/1.1\nHost: x\nTransfer-Encoding: chunked"
    with structlog.testing.capture_logs() as lines:
        async with receiving() as zoom:
            assert await zoom.sends(head, b"zz\r\n") == b"400"
    assert "error" not in {line["log_level"] for line in lines}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods(method):
    async with receiving() as zoom, zoom.client.request(method, "/webhook") as response:
        assert response.status == 405


async def test_other_paths():
    async with receiving(path="/zoom/hook") as zoom:
        assert (await zoom.posts(BODY))[0] == 404
        assert (await zoom.posts(BODY, path="/zoom/hook"))[0] == 200


# --- what comes late ---


START = BODY
STOP, REVOCATION, INTERRUPTION, CHALLENGE, LIMIT, UNKNOWN, DEAUTHORIZED, BROKEN = (
    body_of("meeting.rtms_stopped", {"rtms_stream_id": STREAM_ID, "stop_reason": 6}),
    body_of("meeting.rtms_stopped", {"rtms_stream_id": STREAM_ID, "stop_reason": 8}),
    body_of("meeting.rtms_interrupted", {"rtms_stream_id": STREAM_ID}),
    body_of("endpoint.url_validation", {"plainToken": PLAIN_TOKEN}),
    body_of("rtms.concurrency_limited", {"concurrency_number": 3}),
    body_of("meeting.started", {}),
    body_of("app_deauthorized", {"account_id": "acc"}),
    body_of("meeting.rtms_stopped", {}),
)


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        #                         -301  -300    0   300  301  5400 5401
        pytest.param(START, [401, 200, 200, 200, 401, 401, 401], id="start"),
        pytest.param(STOP, [401, 200, 200, 200, 200, 200, 401], id="stop"),
        pytest.param(REVOCATION, [401, 200, 200, 200, 200, 200, 401], id="revocation"),
        pytest.param(INTERRUPTION, [401, 200, 200, 200, 401, 401, 401], id="interruption"),
        pytest.param(CHALLENGE, [401, 200, 200, 200, 401, 401, 401], id="challenge"),
        pytest.param(LIMIT, [401, 200, 200, 200, 401, 401, 401], id="limit"),
        pytest.param(UNKNOWN, [401, 200, 200, 200, 401, 401, 401], id="unknown event"),
        pytest.param(DEAUTHORIZED, [401, 200, 200, 200, 200, 200, 401], id="deauthorization"),
        pytest.param(BROKEN, [401, 200, 200, 200, 401, 401, 401], id="unusable stop"),
        pytest.param(b"hello", [401, 400, 400, 400, 400, 400, 401], id="not JSON"),
    ],
)
async def test_how_old_a_delivery_may_be(body, statuses):
    ages_s = (-301, -300, 0, 300, 301, 5400, 5401)
    async with receiving() as zoom:
        answers = [
            await zoom.posts(body, headers_for(body, timestamp=str(int(NOW_S) - age_s))) for age_s in ages_s
        ]
    assert [status for status, _ in answers] == statuses
    if statuses.count(200) > 3:
        assert zoom.statistics.accepted + zoom.statistics.ignored == statuses.count(200)


@pytest.mark.parametrize("age_s", [0, 3600])
async def test_a_late_stop_must_be_signed_as_always(age_s):
    headers = headers_for(STOP, "nobody's", str(int(NOW_S) - age_s))
    async with receiving() as zoom:
        assert (await zoom.posts(STOP, headers))[0] == 401
    assert zoom.accepted == []


async def test_a_replayed_stop_is_known_by_the_journal():
    journal = MemoryJournal(lambda: NOW_S)
    acted_on = []

    async def accept(signal):
        if await journal.append(signal):
            acted_on.append(signal)

    async with receiving(accept) as zoom:
        for age_s in (0, 0, 3600):
            headers = headers_for(STOP, timestamp=str(int(NOW_S) - age_s))
            assert (await zoom.posts(STOP, headers))[0] == 200
    assert [type(signal) for signal in acted_on] == [StreamStopped]


# --- when the engine itself is in trouble ---


async def test_a_journal_that_cannot_write_is_a_503():
    async def fail(signal):
        raise JournalError("/state/journal.sqlite3", "disk is full")

    with structlog.testing.capture_logs() as lines:
        async with receiving(fail) as zoom:
            assert await zoom.posts(BODY) == (503, "unavailable")
    assert zoom.statistics == WebhookStatistics(unavailable=1)
    [line] = lines
    assert (line["event"], line["log_level"]) == ("WebhookNotAccepted", "error")
    assert "disk is full" in line["reason"]


async def test_a_failing_engine_is_a_500_and_a_traceback():
    async def fail(signal):
        raise LookupError("no room")

    with structlog.testing.capture_logs() as lines:
        async with receiving(fail) as zoom:
            assert await zoom.posts(BODY) == (500, "failed")
    assert zoom.statistics == WebhookStatistics(failed=1)
    assert [(line["event"], line["exc_info"]) for line in lines] == [("WebhookFailed", True)]


async def test_a_stuck_engine_is_a_503_within_zooms_three_seconds():
    async def hang(signal):
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    async with receiving(hang) as zoom:
        began = loop.time()
        assert await zoom.posts(BODY) == (503, "busy")
        assert loop.time() - began == pytest.approx(ACCEPT_TIMEOUT_S, abs=0.1)
    assert zoom.statistics == WebhookStatistics(unavailable=1)


async def test_a_body_that_does_not_come_is_tried_again():
    loop = asyncio.get_running_loop()
    head = b"POST /webhook HTTP/1.1\nHost: x\nContent-Length: 100"
    async with receiving() as zoom:
        began = loop.time()
        assert await zoom.sends(head, b"{") == b"503"
        assert loop.time() - began == pytest.approx(BODY_TIMEOUT_S, abs=0.1)


def test_the_answer_is_always_within_three_seconds():
    assert BODY_TIMEOUT_S + ACCEPT_TIMEOUT_S < 3


# --- probes, log, face ---


async def test_probes():
    reasons = [None, "draining"]
    async with receiving(why_not_ready=lambda: reasons.pop(0)) as zoom:
        assert await zoom.gets("/healthz") == (200, "alive")
        assert await zoom.gets("/readyz") == (200, "ready")
        assert await zoom.gets("/readyz") == (503, "draining")


async def test_a_flood_of_forgeries_is_one_warning_a_second():
    with structlog.testing.capture_logs() as lines:
        async with receiving() as zoom:
            for _ in range(5):
                await zoom.posts(b"attacker", {"x-zm-signature": "attacker"})
            await asyncio.sleep(1.5)  # virtual
            assert [line["count"] for line in lines] == [1, 4]
            await zoom.posts(b"attacker", {})
            await zoom.posts(b"attacker", {})
    assert [line["count"] for line in lines] == [1, 4, 1, 1]
    assert {(line["event"], line["log_level"]) for line in lines} == {("WebhooksRejected", "warning")}
    assert "attacker" not in str(lines)


async def test_logs_hold_ids_alone():
    with structlog.testing.capture_logs() as lines:
        async with receiving() as zoom:
            await zoom.posts(BODY)
            await zoom.posts(body_of("endpoint.url_validation", {"plainToken": PLAIN_TOKEN}))
    for secret in (SECRET_TOKEN, PLAIN_TOKEN, ENCRYPTED_TOKEN):
        assert secret not in str(lines)


async def test_its_face():
    async with receiving() as zoom:
        await zoom.posts(BODY)
        assert repr(zoom._receiver) == "<WebhookReceiver /webhook apps=['mine', 'other'] accepted=1>"
