"""A digest tells configurations apart without telling what is in them."""

import msgspec

from rtms_engine import AppConfig, Config, ServerConfig, SinkConfig
from rtms_engine.config.digest import differing, digest, set_keys

APP = AppConfig.of("id", "client-secret", "secret-token")
SINK = SinkConfig("websocket", options={"tokens": ["a-long-random-token"], "port": 0})
CONFIG = Config(apps=[APP], sinks=[SinkConfig("recording"), SINK])


def test_equal_ones_have_one_digest() -> None:
    again = msgspec.structs.replace(CONFIG, apps=(AppConfig.of("id", "client-secret", "secret-token"),))
    assert digest(again) == digest(CONFIG)
    assert not differing(CONFIG, again)


def test_another_value_is_another_digest_and_its_key_is_named() -> None:
    other = msgspec.structs.replace(CONFIG, server=ServerConfig(port=9000))
    assert digest(other) != digest(CONFIG)
    assert differing(CONFIG, other) == ["server.port"]


def test_another_secret_is_noticed_and_is_in_no_digest() -> None:
    """Who has the digest learns nothing of secrets, not even whether a guess is right."""
    app = AppConfig.of("id", "client-secret", "another")
    sink = SinkConfig("websocket", options={"tokens": ["another-long-random-token"], "port": 0})
    other = msgspec.structs.replace(CONFIG, apps=[app], sinks=[SinkConfig("recording"), sink])
    assert differing(CONFIG, other) == ["apps.default.secret_token", "sinks.websocket.tokens"]
    assert digest(other) == digest(CONFIG)


def test_what_is_set() -> None:
    keys = set_keys(CONFIG)
    assert "apps.default.client_id" in keys
    assert "sinks.websocket.port" in keys
    assert not [key for key in keys if key.startswith(("server.", "rtms."))]
