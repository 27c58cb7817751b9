"""The one way to make a TLS context: verified, TLS 1.2 or newer (V1.md §3.1)."""

import ssl
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from ..errors import ConfigError

_Seen: TypeAlias = tuple[tuple[str, int], ...]
"""Files of certificates, and when each was changed."""


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that verifies certificates and host names, shared by all connections.

    Reading the system's authorities takes 40 ms, so it is done anew only if they have changed.

    Args:
        ca_file: a PEM file of authorities trusted besides the system's; None for none.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    return _context(ca_file, _seen(ca_file))


@lru_cache(maxsize=8)
def _context(ca_file: Path | None, _: _Seen) -> ssl.SSLContext:
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


def _seen(ca_file: Path | None) -> _Seen:
    system = ssl.get_default_verify_paths()
    found = []
    for path in (system.cafile, system.capath, ca_file):
        if path is not None:
            with suppress(OSError):
                found.append((str(path), Path(path).stat().st_mtime_ns))
    return tuple(found)
