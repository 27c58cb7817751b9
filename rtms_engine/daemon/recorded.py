"""The story of a stream read off its recording, where nothing else tells it any more."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..api.streams import Stream
from ..api.why import StreamStory
from ..model.causes import cause_of
from ..model.events import (
    ConnectionLost,
    ConnectionRestored,
    GapNoted,
    ItemsDropped,
    MediaRefused,
    SinkDetached,
    StreamStateChanged,
)
from ..model.media import MediaKind
from ..model.reasons import StopReason, StreamState, explain, in_words, loss_in_words
from ..recording import manifest
from ..recording.log import EVENTS
from ..recording.manifest import Manifest
from ..telemetry.story import Entry, told
from ..vault import files

_Told = (
    ConnectionLost
    | ConnectionRestored
    | GapNoted
    | ItemsDropped
    | MediaRefused
    | SinkDetached
    | StreamStateChanged
)


_KINDS = {
    "audio": MediaKind.AUDIO,
    "camera": MediaKind.VIDEO,
    "share": MediaKind.SHARE,
    "share_picture": MediaKind.SHARE,
    "transcript": MediaKind.TRANSCRIPT,
    "chat": MediaKind.CHAT,
}
"""Which files tell that a kind of media came."""


_decode_told = msgspec.json.Decoder(_Told).decode


def recorded_stories(roots: Iterable[Path], text: str) -> dict[str, StreamStory]:
    """The stories of recordings below these folders whose streams' ids begin so, the newest first; only that
    one if ``text`` is empty. Blocks.
    """
    found = []
    for root in roots:
        for folder in manifest.folders_below(root):
            left = manifest.load(folder)
            if left is not None and left.rtms_stream_id.startswith(text):
                found.append((left.started_ms, left.rtms_stream_id, folder, left))
    found.sort(key=lambda one: one[:2], reverse=True)
    return {
        stream_id: recorded_story(folder, left)
        for _, stream_id, folder, left in (found if text else found[:1])
    }


def recorded_story(folder: Path, left: Manifest) -> StreamStory:
    """What a manifest and ``events.jsonl`` beside it tell."""
    files = Counter(_KINDS[one.kind] for one in left.artefacts if one.kind in _KINDS)
    entries = tuple(_entries(folder, left))
    return StreamStory.told(left.rtms_stream_id, _stream(left), entries, files)


def _stream(left: Manifest) -> Stream:
    stop = explain("stop", left.stop_reason.code) if left.stop_reason else None
    losses = Counter(cause_of(loss.reason) for loss in left.reconnects)
    requested = tuple(left.media.requested)
    return Stream(
        id=left.rtms_stream_id,
        app=left.app,
        product=left.product,
        meeting=left.entity_id,
        meeting_id=left.meeting_id,
        started_ms=left.started_ms,
        state=left.state,
        zoom_state="",
        participants=0,
        received={},
        gaps=len(left.gaps),
        losses=len(left.reconnects),
        ended_ms=left.ended_ms,
        stop_reason=left.stop_reason.name if left.stop_reason else "",
        legs=(),
        people=(),
        active_speaker=None,
        requested=requested,
        granted=left.media.granted,
        refused=left.media.refused,
        losses_by_cause=dict(losses),
        missing=tuple(
            GapNoted(gap.end_ms, gap.kind, gap.start_ms, gap.end_ms, gap.cause) for gap in left.gaps
        ),
        sinks=(),
        unusable={},
        repeated=0,
        keep_alives=0,
        stop_cause=stop.cause if stop else "",
        stop_remedy=stop.remedy if stop else "",
        detail=(left.stop_reason.detail if left.stop_reason else "") or left.failure,
    )


def _entries(folder: Path, left: Manifest) -> Iterator[Entry]:
    yield Entry(left.started_ms, "info", "StreamStarted", "A webhook announced the stream; it was recorded.")
    for line in _lines(folder):
        with contextlib.suppress(msgspec.ValidationError, msgspec.DecodeError):
            event = _decode_told(line)
            level = "error" if isinstance(event, MediaRefused | SinkDetached | ItemsDropped) else "info"
            yield told(_fields(event), level, event.timestamp_ms)
    if left.ended_ms is not None and left.stop_reason is not None:
        reason = StopReason(left.stop_reason.code)
        fields = {
            "event": "StreamEnded",
            "stop_reason": f"{int(reason)} {reason.name}",
            "meaning": in_words("stop", reason),
            "detail": left.stop_reason.detail,
        }
        yield told(fields, "info", left.ended_ms)
    if left.failure:
        yield Entry(
            left.ended_ms or left.started_ms,
            "error",
            "RecordingFailed",
            f"The recording failed: {left.failure}.",
        )


def _lines(folder: Path) -> Sequence[bytes]:
    try:
        return files.read(folder / EVENTS).splitlines()
    except OSError:
        return ()


def _fields(event: _Told) -> dict[str, Any]:
    """An event as the log line that told of it."""
    fields: dict[str, Any] = {"event": type(event).__name__, **msgspec.structs.asdict(event)}
    match event:
        case ConnectionLost(reason=reason):
            fields["meaning"] = loss_in_words(reason)
        case MediaRefused(kind=kind):
            fields["leg"] = kind.value
        case GapNoted(kind=kind, start_ms=start_ms, end_ms=end_ms, cause=cause):
            fields |= {"leg": kind.value, "gap_ms": end_ms - start_ms, "reason": cause}
        case ItemsDropped(count=count):
            fields |= {"event": "SinkFellBehind", "dropped": count}
        case StreamStateChanged(state=state) if state in StreamState.__members__:
            fields["meaning"] = in_words("state", StreamState[state])
        case _:
            fields["meaning"] = ""
    return fields
