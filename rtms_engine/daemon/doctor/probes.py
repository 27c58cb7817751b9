"""The measurements of ``rtms-engine doctor``. They block, change nothing, and leave no file behind."""

import contextlib
import email.utils
import http.client
import json
import os
import secrets
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from ...api.tokens import FILE
from ...config import AppConfig, Config
from ...errors import ConfigError
from ...keeping import key_directory, vault_of
from ...sinks import registry
from ...supervisor.resources import look
from ...transport.tls import client_context
from ...wire.signature import encrypted_token, webhook_signature
from . import verdicts
from .verdicts import Verdict

WITHIN_S = 5.0
_TRIES = 9
_PIECE, _PIECES = bytes(1_000_000), 16
_MOST_BYTES = 100_000


class Row(NamedTuple):
    """A line of the report."""

    check: str
    verdict: Verdict


def examine(config: Config, webhook_url: str | None, *, offline: bool) -> Iterator[Row]:
    """All checks, one after the other.

    Args:
        config: good as such.
        webhook_url: the public one, to be tried; None: it is not.
        offline: nothing outside of this machine is asked.
    """
    for app in config.apps:
        yield Row("secrets", _secrets(app))
    yield from _disks(config)
    yield Row("open files", verdicts.open_files(_open_files(), config.limits.max_streams))
    yield Row("CA bundle", _authorities(config))
    yield Row("port", _port("server", config.server.host, config.server.port))
    if config.api.enabled:
        yield Row("port", _port("api", config.api.host, config.api.port))
    if config.state.directory:
        tokens = Path(config.state.directory) / FILE
        yield Row("API tokens", verdicts.token_file(str(tokens), _mode(tokens)))
    yield Row("encryption", _encryption(config))
    yield from _network(config, offline=offline)
    yield Row("webhook", _webhook(config, webhook_url))


def _secrets(app: AppConfig) -> Verdict:
    tokens = [token.reveal() for token in app.secret_token]
    return verdicts.secrets(app.name, app.client_id, app.client_secret.reveal(), tokens)


def _encryption(config: Config) -> Verdict:
    vault, place = vault_of(config), key_directory(config)
    masters = [master.id for master in config.encryption.masters()]
    in_use = vault.keys.masters_in_use() if vault else {}
    return verdicts.encryption(masters, in_use, str(place), _mode(place) if place else None)


# --- disks ---


def _disks(config: Config) -> Iterator[Row]:
    state = config.state.directory
    places = [("state", state, True)] if state else []
    for sink in config.sinks:
        with contextlib.suppress(ConfigError):
            ready = registry.build(sink)
            if place := ready.spec.directory(ready.config):
                places.append((f"sink {ready.name}", place, False))
    for name, place, private in places:
        path = Path(place)
        error = _why_not_writable(path)
        row = verdicts.directory(name, place, error, _mode(path), private=private)
        yield Row("directory", row)
        if error:
            continue
        (free_mb,) = look([place]).free_disk_mb.values()
        yield Row("disk space", verdicts.free_space(place, free_mb, config.limits.min_free_disk_mb))
        if private:
            yield Row("fsync", verdicts.fsync(place, _fsync_ms(_nearest(path))))
        else:
            yield Row("disk speed", verdicts.disk_speed(place, _mb_per_s(_nearest(path))))


def _nearest(path: Path) -> Path:
    """The directory itself, or the one that it would be made in."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def _why_not_writable(path: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=_nearest(path)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _fsync_ms(directory: Path) -> float:
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_TRIES):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _mb_per_s(directory: Path) -> float:
    with tempfile.TemporaryFile(dir=directory) as file:
        began = time.perf_counter()
        for _ in range(_PIECES):
            file.write(_PIECE)
        file.flush()
        os.fsync(file.fileno())
        return _PIECES * len(_PIECE) / 1e6 / max(time.perf_counter() - began, 1e-6)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None


# --- this machine ---


def _open_files() -> int:
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _authorities(config: Config) -> Verdict:
    try:
        context = client_context(config.rtms.ca_file)
    except ConfigError as error:
        return verdicts.authorities(0, str(error))
    count = context.cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    if not count and paths.capath and Path(paths.capath).is_dir():
        count = sum(1 for _ in Path(paths.capath).iterdir())
    return verdicts.authorities(count, "")


def _port(key: str, host: str, number: int) -> Verdict:
    address = f"{host}:{number}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        try:
            sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, number))
            sock.listen(1)
        except OSError as error:
            why = error.strerror or str(error)
            return verdicts.port(key, address, why, is_engine=_is_engine(host, number))
    return verdicts.port(key, address, "", is_engine=False)


def _is_engine(host: str, number: int) -> bool:
    """Whether what listens there is an engine: its webhooks, or its API."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - from all to one
    for path in ("/healthz", "/api/openapi.json"):
        connection = http.client.HTTPConnection(here, number, timeout=WITHIN_S)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", path)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
    return False


