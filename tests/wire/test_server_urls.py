"""The shapes of ``server_urls`` (V1.md §3.2)."""

import pytest

from rtms_engine.model.media import MediaKind
from rtms_engine.wire.server_urls import media_url, unified_url, url_list

AUDIO, VIDEO, SHARE, TRANSCRIPT, CHAT = MediaKind


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        ("wss://a:443", ("wss://a:443",)),
        (" wss://a , wss://b ,,", ("wss://a", "wss://b")),
        ("srt://a, wss://b, wss://c", ("wss://b", "wss://c", "srt://a")),
        (["wss://a", {"url": "wss://b"}], ("wss://a", "wss://b")),
        ({"all": "wss://a", "audio": ["wss://b"]}, ("wss://a", "wss://b")),
        ({"url": "wss://a", "region": "fra"}, ("wss://a",)),
        ("", ()),
        (None, ()),
        (7, ()),
        ([None, 7, [[]]], ()),
        ({"all": None}, ()),
    ],
)
def test_any_shape_becomes_a_list_of_urls(value, urls):
    assert url_list(value) == urls


@pytest.mark.parametrize(
    ("server_urls", "kind", "url"),
    [
        ({"audio": "wss://a", "all": "wss://x"}, AUDIO, "wss://a"),
        ({"audio": "wss://a", "all": "wss://x"}, TRANSCRIPT, "wss://x"),
        ({"deskshare": "wss://d", "share": "wss://s", "all": "wss://x"}, SHARE, "wss://d"),
        ({"share": "wss://s", "all": "wss://x"}, SHARE, "wss://s"),
        ({"sharescreen": "wss://s", "all": "wss://x"}, SHARE, "wss://s"),
        ({"screen_share": "wss://s", "all": "wss://x"}, SHARE, "wss://s"),
        ({"chat": "wss://c", "all": "wss://x"}, CHAT, "wss://c"),
        ({"all": "wss://x"}, CHAT, "wss://x"),
        ({"audio": "wss://a"}, VIDEO, "wss://a"),
        ({"video": "wss://v"}, AUDIO, "wss://v"),
        ({"audio": None, "all": ["wss://x", "wss://y"]}, AUDIO, "wss://x"),
        ({"audio": 5, "note": "none", "all": "wss://x"}, AUDIO, "wss://x"),
        ("wss://a,wss://b", AUDIO, "wss://a"),
        (["wss://a"], VIDEO, "wss://a"),
        ({}, AUDIO, None),
        (None, AUDIO, None),
        ({"audio": "srt://a"}, AUDIO, None),
    ],
)
def test_the_url_of_a_kind(server_urls, kind, url):
    assert media_url(server_urls, kind) == url


def test_contact_center_has_its_media_where_audio_is():
    """V1.md §3.2: audio before all; a kind with a server of its own has that."""
    urls = {"all": "wss://x", "audio": "wss://a", "chat": "wss://c"}
    found = [media_url(urls, kind, audio_before_all=True) for kind in (AUDIO, TRANSCRIPT, CHAT)]
    assert found == ["wss://a", "wss://a", "wss://c"]
    assert media_url({"all": "wss://x", "video": "wss://v"}, TRANSCRIPT, audio_before_all=True) == "wss://x"


@pytest.mark.parametrize(
    ("server_urls", "url"),
    [
        ({"audio": "wss://a", "all": "wss://x"}, "wss://x"),
        ({"transcript": "wss://t", "audio": "wss://a"}, "wss://a"),
        ({"transcript": "wss://t"}, "wss://t"),
        ({}, None),
    ],
)
def test_the_url_for_everything(server_urls, url):
    assert unified_url(server_urls) == url
