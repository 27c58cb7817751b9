"""``rtms-engine why``: what happened to a stream, in words."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...api.chronicle import kept_stories, the_one
from ...api.problem import Problem, Refused
from ...api.why import StreamStory
from ...config import load_config
from ...errors import ConfigError
from ...keeping import shelf_of, vault_of
from ...sinks import registry
from ...vault import files
from ..client import ApiClient, Declined, Unreachable, client_of
from ..recorded import recorded_stories
from .options import engine_options

_FAILED = 1
_NOT_FOUND = 404
_STYLES = {"ok": "green", "info": "", "warning": "yellow", "error": "red"}
_MARKS = {"ok": "OK", "info": "-", "warning": "WARN", "error": "FAIL"}


@click.command()
@click.argument("stream", default="")
@click.option("--last", is_flag=True, help="The stream in which something happened last.")
@click.option("--recordings", type=click.Path(path_type=Path), metavar="DIR", help="Look there too.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@engine_options
def why(
    stream: str,
    last: bool,
    recordings: Path | None,
    as_json: bool,
    url: str | None,
    token_file: Path | None,
    config: Path | None,
    overrides: Mapping[str, str],
) -> None:
    """Say why STREAM is as it is: what came, what did not and what to do, and what happened, in words.

    STREAM is its id (rtms_stream_id) or the beginning of it. Asked is the running engine; if there is none, or
    it does not know the stream, what it has kept in [state] directory, and then the recordings.
    """
    if not stream and not last:
        raise click.UsageError("Name a stream, by its id or the beginning of it, or say --last.")
    if stream and last:
        raise click.UsageError("Either a stream or --last.")
    try:
        story = _found(stream, client_of(config, overrides, url, token_file), config, overrides, recordings)
    except Refused as refused:
        click.echo(f"{refused.problem.detail} {refused.problem.remedy}", err=True)
        raise SystemExit(_FAILED) from None
    except Declined as declined:
        click.echo(str(declined), err=True)
        raise SystemExit(_FAILED) from None
    if as_json:
        click.echo(msgspec.json.encode(story))
    else:
        show(story, Console())


def _found(
    stream: str,
    client: ApiClient,
    config: Path | None,
    overrides: Mapping[str, str],
    recordings: Path | None,
) -> StreamStory:
    """From whoever knows it first. Raises Refused or Declined."""
    answered = ""
    try:
        return client.get("/api/v1/why", StreamStory, stream=stream)
    except Unreachable as error:
        answered = str(error)
    except Declined as declined:
        if declined.problem.status != _NOT_FOUND:
            raise
    for stories in _kept(stream, config, overrides, recordings):
        if stories:
            return the_one(stories, stream)
    detail = f"Nobody knows {'a stream whose id begins so' if stream else 'any stream'}."
    raise Refused(Problem("Not Found", _NOT_FOUND, detail, answered or "Check the id: rtms-engine status."))


def _kept(
    stream: str, config: Path | None, overrides: Mapping[str, str], recordings: Path | None
) -> Iterator[dict[str, StreamStory]]:
    roots = [recordings] if recordings else []
    with contextlib.suppress(ConfigError):  # with --url or --recordings there need not be one
        loaded = load_config(config, overrides=overrides)
        click.get_current_context().with_resource(files.unlocked(vault_of(loaded)))
        if shelf := shelf_of(loaded):
            yield kept_stories(shelf, stream)
        sinks = [registry.build(sink) for sink in loaded.sinks if sink.type == "recording"]
        roots += [Path(place) for sink in sinks if (place := sink.spec.directory(sink.config))]
    yield recorded_stories(roots, stream)


def show(story: StreamStory, console: Console) -> None:
    """Print a story for a person."""
    console.print(Text(_title(story), style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in story.findings:
        mark = Text(_MARKS[finding.level], style=_STYLES[finding.level])
        table.add_row(mark, Text(finding.about), Text(finding.text))
    console.print(table)
    if story.entries:
        console.print(Text("\nWhat happened (UTC)", style="bold"))
    times = Table(box=None, show_header=False, pad_edge=False)
    for entry in story.entries:
        times.add_row(Text(clock(entry.at_ms)), Text(entry.text, style=_STYLES.get(entry.level, "")))
    console.print(times)


def _title(story: StreamStory) -> str:
    if story.stream is None:
        return f"Stream {story.id}"
    one = story.stream
    began = datetime.fromtimestamp(one.started_ms / 1000, UTC)
    number = f" ({one.meeting_id})" if one.meeting_id else ""
    return (
        f"Stream {story.id} of {one.product} {one.meeting}{number}, app {one.app}: "
        f"started {began:%Y-%m-%d %H:%M:%S} UTC, {one.state}"
    )


def clock(at_ms: int) -> str:
    """``12:34:56.789``, UTC."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%H:%M:%S}.{at_ms % 1000:03}"
