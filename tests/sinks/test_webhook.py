"""The webhook sink, from items to a receiver that checks the signatures."""

import asyncio
import json

import msgspec
import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import ConfigError, SinkError
from rtms_engine.model.events import ActiveSpeakerChanged, Participant
from rtms_engine.outbound.signing import key_of, verify
from rtms_engine.sinks import registry
from rtms_engine.sinks.base import Ending
from rtms_engine.sinks.registry import SinkConfig
from rtms_engine.sinks.services import Services
from tests.outbound.support import OTHER_SECRET, SECRET, receiver
from tests.sinks.items import FINISHED, ITEMS, JOINED, REVOKED, STREAM, T0_MS, TRANSCRIPT

pytestmark = pytest.mark.virtual_clock


def unix_s():
    return 1_790_000_000.0 + asyncio.get_running_loop().time()


def ready(url, tmp_path, /, **options):
    given = {"url": url, "secrets": [SECRET], "directory": str(tmp_path / "q"), "allow_private": True}
    return registry.build(SinkConfig("webhook", options=given | options))


async def arrived(server, count):
    while len(server.received) < count:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    return [json.loads(one.body) for one in server.received]


async def stream(services, sink, *batches, ending=FINISHED):
    made = sink.spec.factory(services.argument(sink))
    await made.open(STREAM)
    for batch in batches:
        await made.write(batch)
    await made.close(ending)


async def test_texts_and_events_arrive_and_media_do_not(tmp_path):
    async with receiver(unix_s) as server:
        sink = ready(server.url, tmp_path)
        async with Services([sink], unix_s) as services:
            await stream(services, sink, ITEMS)
            documents = await arrived(server, 6)
    assert sorted(document["event"] for document in documents) == [
        "participant_events.chat_message",
        "participant_events.join",
        "stream.ended",
        "stream.started",
        "stream.stream_state_changed",
        "transcript.data",
    ]
    for one in server.received:
        assert verify([key_of(SECRET)], one.headers, one.body, one.at_s)


async def test_only_the_events_that_are_wanted(tmp_path):
    async with receiver(unix_s) as server:
        sink = ready(server.url, tmp_path, events=["transcript.*", "stream.ended"])
        async with Services([sink], unix_s) as services:
            await stream(services, sink, ITEMS)
            documents = await arrived(server, 2)
    assert {document["event"] for document in documents} == {"transcript.data", "stream.ended"}


async def test_a_batch_that_is_tried_again_is_sent_once(tmp_path):
    batch = [ActiveSpeakerChanged(T0_MS, Participant(1)), ActiveSpeakerChanged(T0_MS, Participant(2))]
    async with receiver(unix_s) as server:
        sink = ready(server.url, tmp_path, events=["participant_events.*"])
        async with Services([sink], unix_s) as services:
            made = sink.spec.factory(services.argument(sink))
            await made.open(STREAM)
            await made.write(batch)
            await made.write(batch)
            documents = await arrived(server, 3)
            await made.close(FINISHED)
    assert len(documents) == 3


async def test_a_revoked_stream_takes_what_waits_with_it(tmp_path):
    async with receiver(unix_s, 500) as server:
        sink = ready(server.url, tmp_path)
        async with Services([sink], unix_s) as services:
            await stream(services, sink, ITEMS, ending=REVOKED)
            server.statuses = [200]
            server.received.clear()
            documents = await arrived(server, 1)
            await asyncio.sleep(100_000)
    assert [document["event"] for document in documents] == ["stream.ended"]
    assert documents[0]["data"]["data"]["outcome"] == "erase"
    assert len(server.received) == 1
    assert b"Good morning" not in b"".join(path.read_bytes() for path in (tmp_path / "q").iterdir())


