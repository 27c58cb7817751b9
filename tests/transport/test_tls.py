"""What is trusted, and when that is read."""

import os
import ssl

import pytest
import trustme

from rtms_engine import ConfigError
from rtms_engine.transport.tls import client_context


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_cannot_be_used(tmp_path, content):
    """A sentence that names the key and the file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"rtms\.ca_file: cannot load certificates"):
        client_context(path)


def test_nothing_older_than_tls_1_2():
    context = client_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def names(context):
    return {certificate["serialNumber"] for certificate in context.get_ca_certs()}


def test_it_is_read_once_unless_it_changes(tmp_path):
    """A file that was replaced is read again; the next engine, or a reload, trusts what it says now."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    first = client_context(path)
    assert client_context(path) is first is not client_context()
    trustme.CA().cert_pem.write_to_path(str(path))
    os.utime(path, ns=(1, 1))
    assert names(client_context(path)) != names(first)
