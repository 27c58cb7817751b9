"""How much faster is a message decoded than by ``json`` and ``base64``?

The reference is what a plain client does with the same bytes in the same run: ``json.loads`` and, for what has
a payload, ``base64.b64decode``. Rounds of both take turns, and the medians are compared.
"""

import base64
import json
import statistics
import time
from collections.abc import Callable

from rtms_engine.wire.json_codec import decode

from .encoded import media_message, transcript
from .frame import Result, Size, in_turns, main, ratio_of, rounded

QUESTION = "how much faster is a message decoded than by json and base64?"

MESSAGES = {
    "audio_20ms": media_message(14, 640),
    "audio_100ms": media_message(14, 3_200),
    "video_picture": media_message(15, 40_000),
    "transcript": transcript(1738392033699),
    "keep_alive": b'{"msg_type":12,"timestamp":1738392033699}',
}
ROUNDS: dict[Size, int] = {"smoke": 1, "short": 25, "full": 100}
BYTES_PER_ROUND: dict[Size, int] = {"smoke": 100_000, "short": 3_000_000, "full": 3_000_000}


def plain(data: bytes) -> object:
    """The reference, for media."""
    return base64.b64decode(json.loads(data)["content"]["data"])


def microseconds(function: Callable[[bytes], object], data: bytes, calls: int) -> float:
    """Time of one call, averaged over ``calls``."""
    start = time.perf_counter()
    for _ in range(calls):
        function(data)
    return (time.perf_counter() - start) / calls * 1e6


def measure(size: Size) -> Result:
    """Decode every type of message."""
    ratio, ours_us = {}, {}
    for name, data in MESSAGES.items():
        calls = max(5, BYTES_PER_ROUND[size] // (1_000 + len(data)))
        reference: Callable[[bytes], object] = plain if b"length" in data else json.loads
        times = in_turns(
            {
                "ours": lambda data=data, calls=calls: microseconds(decode, data, calls),
                "plain": lambda data=data, calls=calls, reference=reference: microseconds(
                    reference, data, calls
                ),
            },
            ROUNDS[size],
        )
        ratio[f"{name}_times_faster"] = ratio_of(times["plain"], times["ours"])
        ours_us[name] = statistics.median(times["ours"])
    return Result(ratio, {"us": rounded(ours_us)})


if __name__ == "__main__":
    main("decode")
