"""The one way to make a TLS context: verified, TLS 1.2 or newer (V1.md §3.1)."""

import ssl
from pathlib import Path

from ..errors import ConfigError


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that verifies certificates and host names, shared by all connections.

    Args:
        ca_file: a PEM file of authorities trusted besides the system's; None for none.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                [f"rtms.ca_file: cannot load certificates from {str(ca_file)!r}: {error}"]
            ) from error
    return context
