"""What the README says works: its programs as processes, its commands, its keys."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text("utf-8")
ENGINE = [sys.executable, "-m", "rtms_engine"]
WITHIN_S = 60

CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
[api]
port = 0
[[apps]]
client_id = "ID"
client_secret = "SECRET"
secret_token = "TOKEN"
[rtms]
allow_insecure_loopback = true
[state]
directory = "state"
[[sinks]]
type = "{sink}"
"""


def example(name: str) -> str:
    """The code block behind ``<!-- example: name -->``."""
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    """For the webhooks."""
    return unused_tcp_port


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """A program of ours, from the moment it is ready; ended by SIGTERM, which must go well."""
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}",
    }
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process)
            yield process
        finally:
            process.kill()


def wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    """Ask until it answers."""
    until = time.monotonic() + WITHIN_S
    while True:
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < until
        try:
            with urlopen(url) as answer:
                assert answer.status == 200
                return
        except URLError:
            time.sleep(0.05)


def simulate(port: int, folder: Path, *options: str, speed: int = 20) -> "subprocess.CompletedProcess[str]":
    """A simulated meeting, fast. Zoom keeps no texts for who comes late: at 5 times its speed half a second
    is left to come.
    """
    app = ["--client-id", "ID", "--client-secret", "SECRET", "--secret-token", "TOKEN"]
    command = [*ENGINE, "simulate", f"http://127.0.0.1:{port}/webhook", *app, "--speed", str(speed), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S, check=False)


def stopped(process: "subprocess.Popen[str]") -> str:
    """End it as an operator would; what it printed."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_the_daemon_records_a_simulated_meeting(tmp_path: Path, port: int, tls: bool) -> None:
    """``run`` in one process, ``simulate`` in another; SIGTERM ends it well."""
    config = CONFIG.format(port=port, sink="recording")
    options = ["--no-tls"]
    if tls:
        options = ["--ca-file", "ca.pem"]
        config = config.replace(
            "allow_insecure_loopback = true", 'allowed_hosts = ["127.0.0.1"]\nca_file = "ca.pem"'
        )
        bootstrap = [sys.executable, "-c", "import trustme; trustme.CA().cert_pem.write_to_path('ca.pem')"]
        subprocess.run(bootstrap, cwd=tmp_path, check=True, timeout=WITHIN_S)
        (tmp_path / "ca.pem").unlink()
        first = simulate(port, tmp_path, *options)  # nobody listens: it says so, and writes its CA
        assert first.returncode == 1
    (tmp_path / "config.toml").write_text(config)
    with running([*ENGINE, "run", "--config", "config.toml"], tmp_path, port) as engine:
        meeting = simulate(port, tmp_path, *options)
        assert meeting.returncode == 0, meeting.stdout + meeting.stderr
        assert "1 ended with 6 MEETING_ENDED" in meeting.stdout
        output = stopped(engine)
    assert "StreamEnded" in output
    assert "Ada" not in output
    assert "SECRET" not in output
    (manifest,) = tmp_path.glob("recordings/*/*/*/manifest.json")
    assert '"state": "done"' in manifest.read_text()


def test_a_wrong_secret_token_is_said_to_both_sides(tmp_path: Path, port: int) -> None:
    """401 to the sender, a warning here, exit code 1 there."""
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, sink="null").replace("TOKEN", "OTHER"))
    with running([*ENGINE, "run"], tmp_path, port) as engine:
        meeting = simulate(port, tmp_path, "--no-tls", "--script", str(short_script(tmp_path)))
        assert meeting.returncode == 1
        assert "401" in meeting.stdout
        assert "WebhooksRejected" in stopped(engine)


def short_script(folder: Path) -> Path:
    """A meeting of a second in which nothing happens."""
    path = folder / "short.json"
    path.write_text('{"duration_ms": 1000}')
    return path


def test_the_library_example(tmp_path: Path, port: int) -> None:
    """The program in the README prints what is said."""
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, sink="null"))
    (tmp_path / "program.py").write_text(example("library"))
    with running([sys.executable, "program.py"], tmp_path, port) as program:
        assert simulate(port, tmp_path, "--no-tls", speed=5).returncode == 0
        program.kill()
        output, _ = program.communicate(timeout=WITHIN_S)
    assert output.count("TranscriptSegment(") == 8


def test_the_sink_example(tmp_path: Path, port: int) -> None:
    """The class in the README, named in the configuration, prints captions."""
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, sink="captions:Captions"))
    (tmp_path / "captions.py").write_text(example("sink"))
    with running([*ENGINE, "run"], tmp_path, port) as engine:
        assert simulate(port, tmp_path, "--no-tls", speed=5).returncode == 0
        output = stopped(engine)
    assert "Ada Park: " in output
    assert "ended: MEETING_ENDED" in output


def test_every_key_is_one() -> None:
    """The tables of the README name keys that the example has, section by section."""
    document = tomllib.loads(re.sub(r"^# (?=\w+ = |\[[\w.\[\]]+\]$)", "", EXAMPLE, flags=re.MULTILINE))
    rows = re.findall(r"^\| `\[+([\w.]+)\]+` \| (.*) \|$", README, re.MULTILINE)
    assert len(rows) >= 10
    for section, text in rows:
        table = document
        for part in section.split("."):
            table = table[part]
        tables = table if isinstance(table, list) else [table]
        keys = {key for one in tables for key in one}
        named = set(re.findall(r"`([a-z_0-9]+)`", text)) - {"split", "unified", "console", "json"}
        assert named <= keys | {"kinds", "name"}, (section, named - keys)


def test_every_command_is_one() -> None:
    """What the README calls, the help knows."""
    commands = set(re.findall(r"rtms-engine ([a-z]+)", README))
    text = subprocess.run([*ENGINE, "--help"], capture_output=True, text=True, check=True).stdout
    assert commands <= set(re.findall(r"^  ([a-z]+) ", text, re.MULTILINE))


def test_the_testing_example(tmp_path: Path) -> None:
    """The tests in the README pass, of the class in the README."""
    (tmp_path / "captions.py").write_text(example("sink"))
    (tmp_path / "test_captions.py").write_text(example("testing"))
    options = [
        "-o",
        "asyncio_mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
        "-c",
        "/dev/null",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--basetemp=tmp", "--rootdir=.", *options, "test_captions.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout
