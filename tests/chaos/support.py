"""Meetings in which things go wrong by a seed: played, and judged.

Everything random comes of the seed: the plan, the engine's jitter, how many speak. Each meeting has
a loop, a simulated Zoom and an engine of its own, so that a seed alone repeats it exactly.
"""

import asyncio
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from rtms_engine import AudioParams, Engine, MediaKind, MediaParams
from rtms_engine.model.events import GapNoted
from rtms_engine.model.frames import AudioFrame
from rtms_engine.simulator import FakeZoom, LiveMeeting, Media, Plan, chaos_plan, synthetic_script
from rtms_engine.simulator.chaos import Mute
from rtms_engine.simulator.ledger import Why
from rtms_engine.sinks.base import StreamInfo
from rtms_engine.stream.worker import StreamStatistics
from tests.e2e.support import APP, EPOCH_S, config, recording
from tests.support.clock import VirtualClockLoop

KINDS = frozenset({MediaKind.AUDIO, MediaKind.TRANSCRIPT})
SEND_RATE_MS = 200
MEDIA = MediaParams(audio=AudioParams(send_rate_ms=SEND_RATE_MS))
DURATIONS_MS = (20_000, 30_000, 30_000, 45_000, 60_000, 130_000)

KEEP_ALIVE_MS = 10_000
CLOCK_MS = {MediaKind.AUDIO: SEND_RATE_MS + 20, MediaKind.TRANSCRIPT: 20}
"""How exact a gap can be: sound comes in packets; what else happens, happens at a time of Zoom's clock."""
SHORTEST_GAP_MS = 200
"""Shorter ones are not noted."""
FINAL_WITHIN_S = 120.0
"""After Zoom's last word: both windows, and what our own waits add."""


class Span(NamedTuple):
    """Of Zoom's time, Unix milliseconds."""

    kind: MediaKind
    start_ms: int
    end_ms: int


class Played(msgspec.Struct, frozen=True):
    """A meeting that is over."""

    seed: int
    plan: Plan
    meeting: LiveMeeting
    streams: tuple[StreamStatistics, ...]
    """What the engine says of it: once for each time that it joined."""
    heard: list[tuple[int, int]]
    """User and timestamp of the sounds at the sink."""
    gaps: list[Span]
    ended_at_ms: float
    """In the meeting's own time."""
    leftovers: list[str]


@cache
def script(duration_ms: int, speakers: int) -> Media:
    """Somebody always speaks. All meetings of one kind say the same, so it is made once."""
    return Media(synthetic_script(speakers, duration_ms, 2_000))


def play(seed: int, plan: Plan | None = None, folder: Path | None = None) -> Played:
    """Play the meeting of a seed to its end, on a loop of its own.

    With a ``folder`` it is also recorded there, and the gaps are those of the manifest.
    """
    random = Random(seed)
    duration_ms, speakers = random.choice(DURATIONS_MS), random.randint(1, 3)
    plan = plan or chaos_plan(seed, duration_ms, KINDS)
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(_play(seed, plan, script(duration_ms, speakers), random, folder))


async def _play(seed: int, plan: Plan, script: Media, random: Random, folder: Path | None) -> Played:
    loop = asyncio.get_running_loop()
    heard: list[tuple[int, int]] = []
    gaps: list[Span] = []

    def note(_: StreamInfo, item: Any) -> None:
        if isinstance(item, AudioFrame):
            heard.append((0 if item.mixed else item.speaker.user_id, item.timestamp_ms))
        elif isinstance(item, GapNoted):
            gaps.append(Span(item.kind, item.start_ms, item.end_ms))

    async with (
        FakeZoom([APP], tls=False, epoch_s=EPOCH_S) as zoom,
        Engine(
            config(
                zoom,
                *([recording(folder)] if folder else []),
                media=MEDIA,
                mode="unified" if random.random() < 0.2 else "split",
            ),
            callback=note,
            unix_s=lambda: EPOCH_S + loop.time(),
            random=random.random,
        ) as engine,
    ):
        meeting = await zoom.start(
            script,
            engine.webhook_url,
            meeting_uuid=f"meeting {seed}",
            stream_id=f"stream-{seed}",
            granted=KINDS,
            chaos=plan,
        )
        await meeting.ended()
        ended_at_ms = meeting.timeline.position_ms
        await meeting.webhooks.all_delivered()
        leftovers = await _left_by_streams(engine)
        streams = engine.recent_streams()
    if folder:
        gaps = list(_gaps_recorded(folder, gaps))
    return Played(
        seed,
        plan,
        meeting,
        streams,
        heard,
        gaps,
        ended_at_ms,
        leftovers + _left_by_the_loop(loop),
    )


def _gaps_recorded(folder: Path, noted: list[Span]) -> Iterator[Span]:
    """What the manifest says; of a recording that was to be deleted, what was noted before."""
    for path in folder.glob("*/*/*/manifest.json"):
        manifest = msgspec.json.decode(path.read_bytes())
        if manifest["state"] == "deleted":
            yield from noted
        else:
            assert manifest["state"] == "done", manifest["failure"]
            for gap in manifest.get("gaps", ()):
                yield Span(MediaKind(gap["kind"]), gap["start_ms"], gap["end_ms"])


