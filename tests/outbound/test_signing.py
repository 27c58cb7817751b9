"""Standard Webhooks, with the example of its specification."""

import pytest

from rtms_engine.outbound.signing import headers, key_of, verify
from tests.outbound.support import OTHER_SECRET, SECRET

BODY = b'{"test": 2432232314}'
SENT_S = 1614265330
KEY, OTHER = key_of(SECRET), key_of(OTHER_SECRET)


def test_the_example_of_the_specification():
    assert headers([KEY], "msg_p5jXN8AQM9LWM0D4loKWxJek", SENT_S, BODY) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("known", [[KEY], [OTHER], [OTHER, KEY]])
def test_while_one_secret_replaces_the_other_both_sides_of_the_change_accept(known):
    assert verify(known, headers([KEY, OTHER], "msg_1", SENT_S, BODY), BODY, SENT_S)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(SENT_S + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "²"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": ""},
        {"webhook-id": ""},
    ],
)
def test_what_was_changed_is_not_genuine(change):
    assert not verify([KEY], headers([KEY], "msg_1", SENT_S, BODY) | change, BODY, SENT_S)


def test_neither_is_another_body_another_secret_or_an_old_message():
    signed = headers([KEY], "msg_1", SENT_S, BODY)
    assert not verify([KEY], signed, BODY + b" ", SENT_S)
    assert not verify([OTHER], signed, BODY, SENT_S)
    assert not verify([KEY], signed, BODY, SENT_S + 301)
    assert not verify([KEY], signed, BODY, SENT_S - 301)
    assert verify([KEY], signed, BODY, SENT_S + 300)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_short", "whsec_!!!!", "whsec_" + "A" * 200])
def test_a_secret_that_is_none(text):
    with pytest.raises(ValueError, match="whsec_ and the Base64") as error:
        key_of(text)
    assert text == "" or text.removeprefix("whsec_") == "" or text not in str(error.value)
