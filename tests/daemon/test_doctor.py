"""Every verdict of the doctor, and what it measures on this machine."""

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
import trustme
from aiohttp import web
from click.testing import CliRunner, Result

from rtms_engine.config import load_config
from rtms_engine.daemon.cli import main
from rtms_engine.daemon.doctor import probes, verdicts
from rtms_engine.daemon.doctor.verdicts import Verdict
from rtms_engine.webhook.receiver import WebhookReceiver

CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
[api]
port = 0
[[apps]]
client_id = "id-of-the-app"
client_secret = "secret-of-the-app-1234"
secret_token = "token-of-the-app-1234"
"""
GOOD = ("id", "secret-secret-secret", ["token-token-token-token"])


@pytest.mark.parametrize(
    ("verdict", "level", "says"),
    [
        (verdicts.clock(0.4), "OK", "agrees"),
        (verdicts.clock(-30), "WARN", "30 s behind"),
        (verdicts.clock(200), "FAIL", "200 s ahead of"),
        (verdicts.secrets("a", *GOOD), "OK", "look like ones"),
        (verdicts.secrets("a", "your-client-id", *GOOD[1:]), "FAIL", "the example"),
        (verdicts.secrets("a", "id", "secret-secret-secret\n", GOOD[2]), "FAIL", "white space"),
        (verdicts.secrets("a", "id", GOOD[2][0], GOOD[2]), "FAIL", "the same"),
        (verdicts.secrets("a", "id", "short", GOOD[2]), "WARN", "client_secret is shorter"),
        (verdicts.directory("state", "/s", "", 0o700, private=True), "OK", "can be written"),
        (verdicts.directory("state", "/s", "", None, private=True), "OK", "can be written"),
        (verdicts.directory("state", "/s", "", 0o755, private=True), "WARN", "others may look"),
        (verdicts.directory("sink a", "/s", "", 0o755, private=False), "OK", "can be written"),
        (verdicts.directory("state", "/s", "Read-only", None, private=True), "FAIL", "Read-only"),
        (verdicts.free_space("/s", 500_000, 1000), "OK", "500.0 GB"),
        (verdicts.free_space("/s", 5_000, 1000), "WARN", "5.0 GB"),
        (verdicts.free_space("/s", 500, 1000), "FAIL", "streams are refused"),
        (verdicts.fsync("/s", 2.0), "OK", "2.0 ms"),
        (verdicts.fsync("/s", 80.0), "WARN", "80.0 ms"),
        (verdicts.fsync("/s", 1500.0), "FAIL", "1500.0 ms"),
        (verdicts.disk_speed("/s", 300), "OK", "300 MB/s"),
        (verdicts.disk_speed("/s", 20), "WARN", "20 MB/s"),
        (verdicts.disk_speed("/s", 1), "FAIL", "1 MB/s"),
        (verdicts.open_files(65536, 2000), "OK", "2000 streams"),
        (verdicts.open_files(1024, 2000), "WARN", "about 45 streams"),
        (verdicts.open_files(256, 2000), "FAIL", "about 3 streams"),
        (verdicts.authorities(140, ""), "OK", "140"),
        (verdicts.authorities(0, ""), "FAIL", "no certificate authority"),
        (verdicts.authorities(0, "rtms.ca_file: cannot load"), "FAIL", "cannot load"),
        (verdicts.port("server", "h:1", "", is_engine=False), "OK", "free"),
        (verdicts.port("server", "h:1", "in use", is_engine=True), "OK", "an engine runs"),
        (verdicts.port("server", "h:1", "in use", is_engine=False), "FAIL", "in use"),
        (verdicts.token_file("/t", None), "OK", "no tokens"),
        (verdicts.token_file("/t", 0o600), "OK", "alone"),
        (verdicts.token_file("/t", 0o644), "FAIL", "others may read"),
        (verdicts.reached("zoom.us", ""), "OK", "answers over TLS"),
        (verdicts.reached("zoom.us", "refused"), "FAIL", "cannot be reached"),
        (verdicts.reached("zoom.us", "self-signed", is_tls=True), "FAIL", "not trusted"),
        (verdicts.webhook(200, is_right=True, took_s=0.1, error=""), "OK", "answered rightly"),
        (verdicts.webhook(200, is_right=True, took_s=2.0, error=""), "WARN", "2.00 s"),
        (verdicts.webhook(200, is_right=True, took_s=4.0, error=""), "FAIL", "waits for 3 s"),
        (verdicts.webhook(200, is_right=False, took_s=0.1, error=""), "FAIL", "not from an engine"),
        (verdicts.webhook(301, is_right=False, took_s=0.1, error=""), "FAIL", "redirect"),
        (verdicts.webhook(401, is_right=False, took_s=0.1, error=""), "FAIL", "signature"),
        (verdicts.webhook(404, is_right=False, took_s=0.1, error=""), "FAIL", "path"),
        (verdicts.webhook(502, is_right=False, took_s=0.1, error=""), "FAIL", "502"),
        (verdicts.webhook(0, is_right=False, took_s=0.0, error="refused"), "FAIL", "no answer"),
    ],
)
def test_every_verdict(verdict: Verdict, level: str, says: str) -> None:
    """And all that is not well has a remedy; nothing tells a secret."""
    assert verdict.level == level
    assert says in verdict.text
    assert bool(verdict.remedy) == (level in ("WARN", "FAIL"))
    assert "secret-secret" not in str(verdict)


# --- the measurements ---


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> Callable[..., Result]:
    """The doctor in a directory with a good configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG.format(port=unused_tcp_port))

    def invoke(*words: str) -> Result:
        return CliRunner(env={"COLUMNS": "250"}).invoke(main, ["doctor", *words], catch_exceptions=False)

    return invoke


