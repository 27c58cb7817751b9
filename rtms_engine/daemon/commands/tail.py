"""``rtms-engine tail``: a stream as it happens."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

from ...api.streams import StreamPage
from ...telemetry.story import Entry
from ..client import ApiClient, Declined, ServerSentEvent, Unreachable, client_of
from .options import engine_options
from .why import clock

_FAILED = 1
_STYLES = {"warning": "yellow", "error": "red"}
_CONTENT = frozenset({"transcript", "chat"})


@click.command()
@click.argument("stream", default="")
@click.option("--content", is_flag=True, help="Also what is said and written, with names.")
@engine_options
def tail(
    stream: str,
    content: bool,
    url: str | None,
    token_file: Path | None,
    config: Path | None,
    overrides: Mapping[str, str],
) -> None:
    """Show STREAM of the running engine as it happens, until it ends: its story and its events.

    STREAM is its id or the beginning of it; without it, the stream that started last.
    """
    client = client_of(config, overrides, url, token_file)
    console = Console()
    try:
        stream_id = _chosen(client, stream)
        console.print(Text(f"Stream {stream_id}; times are UTC", style="bold"))
        with contextlib.suppress(KeyboardInterrupt):
            for event in client.events(f"/api/v1/streams/{stream_id}/events"):
                if (line := line_of(event, content=content)) is not None:
                    console.print(line)
    except (Unreachable, Declined) as error:
        click.echo(str(error), err=True)
        raise SystemExit(_FAILED) from None


def _chosen(client: ApiClient, stream: str) -> str:
    ids = [one.id for one in client.get("/api/v1/streams", StreamPage, state="live", limit="500").streams]
    found = [one for one in ids if one == stream] or [one for one in ids if one.startswith(stream)]
    if not found:
        raise click.ClickException("No stream runs" + (" whose id begins so." if stream else "."))
    if len(found) > 1 and stream:
        raise click.ClickException(f"{len(found)} streams have ids that begin so; give more of the id.")
    return found[0]


def line_of(event: ServerSentEvent, *, content: bool) -> Text | None:
    """What to print of an event; None: nothing. Names and texts only with ``content``."""
    data = event.data
    if event.name == "entry":
        entry = msgspec.convert(data, Entry)
        return Text(f"{clock(entry.at_ms)}  {entry.text}", style=_STYLES.get(entry.level, ""))
    if event.name == "missed":
        return Text(f"{'':12}  … {data['count']} events came too fast to be shown", style="yellow")
    at_ms = data.get("timestamp_ms") if isinstance(data, dict) else None
    when = clock(at_ms) if isinstance(at_ms, int) else " " * 12
    if event.name in _CONTENT:
        speaker = data.get("speaker") or data.get("sender") or {}
        said = (
            f"{speaker.get('name', '')}: {data.get('text', '')}"
            if content
            else f"{len(data.get('text', ''))} characters"
        )
        return Text(f"{when}  {event.name}  {said}", style="cyan")
    return Text(f"{when}  {event.name}{_details(data, content=content)}", style="dim")


def _details(data: Any, *, content: bool) -> str:
    """What an event says about itself, without people's names unless wanted."""
    if not isinstance(data, dict):
        return ""
    parts = []
    for key, value in data.items():
        match value:
            case _ if key in ("type", "timestamp_ms"):
                continue
            case {"user_id": user_id, **rest}:
                name = f" {rest['name']}" if content and rest.get("name") else ""
                parts.append(f"{key}={user_id}{name}")
            case str() if value and key not in ("name", "text"):
                parts.append(f"{key}={value}")
            case int() | float():
                parts.append(f"{key}={value}")
            case _:
                continue
    return "".join(f"  {part}" for part in parts)
