"""Where a webhook may go."""

import pytest

from rtms_engine.outbound.addresses import reach_of, why_refused

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # carrier-grade NAT
    "100.100.100.200",  # Alibaba's metadata
    "169.254.169.254",  # AWS's, GCP's, Azure's
    "168.63.129.16",  # Azure's WireServer
    "192.0.0.192",  # Oracle's
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",  # AWS's
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo of 127.0.0.1
    "240.0.0.1",
]
NOWHERE = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "localhost", ""]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    assert "private" in why_refused(address, "public")
    assert why_refused(address, "private") is None
    assert why_refused(address, "any") is None


@pytest.mark.parametrize("address", NOWHERE)
@pytest.mark.parametrize("reach", ["public", "private", "any"])
def test_addresses_of_no_machine(address, reach):
    assert why_refused(address, reach)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    assert why_refused(address, "public") is None
    assert why_refused(address, "any") is None
    assert "unencrypted" in why_refused(address, "private")


@pytest.mark.parametrize(
    ("url", "allow_private", "expected"),
    [
        ("https://example.com/hook?a=b", False, "public"),
        ("https://example.com:8443", True, "any"),
        ("http://10.0.0.1", True, "private"),
    ],
)
def test_how_far_a_url_may_go(url, allow_private, expected):
    assert reach_of(url, allow_private=allow_private) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "http://example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.com",
        "https://exa mple.com",
        "https://example.com\\@evil.org",
        "https://example.com:99999",
        "https://example.com/\n",
    ],
)
def test_urls_that_may_not_be_used(url):
    with pytest.raises(ValueError, match=r"must|Port|port") as error:
        reach_of(url, allow_private=False)
    assert "secret" not in str(error.value)
