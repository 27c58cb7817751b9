"""Subscribers at a real server."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from rtms_engine.errors import ConfigError
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams
from rtms_engine.sinks import registry
from rtms_engine.sinks.base import Ending
from rtms_engine.sinks.registry import SinkConfig
from rtms_engine.sinks.services import Services
from tests.sinks.items import AUDIO, FINISHED, ITEMS, JOINED, STREAM, STREAM_ID, T0_MS, TRANSCRIPT, VIDEO

pytestmark = pytest.mark.virtual_clock

TOKEN = "a-token-of-some-length"
OTHER = msgspec.structs.replace(STREAM, stream_id=StreamId("other"))


def ready(**options):
    return registry.build(SinkConfig("websocket", options={"tokens": [TOKEN], "port": 0, **options}))


class World:
    def __init__(self, hub, session):
        self.hub = hub
        self.session = session

    @asynccontextmanager
    async def subscriber(self, query="", token=TOKEN, **options):
        url = f"ws://127.0.0.1:{self.hub.port}/live{query}"
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with self.session.ws_connect(url, headers=headers, **options) as socket:
            await asyncio.sleep(0.01)
            yield socket

    async def sink(self, stream=STREAM):
        sink = registry.find("websocket").factory(self.hub)
        await sink.open(stream)
        return sink


@pytest.fixture
async def world():
    async with running() as world:
        yield world


@asynccontextmanager
async def running(**options):
    sink = ready(**options)
    async with Services([sink], lambda: 0.0) as services, aiohttp.ClientSession() as session:
        yield World(services.argument(sink), session)


async def messages(socket, count):
    async with asyncio.timeout(5):
        return [json.loads(await socket.receive_str()) for _ in range(count)]


def names(documents):
    return [document["event"] for document in documents]


async def test_everything_in_recalls_shape(world):
    async with world.subscriber("?kinds=audio,video,share,transcript,chat,events") as socket:
        sink = await world.sink()
        await sink.write(ITEMS)
        await sink.close(FINISHED)
        assert names(await messages(socket, 9)) == [
            "stream.started",
            "stream.stream_state_changed",
            "participant_events.join",
            "audio_separate_raw.data",
            "video_separate_jpg.data",
            "video_separate_jpg.data",
            "transcript.data",
            "participant_events.chat_message",
            "stream.ended",
        ]


async def test_only_the_kinds_and_the_stream_that_are_wanted(world):
    async with (
        world.subscriber("?kinds=audio") as sound,
        world.subscriber(f"?stream={STREAM_ID}") as texts,
        world.subscriber("?kinds=transcript&stream=other") as other,
    ):
        first, second = await world.sink(), await world.sink(OTHER)
        await first.write(ITEMS)
        await second.write([TRANSCRIPT])
        assert names(await messages(sound, 1)) == ["audio_separate_raw.data"]
        assert len(await messages(texts, 5)) == 5
        [said] = await messages(other, 1)
        assert said["data"]["recording"]["id"] == "other"


async def test_who_comes_later_hears_who_is_there(world):
    sink = await world.sink()
    await sink.write([JOINED, AUDIO, TRANSCRIPT])
    async with world.subscriber() as socket:
        await sink.write([TRANSCRIPT])
        assert names(await messages(socket, 3)) == [
            "stream.started",
            "participant_events.join",
            "transcript.data",
        ]


async def test_sound_of_another_codec_is_sent_as_pcm(world):
    sink = await world.sink()
    async with world.subscriber("?kinds=audio") as socket:
        params = AudioParams(codec="g711", sample_rate=8000)
        await sink.write([msgspec.structs.replace(AUDIO, params=params, payload=b"\xd5" * 160)])
        [document] = await messages(socket, 1)
    data = document["data"]["data"]
    assert data["format"] == {"encoding": "pcm_s16le", "sample_rate": 8000, "channels": 1}
    assert len(base64.b64decode(data["buffer"])) == 320


async def test_twilio_in_real_time_without_gaps(world):
    async with world.subscriber("?format=twilio&encoding=l16&rate=16000") as socket:
        sink = await world.sink()
        for n in (0, 1, 2, 6, 7):
            sound = np.full(320, 1000, "<i2").tobytes()
            await sink.write([msgspec.structs.replace(AUDIO, timestamp_ms=T0_MS + 20 * n, payload=sound)])
            await asyncio.sleep(0.02)
        connected, start, *media = await messages(socket, 12)
        began = asyncio.get_running_loop().time()
        more = await messages(socket, 50)
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.1)
        await sink.close(FINISHED)
        while (last := (await messages(socket, 1))[0])["event"] == "media":
            pass
    assert (connected["event"], start["event"], last["event"]) == ("connected", "start", "stop")
    heard = [int(np.frombuffer(base64.b64decode(one["media"]["payload"]), "<i2")[0]) for one in media + more]
    assert heard[:10] == [1000, 1000, 1000, 0, 0, 0, 1000, 1000, 0, 0]


async def test_browsers_offer_the_token_as_a_protocol(world):
    async with world.subscriber(token=None, protocols=["rtms", f"token.{TOKEN}"]) as socket:
        assert socket.protocol == "rtms"


@pytest.mark.parametrize("options", [{"token": "wrong"}, {"token": None}, {"token": "ü"}])
async def test_without_a_token_there_is_nothing(world, options):
    with capture_logs() as logs, pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with world.subscriber(**options):
            pass
    assert refused.value.status == 401
    assert TOKEN not in str(logs)
    assert world.hub.counts["refused"] == 1


async def test_a_token_in_the_address_is_refused(world):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with world.subscriber(f"?token={TOKEN}"):
            pass
    assert refused.value.status == 400


async def test_too_many_subscribers():
    async with running(max_subscribers=1) as world, world.subscriber():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with world.subscriber():
                pass
    assert refused.value.status == 503


async def test_who_does_not_read_is_cut_off_and_nobody_else_waits():
    async with running(subscriber_mb=0.5) as world:
        picture = msgspec.structs.replace(VIDEO, payload=bytes(100_000))
        async with world.subscriber("?kinds=video") as slow, world.subscriber("?kinds=video") as fast:
            slow._reader._protocol.pause_reading()
            sink = await world.sink()
            with capture_logs() as logs:
                for _ in range(200):
                    await sink.write([picture])
                    await messages(fast, 1)
                await asyncio.sleep(1)
            assert world.hub.counts["too_slow"] == 1
            assert [log["event"] for log in logs] == ["SubscriberCutOff"]
            assert len(world.hub._tracks) == 1


async def test_what_subscribers_say_is_not_heeded(world):
    sink = await world.sink()
    async with world.subscriber() as socket:
        await socket.send_str("{}" * 1000)
        await sink.write([TRANSCRIPT])
        assert names(await messages(socket, 2)) == ["stream.started", "transcript.data"]
        await socket.send_bytes(bytes(10_000))
        assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


async def test_the_end_of_the_engine():
    async with running() as world:
        socket = await world.session.ws_connect(
            f"ws://127.0.0.1:{world.hub.port}/live", headers={"authorization": f"Bearer {TOKEN}"}
        )
        reading = asyncio.get_running_loop().create_task(socket.receive())
        await asyncio.sleep(0.1)
        await world.hub.__aexit__(None, None, None)
        assert (await reading).data == aiohttp.WSCloseCode.GOING_AWAY
        await socket.close()


async def test_a_stream_that_goes_on_elsewhere_is_not_called_ended(world):
    async with world.subscriber() as socket:
        first = await world.sink()
        await first.close(Ending(FINISHED.stop_reason, T0_MS, is_released=True))
        await world.sink(msgspec.structs.replace(STREAM, resumed=True))
        assert names(await messages(socket, 2)) == ["stream.started"] * 2


async def test_a_port_that_is_taken():
    async with running() as world:
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
            async with running(port=world.hub.port):
                pass


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"tokens": []}, "give either tokens or tokens_file"),
        ({"tokens": ["short"]}, "16 or more characters"),
        ({"tokens": ["with spaces in it, and long"]}, "no spaces"),
    ],
)
def test_tokens_that_cannot_be_used(options, why):
    with pytest.raises(ConfigError, match=why) as error:
        ready(**options)
    assert "with spaces" not in str(error.value)
