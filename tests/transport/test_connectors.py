"""Which connector a configuration gets."""

import importlib.util

import pytest

from rtms_engine.errors import ConfigError
from rtms_engine.transport.connectors import connector
from rtms_engine.transport.picows import PicowsConnector
from rtms_engine.transport.tls import client_context
from rtms_engine.transport.websocket import WebSocketConnector


@pytest.mark.parametrize(
    ("library", "type_"),
    [("auto", PicowsConnector), ("picows", PicowsConnector), ("websockets", WebSocketConnector)],
)
def test_by_name(library, type_):
    assert type(connector(library, client_context())) is type_


def test_without_picows(monkeypatch):
    """`auto` does without; its name is then an error that says what to do."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert type(connector("auto", client_context())) is WebSocketConnector
    with pytest.raises(ConfigError, match=r"rtms\.transport.*pip install picows"):
        connector("picows", client_context())
