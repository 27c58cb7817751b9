"""Tests marked ``virtual_clock`` run on a loop whose time costs nothing (tests/support/clock.py)."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.clock import VirtualClockLoop
from tests.support.leaks import Listener
from tests.support.ports import free_port

# How long an example takes, and how fast examples are made, says how busy the machine is: neither a deadline
# nor `too_slow` looks at our code. What is asked of it, and of how many examples, stays.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """What is there now stays to the end, modules and tests: not to be searched for garbage again and again."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(config: pytest.Config, item: Any) -> Mapping[str, Callable[[], Any]]:
    """Choose the loop of one test."""
    if item.get_closest_marker("virtual_clock") is None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualClockLoop}


_LISTENER = Listener()


@pytest.fixture(scope="session", autouse=True)
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """To everything that is logged, from the first test to the last, here and in processes that tests start."""
    _LISTENER.install()
    _LISTENER.install_in_processes(tmp_path_factory.mktemp("heard"))
    yield
    _LISTENER.remove()


@pytest.fixture(autouse=True)
def no_leaks(listening: None) -> Iterator[None]:
    """No test may log a secret, or what people are called or say."""
    _LISTENER.leaks.clear()
    yield
    _LISTENER.hear_processes()
    assert not _LISTENER.leaks, f"the log gives away {_LISTENER.leaks}"


@pytest.fixture(scope="session")
def unused_tcp_port_factory() -> Callable[[], int]:
    """In place of the one of ``pytest-asyncio``, whose ports the system may give to somebody else."""
    return free_port


@pytest.fixture
def unused_tcp_port() -> int:
    """One of them."""
    return free_port()


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that runs in this process configures the log for the process; the next test is not its."""
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    if structlog.get_config() != configured:
        structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)
