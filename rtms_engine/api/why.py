"""Why a stream is as it is: what was found about it, with remedies, and its story. Pure.

A finding is read off what the stream shows of itself and what its story tells, and speaks in the words of
`rtms_engine.model.reasons`; so the API, the dashboard and ``rtms-engine why`` say the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from ..model.causes import cause_of
from ..model.media import MediaKind
from ..model.reasons import StreamState, in_words
from ..stream.worker import StreamStatistics
from ..telemetry.story import Entry
from .streams import Stream, whole


class Finding(msgspec.Struct, frozen=True):
    """One thing that is worth to know of a stream."""

    level: Literal["ok", "info", "warning", "error"]
    """``ok``: as it should be. ``error``: something does not come, or is lost, and somebody must act."""
    about: str
    """``audio``, ``video`` … ``connection``, ``sink NAME``, ``end``."""
    text: str


class StreamStory(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, what was found about it, and what happened, in words."""

    id: str
    stream: Stream | None
    """None if the engine never joined it, or does not know it any more."""
    findings: list[Finding]
    entries: Sequence[Entry]

    @classmethod
    def of(
        cls, stream_id: str, statistics: StreamStatistics | None, entries: Sequence[Entry]
    ) -> "StreamStory":
        """The story of a stream as it stands."""
        return cls.told(stream_id, whole(statistics) if statistics else None, entries)

    @classmethod
    def told(
        cls,
        stream_id: str,
        stream: Stream | None,
        entries: Sequence[Entry],
        files: Mapping[MediaKind, int] | None = None,
    ) -> "StreamStory":
        """The same from what was kept; see `findings`."""
        return cls(
            id=stream_id, stream=stream, findings=list(findings(stream, entries, files)), entries=entries
        )

    def kept(self) -> "StreamStory":
        """Without the people: what may outlive the stream."""
        if self.stream is None:
            return self
        stream = msgspec.structs.replace(self.stream, people=(), active_speaker=None)
        return msgspec.structs.replace(self, stream=stream)


_SILENT = {
    MediaKind.AUDIO: "nobody's sound came",
    MediaKind.VIDEO: "nobody's camera was on",
    MediaKind.SHARE: "nobody shared a screen",
    MediaKind.TRANSCRIPT: "nobody spoke, or Zoom does not transcribe the language",
    MediaKind.CHAT: "nobody wrote",
}
"""What it usually means that a kind is granted and does not come."""
_DONE = frozenset({"closed", "open", "new"})


def findings(
    stream: Stream | None, entries: Sequence[Entry], files: Mapping[MediaKind, int] | None = None
) -> Iterator[Finding]:
    """What is worth to know, the connection first.

    Args:
        stream: as it stands; None if only its story is known.
        entries: its story.
        files: how many were recorded of each kind, where nothing else tells what came.
    """
    if stream is None:
        yield from _unjoined(entries)
        return
    yield from _connection(stream, entries, is_recorded=files is not None)
    for kind in MediaKind:
        yield _media(kind, stream, (files or {}).get(kind, 0))
    yield from _gaps(stream)
    yield from _sinks(stream)
    if stream.stop_reason:
        yield _end(stream)


def _unjoined(entries: Sequence[Entry]) -> Iterator[Finding]:
    refused = _last(entries, "StreamRefused")
    if refused is not None:
        yield Finding("error", "connection", refused.text)
    elif entries:
        yield Finding("info", "connection", "Only the story below is known of this stream.")


def _connection(stream: Stream, entries: Sequence[Entry], *, is_recorded: bool) -> Iterator[Finding]:
    joined = any(one.event == "ConnectionAccepted" and one.leg == "signaling" for one in entries)
    came = any(stream.received.values()) or stream.granted
    if not joined and not came and not is_recorded:
        why = _last(entries, "HandshakeRefused", "ConnectionFailed", "StreamGivenUp", leg="signaling")
        running = not stream.stop_reason
        text = "The engine is not connected to Zoom." if running else "The engine never got to Zoom's stream."
        yield Finding("error", "connection", f"{text} {why.text}" if why else text)
    if stream.zoom_state in (StreamState.PAUSED.name, StreamState.INTERRUPTED.name):
        number = StreamState[stream.zoom_state]
        yield Finding("warning", "connection", in_words("state", number))
    if stream.losses:
        causes = ", ".join(
            f"{cause.value} {count}x" for cause, count in sorted(stream.losses_by_cause.items())
        )
        lost = _last(entries, "ConnectionLost")
        text = f"Connections were lost: {causes}."
        yield Finding("warning", "connection", f"{text} Last: {lost.text}" if lost else text)


def _media(kind: MediaKind, stream: Stream, files: int) -> Finding:
    name = kind.value
    if kind in stream.refused:
        return Finding("error", name, f"There is no {name}: {stream.refused[kind]}")
    if count := stream.received.get(kind, 0):
        return Finding("ok", name, f"{count} frames of {name} came.")
    if files:
        return Finding("ok", name, f"{name.capitalize()} was recorded; files: {files}.")
    if kind not in stream.requested:
        return Finding(
            "info", name, f"No sink wants {name}, so Zoom was not asked for it. See kinds in [[sinks]]."
        )
    if kind in stream.granted:
        return Finding("info", name, f"Zoom grants {name} and has sent none: {_SILENT[kind]}.")
    leg = next((leg for leg in stream.legs if leg.name in (name, "all")), None)
    state = f"; its connection is {leg.state}" if leg else ""
    return Finding("warning", name, f"Zoom was asked for {name} and has not granted it yet{state}.")


def _gaps(stream: Stream) -> Iterator[Finding]:
    missing: Counter[tuple[MediaKind, str]] = Counter()
    for gap in stream.missing:
        missing[gap.kind, cause_of(gap.cause)] += gap.end_ms - gap.start_ms
    for (kind, cause), gap_ms in sorted(missing.items()):
        yield Finding("warning", kind.value, f"{gap_ms / 1000:.1f} s of {kind.value} are missing ({cause}).")


def _sinks(stream: Stream) -> Iterator[Finding]:
    for sink in stream.sinks:
        about = f"sink {sink.name}"
        if sink.state not in _DONE:
            yield Finding("error", about, f"It is {sink.state} and gets nothing more; the story says why.")
        if sink.dropped:
            yield Finding("error", about, f"It was too slow: {sink.dropped} items were dropped.")
        if sink.failures:
            yield Finding("warning", about, f"{sink.failures} of its calls failed.")


def _end(stream: Stream) -> Finding:
    parts = [
        stream.stop_reason,
        stream.stop_cause if stream.stop_reason != "UNDEFINED" else "",
        stream.detail,
    ]
    if not stream.detail and stream.stop_reason == "UNDEFINED":
        parts.append(stream.stop_cause)
    text = ". ".join(part.rstrip(".") for part in parts if part) + "."
    remedy = "" if stream.stop_remedy.startswith("Nothing to do") else f" {stream.stop_remedy}"
    level: Literal["ok", "warning"] = "ok" if not remedy and not stream.detail else "warning"
    return Finding(level, "end", text + remedy)


def _last(entries: Iterable[Entry], *events: str, leg: str = "") -> Entry | None:
    found = [one for one in entries if one.event in events and (not leg or one.leg in ("", leg))]
    return found[-1] if found else None
