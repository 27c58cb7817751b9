"""``rtms-engine simulate`` says what the receiver did, also where that was nothing."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from rtms_engine.daemon.cli import main


class _Polite(http.server.BaseHTTPRequestHandler):
    """Takes every webhook, and does nothing about it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def polite() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Polite)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_receiver_that_answers_and_never_comes(polite: str) -> None:
    keys = ["--client-id", "id", "--client-secret", "secret", "--secret-token", "token"]
    done = CliRunner().invoke(main, ["simulate", polite, *keys, "--no-tls", "--speed", "1000"])
    assert done.exit_code == 1, done.output
    assert "1 of 1 streams were never joined" in done.output
