"""Server URLs are untrusted input (V1.md §3.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.errors import EndpointRefused
from rtms_engine.transport.endpoint import EndpointPolicy, is_loopback
from tests.wire.strategies import unhurried

ALLOWED = [
    ("wss://rtms.zoom.us", "rtms.zoom.us", 443),
    ("wss://rtms.zoom.us:443", "rtms.zoom.us", 443),
    ("wss://rtms.zoom.us:8443/path?a=b%20c", "rtms.zoom.us", 8443),
    ("wss://a.b.zoom.us", "a.b.zoom.us", 443),
    ("WSS://RTMS.Zoom.US/X", "rtms.zoom.us", 443),
    ("wss://rtms.zoom.us.:443", "rtms.zoom.us", 443),
    ("wss://rtms.zoomgov.com", "rtms.zoomgov.com", 443),
]

REFUSED = [
    "",
    "rtms.zoom.us",
    "//rtms.zoom.us",
    "wss://",
    "wss:///path",
    "wss://zoom.us",
    "wss://evilzoom.us",
    "wss://zoom.us.evil.com",
    "wss://rtms.zoom.us.evil.com",
    "wss://evil.com/rtms.zoom.us",
    "wss://evil.com?.zoom.us",
    "wss://evil.com#.zoom.us",
    "wss://evil.com\\.zoom.us",
    "wss://evil.com\\@rtms.zoom.us",
    "wss://user@rtms.zoom.us",
    "wss://user:pw@rtms.zoom.us",
    "wss://@rtms.zoom.us",
    "wss://rtms.zoom.us@evil.com",
    "wss://rtms.zoom.us:443@evil.com",
    "wss://rtms.zoom.us:99999",
    "wss://rtms.zoom.us:-1",
    "wss://rtms.zoom.us:port",
    "wss://rtms.zoom.us/a b",
    "wss://rtms.zoom.us\n.evil.com",
    "wss://rtms.zoom.us\t",
    " wss://rtms.zoom.us",
    "wss://rtms.zoom.us\x00",
    "ws://rtms.zoom.us",
    "https://rtms.zoom.us",
    "srt://rtms.zoom.us",
    "file:///etc/passwd",
    "wss://127.0.0.1",
    "wss://localhost",
    "wss://[::1]",
    "wss://[::1",
    "wss://10.0.0.1",
    "wss://169.254.169.254/latest/meta-data",
    "wss://0.0.0.0",
    "wss://2130706433",
    "wss://ｒｔｍｓ.ｚｏｏｍ.ｕｓ",
    "wss://rtms.zοοm.us",
    "wss://rtms.zoom。us",
    "wss://rtms.zoom.us:22",
    "wss://rtms.zoom.us:80",
]


@pytest.mark.parametrize(("url", "host", "port"), ALLOWED)
def test_allowed(url, host, port):
    """The URL is kept as it was given."""
    endpoint = EndpointPolicy().endpoint(url)
    assert (endpoint.url, endpoint.host, endpoint.port, endpoint.secure) == (url, host, port, True)


@pytest.mark.parametrize("url", REFUSED)
def test_refused(url):
    """With the URL and a reason."""
    with pytest.raises(EndpointRefused) as refused:
        EndpointPolicy().endpoint(url)
    assert refused.value.url == url
    assert refused.value.why


@pytest.mark.parametrize(
    ("url", "secure", "port"),
    [
        ("ws://127.0.0.1:8081", False, 8081),
        ("ws://127.0.0.1", False, 80),
        ("ws://localhost:1/x", False, 1),
        ("ws://LOCALHOST", False, 80),
        ("ws://[::1]:1", False, 1),
        ("wss://127.0.0.1:1", True, 1),
        ("ws://127.9.9.9:1", False, 1),
        ("wss://rtms.zoom.us", True, 443),
    ],
)
def test_loopback_with_the_switch(url, secure, port):
    """For simulators; TLS is then still verified."""
    endpoint = EndpointPolicy(allow_insecure_loopback=True).endpoint(url)
    assert (endpoint.secure, endpoint.port) == (secure, port)


@pytest.mark.parametrize(
    "url",
    [
        "ws://rtms.zoom.us",
        "ws://10.0.0.1",
        "ws://0.0.0.0",
        "ws://localhost.evil.com",
        "ws://127.0.0.1.evil.com",
        "ws://127.0.0.1@evil.com",
        "http://127.0.0.1",
        "wss://evil.com",
        "ws://user@127.0.0.1",
    ],
)
def test_the_switch_opens_nothing_else(url):
    with pytest.raises(EndpointRefused):
        EndpointPolicy(allow_insecure_loopback=True).endpoint(url)


@pytest.mark.parametrize(
    ("patterns", "url", "allowed"),
    [
        (["rtms.example.com"], "wss://rtms.example.com", True),
        (["RTMS.Example.com"], "wss://rtms.example.COM", True),
        (["rtms.example.com"], "wss://a.rtms.example.com", False),
        (["*.example.com"], "wss://a.example.com", True),
        (["*.example.com"], "wss://example.com", False),
        (["example.com", "*.example.com"], "wss://example.com", True),
        (["10.0.0.1"], "wss://10.0.0.1", True),
        (["::1"], "wss://[::1]:443", True),
        ([], "wss://rtms.zoom.us", False),
    ],
)
def test_a_list_of_ones_own(patterns, url, allowed):
    policy = EndpointPolicy(patterns)
    if allowed:
        assert policy.endpoint(url).url == url
    else:
        with pytest.raises(EndpointRefused):
            policy.endpoint(url)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("zoom.us", False),
        ("", False),
    ],
)
def test_is_loopback(host, loopback):
    assert is_loopback(host) is loopback


@unhurried
@given(st.text(max_size=40) | st.from_regex(r"wss?://[^/]{0,30}", fullmatch=True))
def test_any_text_is_allowed_or_refused(url):
    """Nothing else can happen; what is allowed is below an allowed domain."""
    try:
        endpoint = EndpointPolicy().endpoint(url)
    except EndpointRefused:
        return
    assert endpoint.secure
    assert endpoint.host.lower().endswith((".zoom.us", ".zoomgov.com"))


def test_this_machine_by_name_if_somebody_has_listed_it():
    """A simulator behind TLS: no address of it is public, and the list says that this is meant."""
    assert EndpointPolicy(("localhost",)).endpoint("wss://localhost:9443/x").is_local
    assert not EndpointPolicy(("*.zoom.us",)).endpoint("wss://rtms.zoom.us").is_local
    with pytest.raises(EndpointRefused):
        EndpointPolicy(("*.zoom.us",)).endpoint("wss://localhost:9443/x")
