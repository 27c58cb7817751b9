import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.capture.aliases import Aliases, scrub_json
from tests.wire.strategies import JSON


@pytest.fixture
def aliases():
    return Aliases()


def test_names(aliases):
    assert [aliases.name(name) for name in ("Ada", "Ben", "Ada", "")] == [
        "Participant 1",
        "Participant 2",
        "Participant 1",
        "",
    ]


@pytest.mark.parametrize(
    "identifier",
    ["2ol7HhrELJ4AYpdAlX+Diw==", "a/b/c/d/e/f/g/h/i/j", "98765432109", "x", "日本語日本語日本語日本語"],
)
def test_ids_keep_their_shape(aliases, identifier):
    alias = aliases.identifier(identifier)
    assert alias == aliases.identifier(identifier) != identifier
    assert len(alias) == len(identifier) or len(identifier) < 8
    assert [c for c in alias if not c.isalnum()] == [
        c for c in identifier if not c.isalnum()
    ] or not identifier.isascii()
    assert alias.isdecimal() == identifier.isdecimal()


@given(st.lists(st.text(min_size=1, max_size=30), unique=True, max_size=30))
def test_different_ids_stay_different(identifiers):
    aliases = Aliases()
    assert len({aliases.identifier(one) for one in identifiers}) == len(identifiers)


def test_numbers_and_texts(aliases):
    assert aliases.number(0) == 0
    assert aliases.number(5) == aliases.number(5) != aliases.number(6)
    assert len(aliases.text("x" * 1000)) == 1000
    assert aliases.text("") == ""


@pytest.mark.parametrize(
    ("url", "alias"),
    [
        ("wss://rtms-sjc1.zoom.us:443/secret/path?token=redacted", "wss://rtms-sjc1.zoom.us:443"),
        ("wss://127.0.0.1:41495", "wss://127.0.0.1:41495"),
        ("wss://[::1]:5/x", "wss://[::1]:5"),
        ("https://customer.example/x", "https://host1.invalid"),
        ("wss://[", "redacted"),
    ],
)
def test_urls(aliases, url, alias):
    assert aliases.url(url) == alias


def test_what_is_kept_is_known_to_be_harmless(aliases):
    said = {
        "msg_type": 6,
        "status_code": "STATUS_OK",
        "media_params": {"audio": {"codec": 1, "sample_rate": 1}},
        "event": {"event_type": 3, "timestamp": 1_790_000_000_000, "ok": True, "none": None},
        "language": "en-US",
        "signature": "redacted",
    }
    assert aliases.value(said) == said


def test_everything_else_goes(aliases):
    said = {
        "participants": [{"user_id": 16778240, "user_name": "Ada Park", "email": "ada@example.com"}],
        "phone": "+1 555 123 4567",
        "caller": 15551234567,
        "status": "Ada is here",
        "by name": {"Ada Park": "Ada Park", "ada@example.com": 1},
        "files": [{"file_name": "offer for Ada.pdf", "download_url": "https://x.example/f?t=1"}],
        "amount": 1234567.89,
    }
    scrubbed = json.dumps(aliases.value(said))
    for secret in ("Ada", "ada", "555", "16778240", "15551234567", "offer", "x.example", "1234567", "Park"):
        assert secret not in scrubbed
    assert "Participant 1" in scrubbed


def test_sentences(aliases):
    aliases.name("Ada Park")
    aliases.identifier("meeting-uuid")
    said = "wss://rtms.zoom.us/x?t=1: Ada Park in meeting-uuid at 10.1.2.3 or fe80::1:2, a@b.example, +49 (30) 123456, 1000 (OK)"
    scrubbed = aliases.sentence(said)
    assert "1000 (OK)" in scrubbed
    assert "wss://rtms.zoom.us" in scrubbed
    for secret in ("Ada", "meeting-uuid", "10.1.2.3", "fe80", "a@b", "123456", "t=1"):
        assert secret not in scrubbed


@given(JSON)
def test_no_value_is_too_strange(value):
    scrub_json(Aliases(), json.dumps(value).encode())


@given(st.binary(max_size=100))
def test_nonsense_keeps_its_size(noise):
    try:
        json.loads(noise)
    except ValueError:
        scrubbed = scrub_json(Aliases(), noise)
        assert len(scrubbed) == len(noise)
