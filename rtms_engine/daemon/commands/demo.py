"""``rtms-engine demo``: a simulated meeting, received and recorded for real."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ...config import ApiConfig, AppConfig, Config, RtmsConfig, ServerConfig, StateConfig
from ...engine import Engine
from ...model.events import ConnectionLost, ConnectionRestored, GapNoted
from ...model.ids import StreamId
from ...model.media import ALL_KINDS, MediaKind
from ...simulator import App, FakeZoom, LiveMeeting, Plan, demo_script
from ...simulator.chaos import GARBAGE, Action, Drip, Failover, Garbage, How, Kill, Target
from ...sinks.registry import SinkConfig
from ...stream.worker import StreamStatistics
from .. import logging, process

_REFRESH_S = 0.2
_END_WITHIN_S = 30.0
"""How long the recording may take to finish after the meeting."""

CAPTURES = "captures"
"""Where the capture goes, below the recordings."""

_FILES: dict[str, str] = {
    "audio": "one speaker, silence where nobody spoke",
    "audio_mix": "everybody together",
    "camera": "the camera, as Zoom sent it",
    "share": "the shared screen",
    "share_picture": "the shared screen, a picture a second",
    "transcript": "what was said, as data",
    "transcript_words": "what was said, in Recall's shape",
    "subtitles": "what was said, for players",
    "speaker_timeline": "who spoke when",
    "chat": "the chat, as it came",
    "chat_messages": "the chat, as it stands",
    "events": "who came, spoke and shared, and when",
    "participants": "who was there",
}


class Outcome(msgspec.Struct, frozen=True):
    """What the demo came to."""

    folder: Path
    sent: dict[MediaKind, int]
    """Frames that the simulated Zoom put on the wire."""
    received: dict[MediaKind, int]
    written: dict[MediaKind, int]
    """Frames that the recording took."""
    manifest: dict[str, Any]
    problems: list[str]


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-recording"),
    show_default=True,
    help="Where the recording goes.",
)
@click.option("--capture", is_flag=True, help="Also keep what the wire said, in captures/ beside it.")
@click.option("--chaos", is_flag=True, help="Let a handful of things go wrong in the meeting.")
@click.option("--seed", type=int, default=1, show_default=True, help="With --chaos: which, and when.")
@click.option("--stay", is_flag=True, help="Keep the dashboard after the meeting, until Ctrl-C.")
def demo(out: Path, capture: bool, chaos: bool, seed: int, stay: bool) -> None:
    """Record a simulated meeting; no account, no configuration, no network needed.

    A simulated Zoom on this machine announces a meeting by a signed webhook. The engine joins it over
    TLS, as it would join a real one, and records two speakers, a camera, a shared screen, the
    transcript and the chat. Takes about half a minute. The dashboard, whose address is printed, shows it
    live.

    With --chaos, connections are cut, a server fails and nonsense is sent meanwhile. All the sound that
    Zoom sends must be in the recording nevertheless; pictures and text that Zoom withholds from a lost
    connection cannot be.

    With --capture, "rtms-engine inspect" shows what Zoom and the engine said to each other, and
    "rtms-engine replay" records the meeting again without them.
    """
    logging.configure("error" if chaos else "warning")  # with --chaos, the story is told here
    console = Console()

    async def tell(outcome: Outcome, dashboard: str) -> None:
        _show(outcome, console, "All the sound" if chaos else "Everything")
        if capture:
            console.print(f"The capture is in {out / CAPTURES}", soft_wrap=True, highlight=False)
        for problem in outcome.problems:
            console.print(Text(f"Lost: {problem}", style="red"))
        if stay:
            console.print(f"The dashboard stays at {dashboard} until Ctrl-C", highlight=False)
            await _until_told()

    plan = _mischief(seed) if chaos else Plan()
    outcome = process.run(_play(out, console, plan, capture=capture, then=tell))
    if outcome.problems:
        raise SystemExit(1)


async def _until_told() -> None:
    with process.Signals(hurry=lambda: None, reload=lambda: None) as signals:
        await signals.stop.wait()


def _mischief(seed: int) -> Plan:
    """A handful that the packaged meeting has room for, in an order and at times of the seed's."""
    random = Random(seed)  # noqa: S311 - it must repeat itself
    targets: tuple[Target, ...] = ("audio", "video", "all")
    hows: tuple[How, ...] = ("cut", "close")
    mischief: list[Action] = [
        Kill(at_ms=0, leg=random.choice(targets), how="reset"),
        Kill(at_ms=0, leg="signaling", how=random.choice(hows)),
        Failover(at_ms=0, how=random.choice((*hows, "silence"))),
        Garbage(at_ms=0, leg="audio", payload=random.choice(GARBAGE)),
        Drip(at_ms=0, leg="audio", for_ms=1_000),
    ]
    random.shuffle(mischief)
    times_ms = [random.randint(0, 600) + after_ms for after_ms in range(1_500, 18_000, 4_000)]
    actions = [msgspec.structs.replace(act, at_ms=at) for act, at in zip(mischief, times_ms, strict=True)]
    return Plan(actions=tuple(actions), redelivered_ms=1_000)


