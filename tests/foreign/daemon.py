"""The real daemon as a subprocess, known only by its command line, its configuration and what it writes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.foreign.server import App
from tests.support.ports import free_port

READY_WITHIN = 30.0
LEAVES_WITHIN = 20.0


def command() -> Path | None:
    """Return the console script, or None if the package is not installed."""
    beside = Path(sys.executable).with_name("rtms-engine")
    if beside.exists():
        return beside
    found = shutil.which("rtms-engine")
    return Path(found) if found else None


def toml(value: object) -> str:
    """Write one TOML value; JSON's strings, numbers, booleans and arrays are TOML's."""
    return json.dumps(value)


class Daemon:
    """One running `rtms-engine run`."""

    def __init__(
        self,
        folder: Path,
        apps: Sequence[App],
        *,
        mode: str = "split",
        audio: str = "per_participant",
        ca_file: Path | None = None,
        insecure_loopback: bool = False,
        allowed_hosts: Sequence[str] = ("127.0.0.1", "localhost"),
        drain_timeout_s: int = 0,
        options: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.recordings = folder / "recordings"
        self.jsonl = folder / "everything.jsonl"
        self.log = folder / "daemon.log"
        self.port = free_port()
        self.webhook_url = f"http://127.0.0.1:{self.port}/hooks/zoom"
        self.config = folder / "config.toml"
        self.options = list(options)
        rtms: dict[str, object] = {
            "mode": mode,
            "allowed_hosts": list(allowed_hosts),
            "allow_insecure_loopback": insecure_loopback,
        }
        if ca_file:
            rtms["ca_file"] = str(ca_file)
        tables: list[tuple[str, Mapping[str, object]]] = [
            (
                "[server]",
                {
                    "host": "127.0.0.1",
                    "port": self.port,
                    "path": "/hooks/zoom",
                    "drain_timeout_s": drain_timeout_s,
                },
            ),
            ("[api]", {"port": 0}),
            *(
                (
                    "[[apps]]",
                    {
                        "name": f"app{number}",
                        "client_id": app.client_id,
                        "client_secret": app.client_secret,
                        "secret_token": app.secret_token,
                    },
                )
                for number, app in enumerate(apps)
            ),
            ("[rtms]", rtms),
            ("[media.audio]", {"codec": "l16", "sample_rate": 16000, "send_rate_ms": 100, "mode": audio}),
            ("[media.video]", {"codec": "h264", "resolution": "hd", "fps": 25}),
            ("[[sinks]]", {"type": "recording", "directory": str(self.recordings)}),
            ("[[sinks]]", {"type": "jsonl", "path": str(self.jsonl)}),
            ("[log]", {"level": "debug", "format": "json"}),
        ]
        self.config.write_text(
            "\n\n".join(
                "\n".join([head, *(f"{key} = {toml(value)}" for key, value in table.items())])
                for head, table in tables
            )
            + "\n"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self._asked_to_end = False

    def __enter__(self) -> Self:
        script = command()
        assert script is not None
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RTMS_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(script), "run", "--config", str(self.config), *self.options],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._await_ready()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            assert self.terminate() == 0, (
                f"SIGTERM: exit code {self.process and self.process.returncode}; {self.tail()}"
            )
        finally:
            self._kill()

    def _kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """Return the end of what the daemon printed."""
        return self.log.read_text(errors="replace")[-1500:]

    def get(self, path: str) -> int:
        """Return the HTTP status of a GET, 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return 0

    def _await_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_WITHIN
        while self.get("/readyz") != 200:
            assert self.process.poll() is None, f"the daemon ended at once: {self.tail()}"
            assert time.monotonic() < deadline, f"not ready within {READY_WITHIN} s: {self.tail()}"
            time.sleep(0.05)  # the interval of the poll

    def send_sigterm(self) -> None:
        """Ask the daemon to end, once: a second request would end it at once."""
        assert self.process is not None
        self._asked_to_end = True
        self.process.send_signal(signal.SIGTERM)

    def terminate(self) -> int:
        """End the daemon with SIGTERM; return its exit code."""
        assert self.process is not None
        if self.process.poll() is None and not self._asked_to_end:
            self.send_sigterm()
        return self.process.wait(LEAVES_WITHIN)

    def recording(self, stream_id: str) -> Path:
        """Return the folder of one stream's recording."""
        found = [path for path in self.recordings.rglob(stream_id) if path.is_dir()]
        assert len(found) == 1, (
            f"recordings of {stream_id}: {found} in {list(self.recordings.rglob('*'))[:50]}"
        )
        return found[0]

    def lines(self, stream_id: str) -> list[dict[str, Any]]:
        """Return the jsonl sink's lines that mention one stream."""
        if not self.jsonl.exists():
            return []
        return [json.loads(line) for line in self.jsonl.read_text().splitlines() if stream_id in line]