# --- the world ---


def _network(config: Config, *, offline: bool) -> Iterator[Row]:
    api, oauth = urlsplit(config.zoom.api_url), urlsplit(config.zoom.oauth_url)
    hosts = {one.hostname: one.port or 443 for one in (api, oauth) if one.scheme == "https" and one.hostname}
    hosts |= {host.removeprefix("*."): 443 for host in config.rtms.allowed_hosts if not _is_address(host)}
    skew_s: float | None = None
    for host, number in hosts.items():
        if offline:
            yield Row("outbound TLS", Verdict("SKIP", f"{host}: --offline"))
            continue
        verdict, date = _reach(config, host, number)
        yield Row("outbound TLS", verdict)
        skew_s = date if skew_s is None else skew_s
    if skew_s is None:
        yield Row("clock", Verdict("SKIP", "no server of Zoom's answered with the time"))
    else:
        yield Row("clock", verdicts.clock(skew_s))


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdecimal() or host == "localhost"


def _reach(config: Config, host: str, number: int) -> tuple[Verdict, float | None]:
    """Whether it can be reached, and how far our clock is ahead of its."""
    try:
        context = client_context(config.rtms.ca_file)
        connection = http.client.HTTPSConnection(host, number, timeout=WITHIN_S, context=context)
        with contextlib.closing(connection):
            connection.request("HEAD", "/")
            date = connection.getresponse().getheader("Date")
    except socket.gaierror as error:
        return Verdict("SKIP", f"{host}: no network here, its name is not known ({error.strerror})"), None
    except ssl.SSLError as error:
        return verdicts.reached(host, error.reason or str(error), is_tls=True), None
    except (OSError, http.client.HTTPException, ConfigError) as error:
        return verdicts.reached(host, getattr(error, "strerror", None) or str(error) or "no answer"), None
    return verdicts.reached(host, ""), _skew_s(date)


def _skew_s(date: str | None) -> float | None:
    try:
        theirs = email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    return time.time() - theirs  # noqa: TID251 - the process


def _webhook(config: Config, url: str | None) -> Verdict:
    """Say Zoom's challenge (V1.md §1.4) to the public URL, signed by the first app."""
    if url is None:
        return Verdict("SKIP", "name the public URL to try it: --webhook-url https://your.host/webhook")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Verdict("FAIL", f"{url} is no URL", "It begins with https://.")
    token = next(iter(config.apps)).secret_token[0].reveal()
    plain, stamp = secrets.token_urlsafe(16), str(int(time.time()))  # noqa: TID251 - the process
    challenge = {
        "event": "endpoint.url_validation",
        "event_ts": int(stamp) * 1000,
        "payload": {"plainToken": plain},
    }
    body = json.dumps(challenge).encode()
    headers = {
        "Content-Type": "application/json",
        "x-zm-request-timestamp": stamp,
        "x-zm-signature": webhook_signature(token, stamp, body),
    }
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    began = time.perf_counter()
    try:
        with contextlib.closing(kind(parts.hostname, parts.port, timeout=2 * WITHIN_S)) as connection:
            connection.request("POST", parts.path or "/", body, headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return verdicts.webhook(0, is_right=False, took_s=0.0, error=why)
    took_s = time.perf_counter() - began
    right = {"plainToken": plain, "encryptedToken": encrypted_token(token, plain)}
    with contextlib.suppress(msgspec.DecodeError):
        return verdicts.webhook(
            status, is_right=msgspec.json.decode(content) == right, took_s=took_s, error=""
        )
    return verdicts.webhook(status, is_right=False, took_s=took_s, error="")
