"""What a listener may ask for."""

import pytest

from rtms_engine.sinks.subscriber import DEFAULT_KINDS, Subscriber, Subscription, subscription
from rtms_engine.sinks.twilio import MediaFormat


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Subscription()),
        ({"stream": "s", "kinds": "audio,events"}, Subscription("s", kinds=frozenset(["audio", "events"]))),
        ({"format": "twilio"}, Subscription(shape="twilio", kinds=DEFAULT_KINDS)),
        (
            {"format": "twilio", "encoding": "l16", "rate": "16000", "participant": "7"},
            Subscription(shape="twilio", media=MediaFormat("l16", 16000, 7)),
        ),
    ],
)
def test_queries(query, expected):
    assert subscription(query) == expected


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"format": "morse"}, "format"),
        ({"kinds": "audio,smell"}, "kinds: 1 not known; there are audio, chat, events"),
        ({"rate": "16000"}, "rate: must be 8000 with encoding=mulaw"),
        ({"encoding": "l16", "rate": "44100"}, "rate: must be 8000 or 16000"),
        ({"participant": "Ada"}, "participant"),
        ({"token": "t"}, "token"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(query, why):
    with pytest.raises(ValueError, match=why):
        subscription(query)


def test_who_is_too_slow_is_cut_once():
    cuts = []
    subscriber = Subscriber(Subscription(), 10, lambda: cuts.append(1))
    subscriber.offer([b"12345"])
    assert not cuts
    subscriber.offer([b"12345", b"6"])
    subscriber.offer([b"7"])
    assert cuts == [1]
    assert subscriber.is_too_slow
    assert repr(subscriber) == "<Subscriber recall sent=0 waiting=0>"
