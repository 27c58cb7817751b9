"""``rtms-engine replay``: captured streams once more."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

from ...capture.reader import find_captures
from ...config import load_config, load_keys
from ...keeping import vault_of
from ...replay import Replayed, replay_file
from ...sinks import registry
from ...sinks.registry import ReadySink, SinkConfig
from ...vault import files
from .. import logging
from .options import existing

_PLACES = ("directory", "path")
"""What sinks call the place that they write to."""


class _Speed(click.ParamType):  # type: ignore[type-arg,unused-ignore] # generic since click 8.2
    """``max``, or how many seconds of the capture go by in one."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "max":
            return math.inf
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not (0 < speed < math.inf):
            self.fail(f"{value!r} is neither a number above 0 nor max", param, ctx)
        return speed


@click.command()
@click.argument("captures", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--speed",
    type=_Speed(),
    default="max",
    show_default=True,
    help="1: as it was; 10: ten times as fast; max: as fast as the sinks allow.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the sinks write.  [default: replayed]",
)
@click.option(
    "--sink", "types", multiple=True, help="A type of sink; repeat it for more.  [default: recording]"
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Use the [[sinks]] of this configuration.",
)
def replay(
    captures: Sequence[Path],
    speed: float,
    out: Path | None,
    types: Sequence[str],
    config: Path | None,
) -> None:
    """Run captured streams through the sinks, as if they came from Zoom now.

    FILEs are captures (*.rtmscap) or directories of them; they are replayed one after the other. The same
    capture gives the same files, byte by byte. With --config its [[sinks]] get the streams, and write where
    they always do unless --out says otherwise; --sink names others, with their defaults.

    A capture that was cut by a kill is replayed up to its last whole record, and what is damaged is said;
    then, if anything of it was damaged and not merely cut, the exit status is 1.
    """
    logging.configure("warning")
    console = Console()
    sinks = _sinks(out, types, config)
    vault = vault_of(load_keys(existing(config)), sinks if config else ())
    click.get_current_context().with_resource(files.unlocked(vault))
    is_damaged = False
    for path in [one for given in captures for one in find_captures(given)]:
        replayed = replay_file(path, sinks, speed)
        _show(replayed, console)
        is_damaged |= any(not damage.is_end for damage in replayed.damages)
    places = {place for sink in sinks if (place := str(sink.spec.directory(sink.config)))}
    for place in sorted(places):
        console.print(f"The files are in {place}", soft_wrap=True, highlight=False)
    if is_damaged:
        raise SystemExit(1)


def _sinks(out: Path | None, types: Sequence[str], config: Path | None) -> list[ReadySink]:
    if config is not None and not types:
        configured = load_config(config).sinks
    else:
        configured = [SinkConfig(one) for one in types or ("recording",)]
        out = out or Path("replayed")
    return [registry.build(_placed(sink, out)) for sink in configured]


def _placed(sink: SinkConfig, out: Path | None) -> SinkConfig:
    """The same sink, writing to ``out``."""
    keys = registry.find(sink.type).config_type.__struct_fields__
    place = next((key for key in _PLACES if key in keys), None)
    if out is None or place is None:
        return sink
    return msgspec.structs.replace(sink, options={**sink.options, place: str(out)})


def _show(replayed: Replayed, console: Console) -> None:
    statistics = replayed.statistics
    counts = ", ".join(f"{count} {kind.value}" for kind, count in statistics.received.items() if count)
    ending = statistics.ending
    ended = ending.stop_reason.name if ending and not ending.is_released else "not ended"
    said = f"{replayed.path}: {statistics.info.stream_id}: {counts or 'no media'}; {ended}"
    console.print(said, soft_wrap=True, highlight=False)
    for damage in replayed.damages:
        console.print(Text(f"  {damage}", style="yellow" if damage.is_end else "red"), soft_wrap=True)
    if not replayed.is_complete:
        end = "  The capture has no end: its engine was killed. What came until then was replayed."
        console.print(Text(end, style="yellow"), soft_wrap=True)
    for sink in statistics.sinks:
        if sink.state != "closed" or sink.dropped:
            lost = (
                f"  The sink {sink.name} is {sink.state} and dropped {sink.dropped} items; the log says why."
            )
            console.print(Text(lost, style="red"), soft_wrap=True)
