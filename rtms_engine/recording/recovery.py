"""The end of a recording whose engine was killed and whose stream never came back."""

from pathlib import Path

from ..model.events import StreamStateChanged
from ..model.ids import StreamId
from ..model.products import product_named
from ..model.reasons import StopReason, StreamState
from ..sinks.base import Ending, StreamInfo
from . import erasure, manifest
from .folder import Folder
from .log import events_in
from .manifest import ABANDONED, Manifest
from .recorder import Recorder


def recover(path: Path) -> Manifest | None:
    """Finish the recording in a folder: every file opens, and the manifest lists them all.

    It is ``done`` if the engine knew or Zoom had said that the stream is over, and ``failed`` if neither.
    A deletion that was begun is completed. What was finished already stays as it is.

    Args:
        path: the folder.

    Returns:
        The manifest; None if there is none that can be read, or the recording was deleted.

    Raises:
        BlockingIOError: an engine is writing to it.
        OSError: the disk does not let us.

    Blocks.
    """
    left = manifest.load(path)
    if left is None:
        erasure.complete(path)
        return None
    if left.state in ("done", "failed"):
        return left
    recorder = Recorder(Folder(path), _stream_of(left))
    ending, failure = _ending_of(left, recorder)
    recorder.close(ending, failure)
    return manifest.load(path)


def _ending_of(left: Manifest, recorder: Recorder) -> tuple[Ending, str]:
    """How the stream ended, and what failed, as far as anybody had the time to write it down."""
    if left.stop_reason is not None and left.ended_ms is not None:
        reason = StopReason(left.stop_reason.code)
        return Ending(reason, left.ended_ms, left.stop_reason.detail), left.failure
    said = _said_to_be_over(recorder.folder)
    failure = ABANDONED if said is None else ""
    return Ending(said or StopReason.UNDEFINED, recorder.newest_ms), failure


def _said_to_be_over(folder: Folder) -> StopReason | None:
    """Why the stream ended, if Zoom said that it did."""
    for event in events_in(folder):
        if isinstance(event, StreamStateChanged) and event.state == StreamState.TERMINATED.name:
            return StopReason.__members__.get(event.reason, StopReason.UNDEFINED)
    return None


def _stream_of(left: Manifest) -> StreamInfo:
    return StreamInfo(
        stream_id=StreamId(left.rtms_stream_id),
        app=left.app,
        product=product_named(left.product),
        entity_id=left.entity_id,
        started_ms=left.started_ms,
        kinds=frozenset(left.media.requested),
        meeting_id=left.meeting_id,
        account_id=left.account_id,
        operator_id=left.operator_id,
        resumed=True,
    )
