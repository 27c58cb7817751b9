"""``rtms-engine export``: one file to watch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ...errors import ExportError
from ...export.movie import AudioCodec, Exported, Wanted
from ...export.movie import export as make_movie
from ...export.source import Recording, read
from .options import unlocking

_SOMETHING_MISSING = 1
_MOST_PROBLEMS = 10
_STATES = {
    "recording": "This recording has not ended; what is there until now is exported.",
    "processing": "This recording is not finished; what is there until now is exported.",
    "failed": "This recording is incomplete",
}
"""What to say of a recording that is not done."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--mp4",
    "movie",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write camera, sound, screen share, subtitles and chapters to this file.",
)
@click.option(
    "--slideshow",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the series of single pictures to this file, as a video.",
)
@click.option(
    "--audio",
    type=click.Choice(get_args(AudioCodec)),
    default="aac",
    show_default=True,
    help="How the sound is encoded.",
)
@click.option("--reencode", is_flag=True, help="Encode the video anew, all of it in one format.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@unlocking
def export(
    folder: Path, movie: Path | None, slideshow: Path | None, audio: AudioCodec, reencode: bool, force: bool
) -> None:
    """Make one file to watch of a recording.

    DIR is the folder of a recording: the one with manifest.json, or one above it if there is no other
    recording below. It is only read; one that is still being recorded, or is incomplete, is exported as far as
    it goes.

    Video is not encoded anew, unless it is a series of pictures or --reencode asks for it. Exits with 1 if
    something of the recording could not be read.

    \b
    rtms-engine export recordings/2026-01-31/MEETING/STREAM --mp4 meeting.mp4
    rtms-engine export demo-recording --mp4 meeting.mp4 --audio opus
    rtms-engine export demo-recording --slideshow slides.mp4
    """  # noqa: D301 - click keeps the lines of a paragraph that begins so
    asked = [
        (target, wanted)
        for target, wanted in (
            (movie, Wanted(audio, reencode)),
            (slideshow, Wanted(slides_only=True)),
        )
        if target
    ]
    if not asked:
        raise click.UsageError("say which file to write: --mp4 FILE, or --slideshow FILE")
    for target, _ in asked:
        if target.exists() and not force:
            raise click.UsageError(f"{target} is there already; --force replaces it")
    console = Console()
    problems: list[str] = []
    try:
        recording = read(folder)
        _tell_state(console, recording)
        for target, wanted in asked:
            with _bar(console, target.name) as progress:
                exported = make_movie(recording, target, wanted, progress)
            _tell(console, target, exported)
            problems += exported.problems
    except ExportError as error:
        raise click.ClickException(str(error)) from error
    if problems:
        raise SystemExit(_SOMETHING_MISSING)


def _tell_state(console: Console, recording: Recording) -> None:
    if said := _STATES.get(recording.state):
        why = f": {recording.failure}" if recording.failure else ""
        console.print(Text(said + why, style="yellow"), soft_wrap=True)


def _tell(console: Console, target: Path, exported: Exported) -> None:
    seconds = exported.duration_ms // 1000
    length = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    chapters = f"{exported.chapters} chapter{'s' * (exported.chapters > 1)}"
    parts = [*exported.tracks, *([chapters] if exported.chapters else [])]
    console.print(Text(f"{target}: {length}; {'; '.join(parts)}"), soft_wrap=True)
    for note in exported.notes:
        console.print(Text(note), soft_wrap=True)
    for problem in exported.problems[:_MOST_PROBLEMS]:
        console.print(Text(f"Missing: {problem}", style="red"), soft_wrap=True)
    if more := exported.problems[_MOST_PROBLEMS:]:
        console.print(Text(f"Missing: {len(more)} more", style="red"))


@contextmanager
def _bar(console: Console, name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Writing {name}", total=None)
        yield lambda at_ms, of_ms: progress.update(task, completed=min(at_ms, of_ms), total=of_ms)
