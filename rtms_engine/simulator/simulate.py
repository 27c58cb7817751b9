"""Meetings against any webhook URL: what ``rtms-engine simulate`` runs, and a benchmark can."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..model.products import MEETING, Product
from .ledger import ClientError
from .live import LiveMeeting
from .script import Script, demo_script
from .webhooks import Delivery
from .zoom import App, FakeZoom


class Simulation(msgspec.Struct, frozen=True):
    """What a run of `simulate` came to, over all its streams."""

    streams: int
    stop_reasons: dict[int, int]
    """How many streams ended with each (V1.md §9.5)."""
    frames: dict[str, int]
    """Sent, by kind of media."""
    payload_bytes: dict[str, int]
    keep_alives_sent: int
    keep_alives_answered: int
    slowest_answer_s: float
    undelivered: tuple[Delivery, ...]
    """Webhooks that were not answered with 2xx in 3 s."""
    client_errors: tuple[ClientError, ...]
    never_joined: int
    """Streams that were announced, and to whose signaling nobody came."""


async def simulate(
    *,
    webhook_url: str,
    client_id: str,
    client_secret: str,
    secret_token: str,
    script: Script | None = None,
    product: Product = MEETING,
    speed: float = 1.0,
    streams: int = 1,
    interval_s: float = 0.0,
    tls: bool = True,
    ca_file: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    on_start: Callable[[LiveMeeting], None] = lambda _: None,
) -> Simulation:
    """Stream meetings until all of them are over.

    Args:
        webhook_url: who is told.
        client_id: of the app, as are ``client_secret`` and ``secret_token``.
        client_secret: signs handshakes.
        secret_token: signs webhooks.
        script: what happens in each of them; None: the packaged meeting.
        product: what kind of meetings they are.
        speed: script seconds per second.
        streams: how many.
        interval_s: seconds between the start of one and the next.
        tls: ``wss``, else ``ws``.
        ca_file: see `FakeZoom`.
        host: where to listen, and what the URLs say.
        port: 0 takes a free one.
        on_start: called with each meeting, to show its progress.

    Cancelling ends all streams at once, without webhooks.
    """
    app = App(client_id, client_secret, secret_token)
    async with FakeZoom([app], host=host, port=port, tls=tls, ca_file=ca_file) as zoom:
        meetings: list[LiveMeeting] = []
        script = script or demo_script()
        for n in range(streams):
            await asyncio.sleep(interval_s if n else 0)
            meeting = await zoom.start(script, webhook_url, product=product, speed=speed, keeps_frames=False)
            on_start(meeting)
            meetings.append(meeting)
        await asyncio.gather(*(meeting.ended() for meeting in meetings))
    return _summary(meetings)


def _summary(meetings: list[LiveMeeting]) -> Simulation:
    ledgers = [meeting.ledger.snapshot() for meeting in meetings]
    frames: Counter[str] = Counter()
    payload_bytes: Counter[str] = Counter()
    for ledger in ledgers:
        frames.update(ledger.frames)
        payload_bytes.update(ledger.payload_bytes)
    return Simulation(
        streams=len(meetings),
        stop_reasons=dict(Counter(int(meeting.stop_reason or 0) for meeting in meetings)),
        frames=dict(frames),
        payload_bytes=dict(payload_bytes),
        keep_alives_sent=sum(ledger.keep_alives_sent for ledger in ledgers),
        keep_alives_answered=sum(ledger.keep_alives_answered for ledger in ledgers),
        slowest_answer_s=max((ledger.slowest_answer_s for ledger in ledgers), default=0.0),
        undelivered=tuple(told for meeting in meetings for told in meeting.deliveries if not told.is_good),
        client_errors=tuple(error for ledger in ledgers for error in ledger.client_errors),
        never_joined=sum(not meeting.was_joined for meeting in meetings),
    )
