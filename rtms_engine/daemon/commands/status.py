"""``rtms-engine status``: the streams of the running engine, as a table."""

import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...api.streams import StreamPage, StreamSummary
from ..client import ApiClient, Declined, Unreachable, client_of
from .options import engine_options

_FAILED = 1
_EVERY_S = 1.0


@click.command()
@click.option("--all", "also_ended", is_flag=True, help="Also the streams that ended.")
@click.option("--watch", is_flag=True, help="Go on, once a second, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@engine_options
def status(
    also_ended: bool,
    watch: bool,
    as_json: bool,
    url: str | None,
    token_file: Path | None,
    config: Path | None,
    overrides: Mapping[str, str],
) -> None:
    """Show the streams of the running engine: their state, what came, what is missing.

    Exits with 1 if no engine answers.
    """
    if watch and as_json:
        raise click.UsageError("Either --watch or --json.")
    client = client_of(config, overrides, url, token_file)
    state = "all" if also_ended else "live"
    try:
        page = _page(client, state)
        if as_json:
            click.echo(msgspec.json.encode(page.streams))
        elif watch:
            _watch(client, state)
        else:
            Console().print(_table(page, _now_ms()))
    except (Unreachable, Declined) as error:
        click.echo(str(error), err=True)
        raise SystemExit(_FAILED) from None


def _page(client: ApiClient, state: str) -> StreamPage:
    return client.get("/api/v1/streams", StreamPage, state=state, limit="500")


def _watch(client: ApiClient, state: str) -> None:
    with contextlib.suppress(KeyboardInterrupt), Live(auto_refresh=False, screen=True) as live:
        while True:
            live.update(_table(_page(client, state), _now_ms()), refresh=True)
            time.sleep(_EVERY_S)


def _now_ms() -> int:
    return int(time.time() * 1000)  # noqa: TID251 - the process


def _table(page: StreamPage, now_ms: int) -> Table | Text:
    if not page.streams:
        return Text("No stream.")
    columns = ("Stream", "App", "Product", "Meeting", "State", "Zoom", "Since", "Lasts", "People", "Frames")
    table = Table(*columns, "Gaps", "Lost", "Ended by", box=None, pad_edge=False)
    for one in page.streams:
        table.add_row(*map(Text, _cells(one, now_ms)))
    if page.next:
        table.caption = "The newest 500; there are more."
    return table


def _cells(one: StreamSummary, now_ms: int) -> tuple[str, ...]:
    began = datetime.fromtimestamp(one.started_ms / 1000, UTC)
    lasts_s = max((one.ended_ms or now_ms) - one.started_ms, 0) // 1000
    return (
        one.id,
        one.app,
        one.product,
        one.meeting_id or one.meeting,
        one.state,
        one.zoom_state,
        f"{began:%H:%M:%S}",
        f"{lasts_s // 3600}:{lasts_s // 60 % 60:02}:{lasts_s % 60:02}",
        str(one.participants),
        " ".join(f"{kind.value}:{n}" for kind, n in sorted(one.received.items()) if n) or "-",
        str(one.gaps),
        str(one.losses),
        one.stop_reason,
    )