class _Story:
    """Tells what is done to the meeting, and how the engine takes it."""

    def __init__(self, console: Console, chaos: Plan) -> None:
        self._console = console
        self._to_come = list(chaos.actions)
        self._heard: dict[str, list[str]] = {}
        """What the engine says, and of what."""

    def hear(self, _: object, item: object) -> None:
        """The engine's callback."""
        match item:
            case ConnectionLost(leg=leg, reason=reason):
                self._heard.setdefault(f"lost ({reason})", []).append(leg)
            case ConnectionRestored(leg=leg):
                self._heard.setdefault("back", []).append(leg)
            case GapNoted(kind=kind, start_ms=start_ms, end_ms=end_ms):
                gap = f"{kind.value} {(end_ms - start_ms) / 1000:.1f} s"
                self._heard.setdefault("not sent by Zoom", []).append(gap)

    def advance(self, position_s: float) -> None:
        """Tell what has happened meanwhile."""
        while self._to_come and self._to_come[0].at_ms <= position_s * 1000:
            self._tell(position_s, f"Zoom {_deed(self._to_come.pop(0))}", "yellow")
        for what, of in self._heard.items():
            self._tell(position_s, f"    {what}: {', '.join(of)}", "green" if what == "back" else "")
        self._heard.clear()

    def _tell(self, at_s: float, what: str, style: str) -> None:
        self._console.print(Text(f"{at_s:4.1f} s  {what}", style=style), soft_wrap=True)


def _deed(action: Action) -> str:
    match action:
        case Kill(leg="all", how=how):
            return f"loses all connections ({how})"
        case Kill(leg=leg, how=how):
            return f"loses the {leg} connection ({how})"
        case Failover(how=how):
            return f"moves the stream to another server; its old connections: {how}"
        case Garbage(leg=leg, payload=payload):
            return f"sends garbage on {leg}: {payload[:40]!r}"
        case Drip(leg=leg, for_ms=for_ms):
            return f"lets {leg} through in small pieces for {for_ms / 1000:g} s"
        case _:
            return str(action)


async def _play(
    out: Path,
    console: Console,
    chaos: Plan,
    *,
    capture: bool,
    then: Callable[[Outcome, str], Awaitable[None]] | None = None,
) -> Outcome:
    """``then`` is called with what it came to, and with the dashboard's address, while that is still there."""
    app = App(secrets.token_hex(8), secrets.token_hex(16), secrets.token_hex(16))
    script = demo_script()
    story = _Story(console, chaos)
    callback = story.hear if chaos.actions else None
    async with (
        FakeZoom([app]) as zoom,
        Engine(_config(app, zoom.ca_file, out, capture=capture), callback=callback) as engine,
    ):
        console.print(f"A simulated Zoom serves at {zoom.base_url}", highlight=False)
        console.print(f"The engine takes webhooks at {engine.webhook_url}", highlight=False)
        dashboard = engine.dashboard_url or ""
        console.print(f"Watch it at {dashboard}", highlight=False, style="bold")
        meeting = await zoom.start(script, engine.webhook_url, chaos=chaos)
        with _progress(console, script.duration_ms / 1000) as advance:
            stream_id = StreamId(meeting.stream_id)
            while not meeting.timeline.position_ms > script.duration_ms:
                story.advance(meeting.timeline.position_ms / 1000)
                if stats := engine.live_streams().get(stream_id):
                    advance(meeting.timeline.position_ms / 1000, _counts(stats))
                await asyncio.sleep(_REFRESH_S)
        await meeting.ended()
        async with asyncio.timeout(_END_WITHIN_S):
            while not engine.recent_streams():  # noqa: ASYNC110 - a finished stream rings no bell
                await asyncio.sleep(_REFRESH_S)
        (stats,) = engine.recent_streams()
        kinds = frozenset({MediaKind.AUDIO}) if chaos.actions else ALL_KINDS
        outcome = _outcome(out, meeting, stats, kinds)
        if then is not None:
            await then(outcome, dashboard)
        return outcome


def _config(app: App, ca_file: Path, out: Path, *, capture: bool) -> Config:
    return Config(
        apps=[AppConfig.of(app.client_id, app.client_secret, app.secret_token, name="demo")],
        server=ServerConfig(host="127.0.0.1", port=0),
        rtms=RtmsConfig(
            allowed_hosts=("127.0.0.1",),
            ca_file=ca_file,
            capture=capture,
            capture_directory=str(out / CAPTURES),
        ),
        sinks=[SinkConfig("recording", options={"directory": str(out)})],
        api=ApiConfig(port=0),
        state=StateConfig(directory=""),
    )


