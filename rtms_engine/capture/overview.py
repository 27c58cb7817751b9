"""What is in a capture, from its blocks' summaries: the messages themselves are not read."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ..model.reasons import MessageType, StopReason
from . import format as rtmscap
from .format import Kind, Record
from .reader import Block, CaptureReader
from .redact import msg_type_of

_LOST = (Kind.LOST, Kind.BROKEN)


class Messages(msgspec.Struct, frozen=True):
    """Messages of one type on one leg, in one direction. Times are seconds since the capture began."""

    leg: str
    direction: str
    """``in``: from Zoom; ``out``: from us."""
    msg_type: int
    """-1: it could not be read."""
    name: str
    messages: int
    bytes: int
    first_s: float
    last_s: float


class Leg(msgspec.Struct, frozen=True):
    """One leg, over all of its connections."""

    leg: str
    connections: int
    failed: int
    """Attempts that came to nothing."""
    connected_s: float
    messages_in: int
    messages_out: int
    bytes_in: int
    longest_silence_s: float
    """Between two messages from Zoom, of any kind; to about a second."""


class Gap(msgspec.Struct, frozen=True):
    """A leg was without a connection that it had had. Times are seconds since the capture began."""

    leg: str
    start_s: float
    end_s: float | None
    """None: it had none again."""
    cause: str


class Happening(msgspec.Struct, frozen=True):
    """A webhook, a request, or something that was not captured."""

    at_s: float
    what: str


class Overview(msgspec.Struct, frozen=True):
    """One capture."""

    path: str
    bytes: int
    format_version: int
    engine: str
    """The version that captured."""
    scrubbed: bool
    stream_id: str
    app: str
    product: str
    entity_id: str
    kinds: list[str]
    began_ms: int
    """Unix milliseconds."""
    duration_s: float
    records: int
    legs: list[Leg]
    messages: list[Messages]
    gaps: list[Gap]
    happenings: list[Happening]
    ending: str
    """Why the stream ended; empty: the capture does not go on to there."""
    damages: list[str]


def overview(capture: CaptureReader) -> Overview:
    """Walk a capture. Blocks; raises OSError."""
    counts: list[rtmscap.Count] = []
    marks: list[Record] = []
    records, first_ns, last_ns = 0, 0, 0
    for block in capture.blocks():
        found, number = _of_block(capture, block)
        counts += found.counts
        marks += found.records()
        first_ns = first_ns or block.header.first_ns
        last_ns = max(last_ns, block.header.last_ns)
        records += number
    head = capture.head
    began_ns = next((mark.time_ns for mark in marks if mark.kind is Kind.STREAM), first_ns)
    ends = [mark for mark in marks if mark.kind is Kind.END]
    return Overview(
        path=str(capture.path),
        bytes=capture.size,
        format_version=rtmscap.VERSION,
        engine=head.engine,
        scrubbed=head.scrubbed,
        stream_id=head.stream.stream_id,
        app=head.stream.app,
        product=head.stream.product.name,
        entity_id=head.stream.entity_id,
        kinds=sorted(head.stream.kinds),
        began_ms=head.unix_ms,
        duration_s=_s(last_ns, began_ns),
        records=records,
        legs=_legs(counts, marks, last_ns),
        messages=_messages(counts, began_ns),
        gaps=_gaps(marks, began_ns),
        happenings=_happenings(marks, began_ns),
        ending=_ending(ends[-1].data) if ends else "",
        damages=[str(damage) for damage in capture.damages],
    )


def _of_block(capture: CaptureReader, block: Block) -> tuple[rtmscap.Summary, int]:
    """The summary; of a block that is cut, what its whole records say."""
    if block.is_whole:
        return block.summary, block.header.records
    left = list(capture.records_of(block))
    return rtmscap.summarise(left, msg_type_of), len(left)


def _s(time_ns: int, began_ns: int) -> float:
    return round((time_ns - began_ns) / 1e9, 3)


def _messages(counts: Iterable[rtmscap.Count], began_ns: int) -> list[Messages]:
    rows: dict[tuple[int, int, int], Messages] = {}
    for count in counts:
        key = (rtmscap.LEGS.index(count.leg), count.kind, count.msg_type)
        known = rows.get(key)
        rows[key] = Messages(
            leg=count.leg,
            direction="in" if count.kind == Kind.RECEIVED else "out",
            msg_type=count.msg_type,
            name=MessageType(count.msg_type).name if count.msg_type >= 0 else "unreadable",
            messages=count.messages + (known.messages if known else 0),
            bytes=count.bytes + (known.bytes if known else 0),
            first_s=known.first_s if known else _s(count.first_ns, began_ns),
            last_s=_s(count.last_ns, began_ns),
        )
    return [row for _, row in sorted(rows.items())]


def _legs(counts: list[rtmscap.Count], marks: list[Record], last_ns: int) -> list[Leg]:
    legs = []
    for leg in rtmscap.LEGS[1:]:
        mine = [mark for mark in marks if mark.leg == leg]
        if not mine and not any(count.leg == leg for count in counts):
            continue
        made = {mark.connection: mark.time_ns for mark in mine if mark.kind is Kind.CONNECTED}
        gone = {mark.connection: mark.time_ns for mark in mine if mark.kind in _LOST}
        heard = [count for count in counts if count.leg == leg and count.kind == Kind.RECEIVED]
        said = [count for count in counts if count.leg == leg and count.kind == Kind.SENT]
        legs.append(
            Leg(
                leg=leg,
                connections=len(made),
                failed=sum(mark.kind is Kind.FAILED for mark in mine),
                connected_s=round(sum(gone.get(one, last_ns) - at for one, at in made.items()) / 1e9, 3),
                messages_in=sum(count.messages for count in heard),
                messages_out=sum(count.messages for count in said),
                bytes_in=sum(count.bytes for count in heard),
                longest_silence_s=_longest_silence_s(heard),
            )
        )
    return legs


def _longest_silence_s(heard: Iterable[rtmscap.Count]) -> float:
    longest_ns, newest_ns = 0, None
    for count in sorted(heard, key=lambda count: count.first_ns):
        if newest_ns is not None:
            longest_ns = max(longest_ns, count.first_ns - newest_ns)
        newest_ns = max(newest_ns or 0, count.last_ns)
    return round(longest_ns / 1e9, 3)


def _gaps(marks: list[Record], began_ns: int) -> list[Gap]:
    """From the loss of a leg's last connection to its next one; that we closed it is no gap."""
    gaps: list[Gap] = []
    lost: dict[str, Record] = {}
    open_connections: dict[str, set[int]] = {}
    closing: set[int] = set()
    for mark in marks:
        mine = open_connections.setdefault(mark.leg, set())
        if mark.kind is Kind.CONNECTED:
            mine.add(mark.connection)
            if before := lost.pop(mark.leg, None):
                gaps.append(_gap(before, began_ns, _s(mark.time_ns, began_ns)))
        elif mark.kind is Kind.CLOSING:
            closing.add(mark.connection)
        elif mark.kind in _LOST:
            mine.discard(mark.connection)
            if not mine and mark.connection not in closing:
                lost[mark.leg] = mark
    gaps += [_gap(before, began_ns, None) for before in lost.values()]
    return sorted(gaps, key=lambda gap: gap.start_s)