def lines(result: Result) -> dict[str, list[dict[str, str]]]:
    by_check: dict[str, list[dict[str, str]]] = {}
    for line in json.loads(result.stdout.splitlines()[-1]):  # the receiver logs before it
        by_check.setdefault(line["check"], []).append(line)
    return by_check


def test_this_machine(run: Callable[..., Result], tmp_path: Path) -> None:
    """Measured for real, and nothing is left behind."""
    before = sorted(tmp_path.iterdir())
    found = lines(run("--offline", "--json"))
    assert sorted(tmp_path.iterdir()) == before
    for check in ("configuration", "secrets", "directory", "API tokens", "port"):
        assert {line["level"] for line in found[check]} == {"OK"}, found[check]
    assert {"disk space", "fsync", "disk speed", "open files", "CA bundle"} <= set(found)
    for check in ("outbound TLS", "clock", "webhook"):
        assert {line["level"] for line in found[check]} == {"SKIP"}
        assert all(line["text"] for line in found[check])


def test_for_people(run: Callable[..., Result]) -> None:
    shown = run("--offline", "--set", "limits.max_streams=100000000")
    assert "open files" in shown.output
    assert "→ Allow 1800000200" in shown.output


def test_a_bad_configuration_is_a_line(run: Callable[..., Result]) -> None:
    result = run("--offline", "--json", "--set", "server.port=http")
    assert result.exit_code == 1
    (line,) = lines(result)["configuration"]
    assert line["level"] == "FAIL"
    assert "server.port" in line["text"]


def test_a_port_that_somebody_has(run: Callable[..., Result], unused_tcp_port: int) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", unused_tcp_port))
        result = run("--offline", "--json")
    assert result.exit_code == 1
    assert {line["level"] for line in lines(result)["port"]} == {"FAIL", "OK"}


def test_modes_of_files(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "rtms-state").mkdir()
    (tmp_path / "rtms-state").chmod(0o755)
    (tmp_path / "rtms-state" / "tokens.json").write_text("[]")
    (tmp_path / "rtms-state" / "tokens.json").chmod(0o666)
    found = lines(run("--offline", "--json"))
    assert found["API tokens"][0]["level"] == "FAIL"
    assert found["directory"][0]["level"] == "WARN"


@pytest.mark.skipif(os.getuid() == 0 and not Path("/proc/self").exists(), reason="needs /proc")
def test_a_directory_that_cannot_be_written(run: Callable[..., Result]) -> None:
    found = lines(run("--offline", "--json", "--set", "state.directory=/proc/self/state"))
    assert found["directory"][0]["level"] == "FAIL"


@contextmanager
def receiver(secret_token: str) -> Iterator[str]:
    """A real receiver of webhooks, in a thread of its own."""
    urls: Queue[str] = Queue()
    leave: list[Callable[[], object]] = []

    async def accept(_: Any) -> None:
        """Nothing comes."""

    async def serve() -> None:
        app = WebhookReceiver({"app": [secret_token]}, accept, unix_s=time.time)
        runner = web.AppRunner(app.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        leave.append(lambda: loop.call_soon_threadsafe(over.set))
        urls.put(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await over.wait()
        await runner.cleanup()

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield urls.get(timeout=10)
    finally:
        leave[0]()
        thread.join(10)


def webhook(run: Callable[..., Result], url: str) -> dict[str, str]:
    (line,) = lines(run("--offline", "--json", "--webhook-url", url))["webhook"]
    return line


def test_the_challenge(run: Callable[..., Result], unused_tcp_port: int) -> None:
    """Answered by an engine with the same secret token, with another, at another path, and by nobody."""
    with receiver("token-of-the-app-1234") as url:
        assert webhook(run, f"{url}/webhook")["level"] == "OK"
        assert "404" in webhook(run, f"{url}/elsewhere")["text"]
    with receiver("another") as url:
        assert "401" in webhook(run, f"{url}/webhook")["text"]
    assert "no answer" in webhook(run, f"http://127.0.0.1:{unused_tcp_port}/webhook")["text"]
    assert "no URL" in webhook(run, "your.host")["text"]


def test_where_there_is_no_network_it_is_said(run: Callable[..., Result], tmp_path: Path) -> None:
    """A name that cannot be: what DNS says without a network."""
    config = load_config(
        tmp_path / "config.toml",
        overrides={
            "zoom.api_url": "https://api.invalid/v2",
            "zoom.oauth_url": "https://api.invalid/t",
            "rtms.allowed_hosts": "*.invalid",
        },
    )
    rows = list(probes._network(config, offline=False))
    assert {row.verdict.level for row in rows} == {"SKIP"}
    assert "no network" in rows[0].verdict.text


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    """And one that is trusted, from whose server the time comes."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence."""

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(port=0))
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=lambda: server.serve_forever(0.01))
        thread.start()
        try:
            number = server.server_address[1]
            distrusted, _ = probes._reach(load_config(path), "localhost", number)
            trusting = load_config(path, overrides={"rtms.ca_file": str(tmp_path / "ca.pem")})
            trusted, skew_s = probes._reach(trusting, "localhost", number)
        finally:
            server.shutdown()
            thread.join(10)
    assert distrusted.level == "FAIL"
    assert "not trusted" in distrusted.text
    assert trusted.level == "OK"
    assert skew_s is not None
    assert abs(skew_s) < 5
    refused, _ = probes._reach(trusting, "127.0.0.1", number)
    assert refused.level == "FAIL"


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    (tmp_path / "config.toml").write_text(CONFIG.format(port=0))
    config = load_config(tmp_path / "config.toml", overrides={"rtms.ca_file": str(tmp_path / "ca.pem")})
    assert probes._authorities(config).level == "FAIL"
