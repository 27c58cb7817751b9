"""The listener hears, and what it hears fails a test."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from tests.support.leaks import Listener, leak_in


@pytest.mark.parametrize(
    "line",
    ["Loaded secret-token", "by Ana Reader", f"signed {'0a' * 32}", "{'key': 'whsec_abc'}"],
)
def test_what_is_a_leak(line):
    assert leak_in(line)


def test_what_is_none():
    assert leak_in("StreamEnded stream_id=S meeting=U== sha=abc") is None


@pytest.mark.parametrize("is_captured", [False, True])
def test_every_logger_is_heard(is_captured, capsys):
    """Also one that was made before, bound, and one whose lines a test takes for itself."""
    log = structlog.get_logger().bind(reason="only-here")
    listener = Listener("only-here")
    listener.install()
    try:
        if is_captured:
            with structlog.testing.capture_logs():
                log.warning("Spoken")
        else:
            log.warning("Spoken")
    finally:
        listener.remove()
    assert len(listener.leaks) == 1, listener.leaks
    assert "only-here" in listener.leaks[0]


def test_libraries_are_heard():
    """Whatever is done with their records: the daemon sets handlers of its own."""
    listener = Listener("only-here")
    listener.install()
    try:
        logging.getLogger("somebody.else").warning("said %s", "only-here")
    finally:
        listener.remove()
    assert len(listener.leaks) == 1, listener.leaks


@pytest.mark.parametrize("word", ["client-secret", "nothing"])
def test_processes_are_heard(tmp_path, monkeypatch, word):
    """What one writes to its standard error, wherever that goes."""
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("SUITE_HEARS_IN", "")
    listener = Listener()
    (tmp_path / "heard").mkdir()
    listener.install_in_processes(tmp_path / "heard")
    script = f"import sys; print('first', file=sys.stderr); print('{word}', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr.decode().split() == ["first", word], "and it is written as before"
    for _ in range(2):
        listener.hear_processes()
    assert (listener.lines, len(listener.leaks)) == (2, int(word == "client-secret"))


def test_a_leak_of_a_process_fails_its_test(pytester_like):
    """The daemon's too: it is one."""
    child = "__import__('subprocess').run([sys.executable, '-c', 'import sys; sys.exit(\"{}\")'])"
    assert pytester_like(child.format("client-secret")) == 1
    assert pytester_like(child.format("nothing")) == 0


def test_a_leak_fails_its_test(pytester_like):
    """The suite's own fixture, on a suite of one test."""
    assert pytester_like("structlog.get_logger().warning('x', reason='client-secret')") == 1
    assert pytester_like("structlog.get_logger().warning('x', reason='nothing')") == 0


@pytest.fixture
def pytester_like(tmp_path):
    """Runs one test of one line under the suite's conftest; its exit code."""
    root = Path(__file__).parents[2]

    def run(line):
        test = tmp_path / "test_one.py"
        test.write_text(f"import sys\nimport structlog\n\ndef test_one():\n    {line}\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.conftest",
            "-c",
            "pyproject.toml",
            str(test),
        ]
        return subprocess.run(command, cwd=root, capture_output=True, check=False).returncode

    return run
