"""What the tests of the two protocols share: whose stream it is, and both sides of a conversation."""

import json

from rtms_engine.model.frames import Speaker
from rtms_engine.model.ids import StreamId
from rtms_engine.model.products import MEETING
from rtms_engine.protocol.identity import StreamIdentity

UNIX_MS = 1_790_000_000_000


def unix_ms():
    return UNIX_MS


def identity(product=MEETING):
    return StreamIdentity(product, "U==", StreamId("S"), "…")


def zoom_says(connection, now=0.0, **message):
    """The connection receives one message."""
    return list(connection.receive(json.dumps(message).encode(), now))


def said(connection):
    """What it wants sent since the last time, as JSON."""
    return [json.loads(message) for message in connection.data_to_send()]


class Names:
    """An attribution that knows one participant and the active speaker."""

    def speaker(self, user_id, name, channel_id):
        return Speaker(user_id, name or {5: "Five"}.get(user_id, ""), "packet", channel_id)

    def mixed_speaker(self):
        return Speaker(5, "Five", "active_speaker")
