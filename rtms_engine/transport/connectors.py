"""Which library connects: a row for each, and what ``auto`` means."""

import importlib.util
import ssl
from typing import Literal

from ..errors import ConfigError
from .base import Connector
from .websocket import WebSocketConnector

Library = Literal["auto", "websockets", "picows"]


def connector(library: Library, tls: ssl.SSLContext) -> Connector:
    """The connector of ``library``; ``auto`` is ``picows`` where it is installed.

    Raises:
        ConfigError: ``picows`` is asked for by name and is not there.
    """
    if library == "websockets" or (library == "auto" and not _is_there("picows")):
        return WebSocketConnector(tls)
    if not _is_there("picows"):
        raise ConfigError(
            ['rtms.transport: "picows" is not installed; pip install picows, or use transport = "auto"']
        )
    from .picows import PicowsConnector

    return PicowsConnector(tls)


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
