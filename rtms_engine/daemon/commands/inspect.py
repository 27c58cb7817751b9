"""``rtms-engine inspect``: what is in captures, and copies of them without content."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...capture.format import SUFFIX
from ...capture.overview import Overview, overview
from ...capture.reader import CaptureReader, find_captures
from ...capture.scrub import scrub
from ...errors import CaptureError
from .options import unlocking


@click.command()
@click.argument("captures", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON: an array with one object for each capture.")
@click.option(
    "--scrub",
    "scrubbed",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write a copy without content there; of several FILEs, into the directory OUT.",
)
@unlocking
def inspect(captures: Sequence[Path], as_json: bool, scrubbed: Path | None) -> None:
    """Show what is in captures: connections, messages by type, gaps, durations.

    FILEs are captures (*.rtmscap) or directories of them. Damage is said, with its offset; the exit
    status is 1 if there is any beyond an end that is merely cut.

    With --scrub, a copy is written that is fit for a bug report: sound becomes a tone, pictures become ours, of the
    same sizes; texts, names and ids are replaced. It can be inspected and replayed like the original.
    """
    console = Console()
    found = [one for given in captures for one in find_captures(given)]
    seen: list[Overview] = []
    is_damaged = False
    for path in found:
        with CaptureReader(path) as capture:
            seen.append(overview(capture))
            if scrubbed is not None:
                for _ in capture.records():  # so that nothing damaged passes unsaid
                    pass
                scrub(capture, _place(scrubbed, path, len(found) > 1))
            is_damaged |= any(not damage.is_end for damage in capture.damages)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(seen), indent=2))
    else:
        for one in seen:
            _show(one, console)
    if scrubbed is not None:
        click.echo(f"Without content: {scrubbed}", err=as_json)
    if is_damaged:
        raise SystemExit(1)


def _place(scrubbed: Path, path: Path, are_several: bool) -> Path:
    """Where the copy goes; never onto a file that is there."""
    place = scrubbed / f"{path.stem}.scrubbed{SUFFIX}" if are_several or scrubbed.is_dir() else scrubbed
    if place.exists():
        raise CaptureError(str(place), "it is there already, and a copy replaces nothing")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _show(one: Overview, console: Console) -> None:
    began = datetime.fromtimestamp(one.began_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    console.print(Text(one.path, style="bold"), soft_wrap=True)
    console.print(
        f"{one.product} {one.entity_id}, stream {one.stream_id}, app {one.app}\n"
        f"{began}, {one.duration_s:.1f} s, {one.records} records, {one.bytes / 1e6:.1f} MB, "
        f"captured by {one.engine}{', scrubbed' if one.scrubbed else ''}\n"
        f"Asked for: {', '.join(one.kinds) or 'nothing'}. "
        f"Ended: {one.ending or 'not in this capture; its engine was killed, or still writes'}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    legs = Table("Leg", "Connected", "Times", "Failed", "In", "Out", "MB in", "Silence", box=box.SIMPLE)
    for leg in one.legs:
        legs.add_row(
            leg.leg,
            f"{leg.connected_s:.1f} s",
            str(leg.connections),
            str(leg.failed),
            str(leg.messages_in),
            str(leg.messages_out),
            f"{leg.bytes_in / 1e6:.2f}",
            f"{leg.longest_silence_s:.1f} s",
        )
    console.print(legs)
    messages = Table("Leg", "", "Message", "Count", "Bytes", "Seconds", box=box.SIMPLE)
    for row in one.messages:
        number = f"{row.msg_type} {row.name}" if row.msg_type >= 0 else row.name
        span = f"{row.first_s:.1f} to {row.last_s:.1f}" if row.messages > 1 else f"{row.first_s:.1f}"
        messages.add_row(row.leg, row.direction, number, str(row.messages), f"{row.bytes:,}", span)
    console.print(messages)
    for happening in one.happenings:
        console.print(Text(f"{happening.at_s:9.1f} s  {happening.what}"), soft_wrap=True)
    for gap in one.gaps:
        until = f"{gap.end_s - gap.start_s:.1f} s" if gap.end_s is not None else "to the end"
        said = f"{gap.start_s:9.1f} s  {gap.leg} without a connection, {until}: {gap.cause}"
        console.print(Text(said, style="yellow"), soft_wrap=True)
    for damage in one.damages:
        console.print(Text(f"Damaged: {damage}", style="red"), soft_wrap=True)
