"""How much faster is a media message decoded than by ``json`` and ``base64``?

The reference is what a plain client does with the same bytes in the same run: ``json.loads`` and
``base64.b64decode``. Rounds of both alternate, and the medians are compared.
"""

import base64
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable

from rtms_engine.wire.json_codec import decode

SIZES_BYTES = {"audio_20ms": 640, "audio_100ms": 3_200, "video_picture": 40_000}
ROUNDS = 15


def message(msg_type: int, size_bytes: int) -> bytes:
    """A media message with ``size_bytes`` of payload."""
    payload = base64.b64encode(bytes(i % 251 for i in range(size_bytes))).decode()
    content = {
        "user_id": 16778240,
        "user_name": "Ada Park",
        "data": payload,
        "length": size_bytes,
        "timestamp": 1738392033699,
    }
    return json.dumps({"msg_type": msg_type, "content": content}).encode()


def plain(data: bytes) -> bytes:
    """The reference."""
    return base64.b64decode(json.loads(data)["content"]["data"])


def microseconds(function: Callable[[bytes], object], data: bytes, calls: int) -> float:
    """Time of one call, averaged over ``calls``."""
    start = time.perf_counter()
    for _ in range(calls):
        function(data)
    return (time.perf_counter() - start) / calls * 1e6


def main() -> None:
    """Print one JSON line."""
    ratios, ours_us = {}, {}
    for name, size_bytes in SIZES_BYTES.items():
        data = message(15 if name.startswith("video") else 14, size_bytes)
        calls = max(200, 4_000_000 // size_bytes)
        pairs = [(microseconds(decode, data, calls), microseconds(plain, data, calls)) for _ in range(ROUNDS)]
        ours_us[name] = round(statistics.median(ours for ours, _ in pairs), 2)
        ratios[name] = round(statistics.median(theirs / ours for ours, theirs in pairs), 2)
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    json.dump({"benchmark": "decode", "times_faster": ratios, "us": ours_us, **machine}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
