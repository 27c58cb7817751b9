"""Media messages as Zoom sends them, encoded once: what changes from one to the next is spliced in."""

import base64
import json
import math
import struct

BYTES_PER_MS = 32
"""Of plain sound: 16,000 samples a second of two bytes each."""
STAMP_BYTES = 12
"""At the head of a payload: when it was sent, in microseconds, as digits; sixteen characters of Base64."""


def media_message(msg_type: int, size_bytes: int) -> bytes:
    """A media message with ``size_bytes`` of payload, spaced as Python's ``json`` does."""
    payload = base64.b64encode(bytes(i % 251 for i in range(size_bytes))).decode()
    content = {
        "user_id": 16778240,
        "user_name": "Ada Park",
        "data": payload,
        "length": size_bytes,
        "timestamp": 1738392033699,
    }
    return json.dumps({"msg_type": msg_type, "content": content}).encode()


def speech(samples: int) -> bytes:
    """Sound as loud as somebody who speaks; the mix of two who shout is more work."""
    return struct.pack(f"<{samples}h", *(round(3_000 * math.sin(i / 13)) for i in range(samples)))


class Audio:
    """The sound of one participant, ``every_ms`` of it in a message."""

    def __init__(self, user_id: int, name: str, every_ms: int) -> None:
        size_bytes = every_ms * BYTES_PER_MS
        rest = speech((size_bytes - STAMP_BYTES) // 2)
        head = f'{{"msg_type":14,"content":{{"user_id":{user_id},"user_name":"{name}","data":"'
        self._head = head.encode()
        self._middle = base64.b64encode(rest) + f'","length":{size_bytes},"timestamp":'.encode()

    def message(self, stamp: bytes, at_ms: bytes) -> bytes:
        """One message; ``stamp`` is the Base64 of when it is sent, ``at_ms`` Zoom's time as digits."""
        return b"".join((self._head, stamp, self._middle, at_ms, b"}}"))


def transcript(at_ms: int) -> bytes:
    """One segment of text."""
    content = {
        "user_id": 16778240,
        "user_name": "Speaker 0",
        "timestamp": at_ms,
        "start_time": at_ms,
        "end_time": at_ms + 900,
        "language": 9,
        "data": "This is what somebody said within one second.",
    }
    return json.dumps({"msg_type": 17, "content": content}).encode()
