"""A client of a running engine's API, for the commands of the terminal. It blocks, and needs no event loop."""

import http.client
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import click
import msgspec

from ..api.problem import Problem
from ..config import load_config
from ..errors import RtmsError

TIMEOUT_S = 10.0
TOKEN_VARIABLE = "RTMS_ENGINE_TOKEN"  # noqa: S105 - its name
_MOST_BYTES = 50_000_000

T = TypeVar("T")


_decode_problem = msgspec.json.Decoder(Problem).decode


class Unreachable(RtmsError):
    """No engine answers at ``url``."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url = url
        self.why = why

    def __str__(self) -> str:
        return (
            f"No engine answers at {self.url}: {self.why}. Is it running, with [api] enabled? "
            "--url says where it is."
        )


class Declined(RtmsError):
    """The engine answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, problem.remedy)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem.detail} {self.problem.remedy}".strip()


class ServerSentEvent(NamedTuple):
    """One event of a stream of them."""

    name: str
    data: Any
    """From JSON."""


class ApiClient:
    """Asks one engine.

    Args:
        url: of its API, such as ``http://127.0.0.1:8081``. Never through a proxy of the environment.
        token: None: as who needs none.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.BadParameter(f"{url!r} is no http:// or https:// URL")
        self.url = url.rstrip("/")
        self._parts = parts
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, kind: type[T], **query: str) -> T:
        """What a path answers, as its type. Raises Unreachable, Declined."""
        connection = self._connection(TIMEOUT_S)
        try:
            content = self._asked(connection, path, query).read(_MOST_BYTES)
            return msgspec.json.decode(content, type=kind)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(self.url, _why(error)) from error
        except msgspec.DecodeError as error:
            raise Unreachable(self.url, "what answers is no engine of this version") from error
        finally:
            connection.close()

    def events(self, path: str, **query: str) -> Iterator[ServerSentEvent]:
        """Server-sent events until the other side ends them. Raises Unreachable, Declined."""
        connection = self._connection(60.0)  # a comment comes at least every 15 s
        try:
            yield from _parsed(self._asked(connection, path, query))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(self.url, _why(error)) from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        make = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return make(self._parts.hostname or "", self._parts.port, timeout=timeout_s)

    def _asked(
        self, connection: http.client.HTTPConnection, path: str, query: dict[str, str]
    ) -> http.client.HTTPResponse:
        target = self._parts.path.rstrip("/") + quote(path) + (f"?{urlencode(query)}" if query else "")
        connection.request("GET", target, headers=self._headers)
        response = connection.getresponse()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            try:
                problem = _decode_problem(response.read(_MOST_BYTES))
            except msgspec.DecodeError:
                problem = Problem(response.reason, response.status, f"It answers HTTP {response.status}.")
            raise Declined(problem)
        return response


def _parsed(lines: Iterator[bytes] | http.client.HTTPResponse) -> Iterator[ServerSentEvent]:
    name, data = "message", b""
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        field, _, value = line.partition(b": ")
        if not line:
            if data:
                yield ServerSentEvent(name, msgspec.json.decode(data))
            name, data = "message", b""
        elif field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            data += value


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def client_of(
    config_file: Path | None, overrides: Mapping[str, str], url: str | None, token_file: Path | None
) -> ApiClient:
    """The client of the engine that the options of a command mean.

    Args:
        config_file: says where its API is; not read if ``url`` does. As ``overrides``.
        overrides: of the configuration.
        url: of its API.
        token_file: holds the token; else the environment may (`TOKEN_VARIABLE`).

    Raises:
        ConfigError: the configuration is no good.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if token_file is not None:
        token = token_file.read_text("utf-8").strip()
    if url is None:
        api = load_config(config_file, overrides=overrides).api
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(api.host, api.host)  # noqa: S104 - from all to one
        url = f"http://[{host}]:{api.port}" if ":" in host else f"http://{host}:{api.port}"
    return ApiClient(url, token)
