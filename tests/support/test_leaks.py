"""The listener hears, and what it hears fails a test."""

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
        test.write_text(f"import structlog\n\ndef test_one():\n    {line}\n")
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
