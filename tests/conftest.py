"""Tests marked ``virtual_clock`` run on a loop whose time costs nothing (tests/support/clock.py)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.clock import VirtualClockLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: Any) -> Mapping[str, Callable[[], Any]]:
    """Choose the loop of one test."""
    if item.get_closest_marker("virtual_clock") is None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualClockLoop}
