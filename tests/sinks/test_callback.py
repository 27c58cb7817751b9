import asyncio

import pytest

from rtms_engine.sinks.callback import CallbackConfig, CallbackSink
from tests.sinks.items import AUDIO, CHAT, FINISHED, ITEMS, STREAM

heard = []


def hear(stream, item):
    heard.append((stream, item))


pytestmark = pytest.mark.virtual_clock


async def test_a_function_hears_every_item_in_order():
    items = []
    sink = CallbackSink(lambda stream, item: items.append((stream, item)))
    await sink.open(STREAM)
    await sink.write(ITEMS)
    assert items == [(STREAM, item) for item in ITEMS]


async def test_a_coroutine_function_is_waited_for():
    items = []

    async def take(stream, item):
        await asyncio.sleep(1)  # virtual
        items.append(item)

    sink = CallbackSink(take)
    await sink.open(STREAM)
    await sink.write([AUDIO, CHAT])
    assert items == [AUDIO, CHAT]
    await sink.close(FINISHED)


async def test_what_it_raises_is_not_hidden():
    def fail(stream, item):
        raise LookupError("mine")

    sink = CallbackSink(fail)
    await sink.open(STREAM)
    with pytest.raises(LookupError, match="mine"):
        await sink.write([AUDIO])


def test_a_place_is_resolved():
    assert CallbackConfig("builtins:print").resolve() is print


@pytest.mark.parametrize("callback", ["nowhere:f", "builtins:nothing", "no place!", "math:pi", 5])
def test_what_is_no_function_is_refused_when_the_config_is_made(callback):
    with pytest.raises((ValueError, TypeError)):
        CallbackConfig(callback)