async def _left_by_streams(engine: Engine) -> list[str]:
    try:
        async with asyncio.timeout(FINAL_WITHIN_S):
            while engine.live_streams():
                await asyncio.sleep(0.5)
    except TimeoutError:
        return [f"a stream is not over: {engine.live_streams()}"]
    return []


def _left_by_the_loop(loop: Any) -> list[str]:
    tasks = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    timers = [repr(timer) for timer in loop._scheduled if not timer.cancelled()]
    sockets = [repr(key.fileobj) for key in loop._virtual.get_map().values()][1:]
    return tasks + timers + sockets


# --- the judgement ---


def problems(played: Played) -> list[str]:
    """What is wrong with a meeting that was played, in sentences."""
    return [*played.leftovers, *_ending_problems(played), *_sound_problems(played), *_gap_problems(played)]


def _ending_problems(played: Played) -> Iterator[str]:
    if any(stats.ending is None or stats.phase != "finished" for stats in played.streams):
        yield f"no final state: {played.streams}"
    if played.meeting.ledger.sent and not played.streams:
        yield "the engine knows nothing of the stream"
    if played.meeting.ledger.client_errors:
        yield f"against the protocol: {played.meeting.ledger.client_errors}"


def _sound_problems(played: Played) -> Iterator[str]:
    sent, heard = played.meeting.ledger.distinct(MediaKind.AUDIO), played.heard
    if lost := sorted(set(sent) - set(heard)):
        yield f"{len(lost)} sounds lost: {lost[:3]} … {lost[-1]}"
    if invented := set(heard) - set(sent):
        yield f"{len(invented)} sounds that Zoom did not send: {sorted(invented)[:3]}"
    if repeated := len(heard) - len(set(heard)):
        yield f"{repeated} sounds came twice"
    for user in {user for user, _ in sent}:
        if [one for one in sent if one[0] == user] != list(
            dict.fromkeys(one for one in heard if one[0] == user)
        ):
            yield f"the sounds of {user} are out of order"


def _gap_problems(played: Played) -> Iterator[str]:
    """What was withheld, and was known to be, is noted; and nothing is noted that was not withheld.

    Where a connection fell silent without being closed, a gap of what was not flowing begins at the last
    that was heard: as much too early as nothing came before (an interval of keep-alives, or as long as
    they were muted).
    """
    muted_ms = max((action.for_ms for action in played.plan.actions if isinstance(action, Mute)), default=0)
    epoch_ms = played.meeting.timeline.epoch_ms
    end_ms = epoch_ms + int(played.ended_at_ms)
    over_ms = max((_over_ms(stats, played.plan) for stats in played.streams), default=0)
    for kind, exact_ms in CLOCK_MS.items():
        withheld = [one for one in played.meeting.ledger.withheld if one.kind is kind]
        must = [one for one in withheld if one.why in _KNOWN]
        noted = [(gap.start_ms, min(gap.end_ms, end_ms)) for gap in played.gaps if gap.kind is kind]
        missing = [
            span
            for begun_ms, until_ms in _union((one.start_ms, one.end_ms) for one in must)
            for span in _without((begun_ms, min(until_ms, over_ms)), noted)
            if span[1] - span[0] > SHORTEST_GAP_MS + exact_ms
        ]
        absences = [
            (one.start_ms - (KEEP_ALIVE_MS + muted_ms if one.why is Why.UNTOLD else 0), one.end_ms)
            for one in withheld
        ]
        allowed = _union([*absences, (end_ms, end_ms)])
        wrong = [span for gap in noted for span in _without(gap, allowed) if span[1] - span[0] > exact_ms]
        for what, spans in (("not noted", missing), ("noted, but not withheld", wrong)):
            for begun_ms, until_ms in spans:
                yield f"{kind.value} from {begun_ms - epoch_ms} to {until_ms - epoch_ms} ms: {what}"


_KNOWN = (Why.INTERRUPTED, Why.BEYOND_BUFFER)


def _over_ms(stats: StreamStatistics, plan: Plan) -> int:
    """When the engine ended a stream, by Zoom's clock."""
    return stats.ending.timestamp_ms + plan.skew_ms if stats.ending else 0


def _union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same spans without their overlaps."""
    merged: list[tuple[int, int]] = []
    for start_ms, end_ms in sorted(spans):
        if merged and start_ms <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_ms))
        else:
            merged.append((start_ms, end_ms))
    return merged


def _without(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What remains of a span."""
    at_ms, until_ms = span
    for start_ms, end_ms in _union(others):
        if start_ms >= until_ms:
            break
        if start_ms > at_ms:
            yield at_ms, start_ms
        at_ms = max(at_ms, end_ms)
    if at_ms < until_ms:
        yield at_ms, until_ms


def replay_line(played: Played) -> str:
    """How to see it again, and what was done to it."""
    plan = msgspec.json.encode(played.plan).decode()
    return f"RTMS_CHAOS_SEED={played.seed} pytest tests/chaos  # {plan}"
