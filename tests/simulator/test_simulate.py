"""Meetings against a webhook URL."""

from typing import Any

import pytest

from rtms_engine.simulator import simulate, synthetic_script
from tests.simulator.client import APP

pytestmark = pytest.mark.virtual_clock


async def test_simulate(inbox: Any) -> None:
    """Three meetings that nobody joins end with 11 each; every webhook is delivered."""
    started: list[Any] = []
    result = await simulate(
        webhook_url=inbox.url,
        client_id=APP.client_id,
        client_secret=APP.client_secret,
        secret_token=APP.secret_token,
        script=synthetic_script(duration_ms=90_000),
        streams=3,
        interval_s=1.0,
        tls=False,
        on_start=started.append,
    )
    assert (result.streams, result.stop_reasons, len(started)) == (3, {11: 3}, 3)
    assert (result.undelivered, result.never_joined) == ((), 3)
    assert len(inbox.deliveries) == 6