def _gap(lost: Record, began_ns: int, end_s: float | None) -> Gap:
    return Gap(lost.leg, _s(lost.time_ns, began_ns), end_s, lost.data.decode("utf-8", "replace"))


def _happenings(marks: list[Record], began_ns: int) -> list[Happening]:
    return [
        Happening(_s(mark.time_ns, began_ns), _said(mark))
        for mark in marks
        if mark.kind in (Kind.SIGNAL, Kind.REQUEST, Kind.OMITTED)
    ]


def _said(mark: Record) -> str:
    text = mark.data.decode("utf-8", "replace")
    if mark.kind is not Kind.SIGNAL:
        return f"asked to {text}" if mark.kind is Kind.REQUEST else text
    try:
        name, fields = msgspec.json.decode(mark.data, type=tuple[str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "a webhook that cannot be read"
    if name == "stopped":
        return f"webhook stopped: {_reason(fields.get('stop_reason', 0))}"
    return f"webhook {name}"


def _ending(data: bytes) -> str:
    try:
        ending = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "unreadable"
    reason = "released" if ending.get("is_released") else _reason(ending.get("stop_reason", 0))
    return f"{reason}: {ending['detail']}" if ending.get("detail") else reason


def _reason(number: Any) -> str:
    return StopReason(number).name if isinstance(number, int) else "unknown"
