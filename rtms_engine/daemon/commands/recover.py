"""``rtms-engine recover``: finish the recordings that a crash has left."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ...recording import manifest
from ...recording.recovery import recover as finish
from .options import unlocking

_NOT_ALL = 1


@click.command()
@click.argument("directories", metavar="DIR…", type=click.Path(path_type=Path), nargs=-1, required=True)
@unlocking
def recover(directories: Sequence[Path]) -> None:
    """Finish recordings whose engine was killed and whose streams never came back.

    DIR is the folder of a recording, or one above several, such as "recordings". Every file is made one that
    opens, the manifest lists them all, and deletions that were begun are completed. What is finished stays as
    it is. A folder that a running engine writes to is left alone: the engine holds a lock on it.

    Exits with 1 if a recording could not be finished.
    """
    outcomes = [_recovered(folder) for directory in directories for folder in _folders(directory)]
    finished = sum(outcomes)
    click.echo(f"{finished} of {len(outcomes)} recordings are finished.")
    if finished < len(outcomes) or not outcomes:
        raise SystemExit(_NOT_ALL)


def _folders(directory: Path) -> Iterator[Path]:
    if (directory / manifest.NAME).exists():
        yield directory
        return
    below = sorted(path.parent for path in directory.rglob(manifest.NAME))
    if not below:
        click.echo(f"{directory}: there is no recording", err=True)
    yield from below


def _recovered(folder: Path) -> bool:
    """Finish one, and say what was done. Returns whether it is finished now."""
    try:
        before = manifest.load(folder)
        left = finish(folder)
    except BlockingIOError:
        click.echo(f"{folder}: a running engine writes to it; left alone", err=True)
        return False
    except OSError as error:
        click.echo(f"{folder}: {error.strerror or error}", err=True)
        return False
    if left is None:
        is_gone = manifest.load_tombstone(folder) is not None
        click.echo(
            f"{folder}: deleted" if is_gone else f"{folder}: the manifest cannot be read", err=not is_gone
        )
        return is_gone
    if before is not None and before.state == left.state:
        click.echo(f"{folder}: {left.state} already")
    else:
        why = f" ({left.failure})" if left.failure else ""
        click.echo(f"{folder}: {left.state}{why}, {len(left.artefacts)} files")
    return True
