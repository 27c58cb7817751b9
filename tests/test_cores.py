"""A process of streams keeps to one core; what works beside the interpreter does not."""

import os
import subprocess
import sys
import threading

import pytest

from rtms_engine import cores

pytestmark = pytest.mark.skipif(
    len(cores.ALL) < 2, reason="there is but one core, or the system does not tell"
)


def in_a_thread(work):
    """Its cores are its own, and do not stay with the tests."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def mine():
    return os.sched_getaffinity(0)


def test_processes_take_the_cores_in_turn():
    ordered = sorted(cores.ALL)
    for number in range(2 * len(ordered)):
        core = ordered[number % len(ordered)]
        assert in_a_thread(lambda n=number: (cores.settle(n), mine())) == (core, {core})
    assert mine() == cores.ALL


def test_one_process_stays_where_it_is():
    core, allowed = in_a_thread(lambda: (cores.settle(), mine()))
    assert core in cores.ALL
    assert allowed == {core}


def test_threads_that_it_begins_stay_with_it():
    assert in_a_thread(lambda: (cores.settle(1), in_a_thread(mine))[1]) == {
        sorted(cores.ALL)[1 % len(cores.ALL)]
    }


def test_encoders_and_commands_have_all_of_them():
    def from_one_core():
        cores.settle(0)
        waiting = [
            sys.executable,
            "-c",
            "import os, sys; sys.stdin.read(1); print(len(os.sched_getaffinity(0)))",
        ]
        with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as command:
            cores.roam(command.pid)
            told, _ = command.communicate("x")
        in_this_thread = in_a_thread(lambda: (cores.roam(), mine())[1])
        return int(told), in_this_thread

    assert in_a_thread(from_one_core) == (len(cores.ALL), cores.ALL)


def test_a_process_that_has_ended_is_no_error():
    with subprocess.Popen([sys.executable, "-c", ""]) as command:
        command.wait()
    cores.roam(command.pid)