async def test_a_stream_that_goes_on_elsewhere_is_not_called_ended(tmp_path):
    ending = Ending(FINISHED.stop_reason, T0_MS, is_released=True)
    async with receiver(unix_s) as server:
        sink = ready(server.url, tmp_path, events=["stream.*"])
        async with Services([sink], unix_s) as services:
            await stream(services, sink, ending=ending)
            documents = await arrived(server, 1)
    assert [document["event"] for document in documents] == ["stream.started"]


async def test_what_waits_is_sent_by_the_next_engine(tmp_path):
    async with receiver(unix_s, 500) as server:
        sink = ready(server.url, tmp_path, events=["transcript.data"])
        async with Services([sink], unix_s) as services:
            await stream(services, sink, [TRANSCRIPT])
            await arrived(server, 1)
        server.statuses = [200]
        async with Services([sink], unix_s):
            documents = await arrived(server, 2)
    assert [document["event"] for document in documents] == ["transcript.data"] * 2
    assert server.received[0].headers["webhook-id"] == server.received[1].headers["webhook-id"]


async def test_no_content_and_no_secret_in_the_log(tmp_path):
    with capture_logs() as logs:
        async with receiver(unix_s, 500) as server:
            sink = ready(f"{server.url}?key=hidden", tmp_path)
            async with Services([sink], unix_s) as services:
                await stream(services, sink, ITEMS)
                await arrived(server, 6)
    said = str(logs)
    assert "NotificationFailed" in said
    assert not any(word in said for word in ("Good morning", "Ada", "hidden", SECRET, SECRET[6:]))


async def test_a_disk_that_does_not_let_us(tmp_path):
    async with receiver(unix_s) as server:
        sink = ready(server.url, tmp_path)
        async with Services([sink], unix_s) as services:
            outbox = services.argument(sink)
            made = sink.spec.factory(outbox)
            await made.open(STREAM)
            outbox.deliverer._queue._file.execute("PRAGMA query_only = ON")
            with pytest.raises(SinkError, match="cannot queue what is to be sent"):
                await made.write([JOINED])
            with pytest.raises(SinkError, match="cannot delete what waits"):
                await made.close(REVOKED)
            outbox.deliverer._queue._file.execute("PRAGMA query_only = OFF")


async def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "q").touch()
    sink = ready("http://127.0.0.1:1", tmp_path)
    with pytest.raises(ConfigError, match="cannot be used as a queue"):
        async with Services([sink], unix_s):
            pass


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": "http://example.com", "allow_private": False}, "must be an https:// URL"),
        ({"url": "https://u:p@example.com"}, "must not hold a user or a password"),
        ({"secrets": []}, "give either secrets or secrets_file"),
        ({"secrets": ["whsec_short"]}, "whsec_ and the Base64 of 24 to 64"),
        ({"secrets": [SECRET, OTHER_SECRET, SECRET]}, "at most two"),
        ({"secrets": [SECRET], "secrets_file": "there"}, "give either secrets or secrets_file"),
        ({"secrets": [], "secrets_file": "nowhere"}, "secrets_file cannot be read: No such file"),
        ({"events": ["Transcript Data"]}, "events: must be"),
        ({"max_queued": 0}, "max_queued: must be"),
        ({"urll": "https://example.com"}, "did you mean 'url'"),
    ],
)
def test_a_configuration_that_cannot_be_used(changes, why, tmp_path):
    with pytest.raises(ConfigError) as error:
        ready("https://example.com", tmp_path, **changes)
    assert why in str(error.value)
    assert "short" not in str(error.value)


def test_secrets_in_a_file(tmp_path):
    (tmp_path / "secrets").write_text(f"{SECRET}\n{OTHER_SECRET}\n")
    sink = ready("https://example.com", tmp_path, secrets=[], secrets_file=str(tmp_path / "secrets"))
    assert sink.config.keys() == (key_of(SECRET), key_of(OTHER_SECRET))
    assert SECRET not in repr(msgspec.structs.asdict(ready("https://example.com", tmp_path).config))
