import json

import pytest
from msgspec.structs import replace

from rtms_engine.coordination.spelling import read, spelled
from rtms_engine.model.products import PRODUCTS
from rtms_engine.model.signals import StartFailed, StreamStarted, StreamStopped
from tests.coordination.signals import started, stopped

FULL = started(
    meeting_id="123", account_id="a", operator_id="o", is_original_host=False, session_key="schlüssel \0 🔑"
)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p.name)
def test_what_was_spelled_can_be_read(product):
    for signal in (replace(FULL, product=product), replace(stopped(), product=product)):
        assert read(spelled(signal), type(signal)) == signal


def test_the_product_is_its_name():
    fields = json.loads(spelled(started()))
    assert (fields["type"], fields["product"]) == ("StreamStarted", "meeting")
    assert json.loads(spelled(StartFailed("mine", 1, "why")))["type"] == "StartFailed"


def test_fields_of_a_later_version_are_left_out():
    text = json.dumps(json.loads(spelled(stopped())) | {"invented_later": 1})
    assert read(text, StreamStopped) == stopped()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"product": 1}', '{"product": "toaster"}', '{"product": "meeting"}']
)
def test_anything_else_is_an_error(text):
    with pytest.raises(ValueError, match=r".+"):
        read(text, StreamStarted)
