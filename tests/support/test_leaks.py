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


SUITE = """
import logging, subprocess, sys, structlog

def test_that_leaks():
    structlog.get_logger().warning("x", reason="client-secret")

def test_that_leaks_nothing():
    structlog.get_logger().warning("x", reason="nothing")

def test_with_a_process_that_leaks():
    subprocess.run([sys.executable, "-c", "import sys; sys.exit('client-secret')"])

def test_with_a_process_that_leaks_nothing():
    subprocess.run([sys.executable, "-c", "import sys; sys.exit('nothing')"])

def test_that_configures_the_log():
    structlog.configure(processors=[structlog.dev.ConsoleRenderer()])
    logging.getLogger().handlers = []

def test_that_finds_it_as_it_was():
    assert len(structlog.get_config()["processors"]) > 1
    assert logging.getLogger().handlers
"""


def test_what_the_fixtures_of_all_tests_do(tmp_path):
    """On a suite of its own, under this one's conftest: who leaks fails, and nobody configures the log of others."""
    test = tmp_path / "test_some.py"
    test.write_text(SUITE)
    options = ("-q", "-rA", "-n0", "-p", "no:cacheprovider", "-p", "tests.conftest", "-c", "pyproject.toml")
    command = [sys.executable, "-m", "pytest", *options, str(test)]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    ends = {
        line.split("::")[1].split()[0]: line.split()[0] for line in ran.stdout.splitlines() if "::" in line
    }
    assert ends == {
        "test_that_leaks": "ERROR",
        "test_that_leaks_nothing": "PASSED",
        "test_with_a_process_that_leaks": "ERROR",
        "test_with_a_process_that_leaks_nothing": "PASSED",
        "test_that_configures_the_log": "PASSED",
        "test_that_finds_it_as_it_was": "PASSED",
    }
