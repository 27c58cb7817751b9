import re
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rtms_engine.errors import LocalProtocolError
from rtms_engine.model.products import CONTACT_CENTER_VOICE, MEETING, PHONE, SESSION, WEBINAR
from rtms_engine.zoom_api.calls import BASE_URL, path_segment, status_call

BASE64 = st.text("ABCXYZabcxyz0123456789+/=", min_size=1)
ANY_ID = BASE64 | st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.mark.parametrize(
    ("entity_id", "segment"),
    [
        ("98765432101", "98765432101"),
        ("4gxPtJMKQuexGn0Bw3Ta1A==", "4gxPtJMKQuexGn0Bw3Ta1A%3D%3D"),
        ("a+b", "a%2Bb"),
        # Zoom's page of the Video SDK call has this very example.
        ("/abc", "%252Fabc"),
        ("a//b", "a%252F%252Fb"),
        ("a/b=", "a%252Fb%253D"),
    ],
)
def test_an_id_as_a_segment(entity_id, segment):
    assert path_segment(entity_id) == segment


@given(ANY_ID)
@example("/")
@example("%2F")
def test_zoom_gets_every_id_back(entity_id):
    """Its gateway decodes once and must see no ``/``; whoever knows the rule, decodes the rest."""
    assume(entity_id.strip("."))
    segment = path_segment(entity_id)
    assert re.fullmatch(r"[\w.~%-]+", segment, re.ASCII)
    once = unquote(segment)
    assert "/" not in once
    assert (unquote(once) if "/" in entity_id else once) == entity_id


@given(ANY_ID, ANY_ID)
def test_two_ids_of_zoom_never_meet(one, other):
    """No id of Zoom's holds a ``%``; those that do may look like an encoded one."""
    assume(one != other and "%" not in one + other and one.strip(".") and other.strip("."))
    assert path_segment(one) != path_segment(other)


@pytest.mark.parametrize("entity_id", ["", ".", ".."])
def test_what_is_no_id(entity_id):
    with pytest.raises(LocalProtocolError, match="is not the id"):
        path_segment(entity_id)


@pytest.mark.parametrize(
    ("product", "user", "path", "body"),
    [
        (
            MEETING,
            None,
            "/live_meetings/123/rtms_app/status",
            {"action": "start", "settings": {"client_id": "c"}},
        ),
        (
            WEBINAR,
            "u",
            "/live_meetings/123/rtms_app/status",
            {"action": "start", "settings": {"client_id": "c", "participant_user_id": "u"}},
        ),
        (SESSION, "u", "/videosdk/sessions/123/rtms_app/status", {"action": "start"}),
    ],
)
def test_a_call_of_each_product(product, user, path, body):
    call = status_call(product, "123", "start", client_id="c", participant_user_id=user)
    assert (call.path, call.body) == (path, body)


@pytest.mark.parametrize("product", [CONTACT_CENTER_VOICE, PHONE])
def test_products_without_a_call(product):
    with pytest.raises(LocalProtocolError, match=f"none of {product.name}"):
        status_call(product, "123", "start", client_id="c")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://api.zoom.us/v2", True),
        ("https://api.zoomgov.com:443/v2/", True),
        ("http://127.0.0.1:8080/v2", True),
        ("http://localhost:1/oauth/token", True),
        ("http://[::1]:1", True),
        ("http://api.zoom.us/v2", False),
        ("http://127.0.0.1.evil.example/v2", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("https://user@api.zoom.us", False),
        ("https://api.zoom.us/v2?x=1", False),
        ("https://api.zoom.us/v2\n", False),
        ("ftp://api.zoom.us", False),
        ("", False),
    ],
)
def test_tokens_travel_encrypted_or_not_at_all(url, good):
    assert bool(re.match(BASE_URL, url)) is good