class _progress:  # noqa: N801 - used like a function
    """Shows a bar on a terminal, and a line now and then elsewhere."""

    def __init__(self, console: Console, duration_s: float) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}"),
        )
        self._console = console
        self._duration_s = duration_s
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._spoken_s = 0.0

    def __enter__(self) -> Callable[[float, str], None]:
        self._progress.start()
        self._task = self._progress.add_task("Receiving", total=self._duration_s, counts="")
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _advance(self, position_s: float, counts: str) -> None:
        self._progress.update(self._task, completed=position_s, counts=counts)
        if not self._console.is_terminal and position_s - self._spoken_s >= 5:  # noqa: PLR2004 - seconds
            self._spoken_s = position_s
            self._console.print(f"{position_s:4.0f} s  {counts}")


def _counts(stats: StreamStatistics) -> str:
    return ", ".join(f"{count} {kind.value}" for kind, count in stats.received.items())


def _outcome(
    out: Path, meeting: LiveMeeting, stats: StreamStatistics, kinds: frozenset[MediaKind]
) -> Outcome:
    """Compare what was sent with what came; nothing of ``kinds`` may be missing."""
    (path,) = out.glob(f"*/*/{meeting.stream_id}/manifest.json")
    manifest = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    sent = {kind: meeting.ledger.frames[kind] for kind in MediaKind}
    sent[MediaKind.AUDIO] = len(meeting.ledger.distinct(MediaKind.AUDIO))
    written = {kind: stats.sinks[0].written.get(kind, 0) for kind in MediaKind}
    return Outcome(
        folder=path.parent,
        sent=sent,
        received=stats.received,
        written=written,
        manifest=manifest,
        problems=[
            *(
                f"{sent[k] - stats.received[k]} {k.value} frames on the way"
                for k in sorted(kinds)
                if sent[k] != stats.received[k]
            ),
            *(
                f"{sent[k] - written[k]} {k.value} frames before the files"
                for k in sorted(kinds)
                if sent[k] != written[k]
            ),
            *_problems_in(manifest, meeting, kinds),
        ],
    )


def _problems_in(manifest: dict[str, Any], meeting: LiveMeeting, kinds: frozenset[MediaKind]) -> list[str]:
    """Whether the files hold what was sent."""
    problems = []
    if manifest["state"] != "done":
        problems.append(f"the recording is {manifest['state']}: {manifest.get('failure', '')}")
    artefacts = manifest.get("artefacts", [])
    samples = sum(a["samples"] for a in artefacts if a["kind"] == "audio")
    sizes = {(one.user_id, one.timestamp_ms): one.size for one in meeting.ledger.of(MediaKind.AUDIO)}
    missing = sum(sizes.values()) // 2 - samples
    if missing:
        problems.append(f"{missing} samples of sound in the files")
    if MediaKind.VIDEO not in kinds:
        return problems
    pictures = sum(a.get("access_units", 0) for a in artefacts if a["kind"] == "camera")
    if pictures != meeting.ledger.frames[MediaKind.VIDEO]:
        problems.append(f"{meeting.ledger.frames[MediaKind.VIDEO] - pictures} pictures in the files")
    return problems


def _show(outcome: Outcome, console: Console, checked: str) -> None:
    counts = Table("Media", "Sent by Zoom", "Received", "Recorded", title="Frames", title_justify="left")
    for kind in MediaKind:
        row = (outcome.sent[kind], outcome.received[kind], outcome.written[kind])
        counts.add_row(kind.value, *map(str, row))
    console.print(counts)
    console.print(f"The recording is in {outcome.folder}", soft_wrap=True, highlight=False)
    files = Table("File", "Size", "What it is")
    for _, group in itertools.groupby(outcome.manifest.get("artefacts", []), _series):
        files.add_row(*_file_row(list(group)))
    console.print(files)
    if not outcome.problems:
        console.print(f"{checked} that Zoom sent is in the recording.")


def _series(artefact: dict[str, Any]) -> str:
    """What stands in one row: each file by itself, but all pictures of a share together."""
    return str(artefact["kind"] if artefact["kind"].endswith("_picture") else artefact["path"])


def _file_row(artefacts: list[dict[str, Any]]) -> tuple[str, str, str]:
    first = artefacts[0]
    others = f" and {len(artefacts) - 1} more" if len(artefacts) > 1 else ""
    what = _FILES.get(first["kind"], first["kind"])
    who = first.get("name", "")
    size = sum(artefact["bytes"] for artefact in artefacts)
    return first["path"] + others, f"{size / 1000:,.1f} kB", f"{who}: {what}" if who and not others else what
