"""What is found out about a stream."""

from typing import Any

import msgspec
import pytest

from rtms_engine.api.why import Finding, StreamStory, findings
from rtms_engine.model.causes import Cause
from rtms_engine.model.events import GapNoted
from rtms_engine.model.media import ALL_KINDS, MediaKind
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.sinks.base import Ending, StreamInfo
from rtms_engine.stream.overview import LegState, Overview, ParticipantState
from rtms_engine.stream.sink_runner import SinkStatistics
from rtms_engine.stream.worker import StreamStatistics
from rtms_engine.telemetry.story import Entry

UP = Entry(1, "info", "ConnectionAccepted", "The signaling connection is up.", "signaling")


def found(*entries: Entry, kinds: frozenset[MediaKind] = ALL_KINDS, **facts: Any) -> dict[str, list[Finding]]:
    """What is found about a stream with these facts, by what it is about."""
    info = StreamInfo("stream", "app", MEETING, "meeting", 0, kinds=kinds)  # type: ignore[arg-type]
    story = StreamStory.of("stream", StreamStatistics(info, **facts), entries)
    by_about: dict[str, list[Finding]] = {}
    for finding in story.findings:
        by_about.setdefault(finding.about, []).append(finding)
    return by_about


def test_a_kind_that_was_refused_says_why_and_what_to_do() -> None:
    why = "status 10 … does not give this app video in this meeting. Add the scope meeting:read:meeting_video"
    (video,) = found(UP, overview=Overview(refused={MediaKind.VIDEO: why}))["video"]
    assert video == Finding("error", "video", f"There is no video: {why}")


def test_what_came_what_nobody_wanted_and_what_nobody_sent() -> None:
    facts = found(
        UP,
        kinds=frozenset({MediaKind.AUDIO, MediaKind.VIDEO, MediaKind.CHAT}),
        received={MediaKind.AUDIO: 7},
        overview=Overview(granted={MediaKind.AUDIO: {}, MediaKind.VIDEO: {}}),
        legs=(LegState("chat", "waiting", 3),),
    )
    assert facts["audio"] == [Finding("ok", "audio", "7 frames of audio came.")]
    assert facts["share"][0].text.startswith("No sink wants share")
    assert facts["video"][0].text == "Zoom grants video and has sent none: nobody's camera was on."
    assert facts["chat"][0].level == "warning"
    assert facts["chat"][0].text.endswith("its connection is waiting.")
    assert "connection" not in facts


def test_an_engine_that_is_not_connected_says_what_the_last_attempt_came_to() -> None:
    refused = Entry(
        2,
        "warning",
        "HandshakeRefused",
        "Zoom refused the signaling handshake with status 3 INVALID_SIGNATURE. The signature is wrong.",
        "signaling",
    )
    (connection,) = found(refused)["connection"]
    assert connection.level == "error"
    assert connection.text == f"The engine is not connected to Zoom. {refused.text}"
    (connection,) = found(ending=Ending(StopReason.UNDEFINED, 5))["connection"]
    assert connection.text == "The engine never got to Zoom's stream."


def test_losses_gaps_and_a_pause() -> None:
    overview = Overview(
        state="PAUSED",
        losses={Cause.CLOSED: 2, Cause.SILENCE: 1},
        gaps=(
            GapNoted(0, MediaKind.AUDIO, 0, 1_500, "closed by the server with 1006"),
            GapNoted(0, MediaKind.AUDIO, 5_000, 6_000, "closed by the server with 1006"),
        ),
    )
    lost = Entry(3, "warning", "ConnectionLost", "The audio connection was lost: 1006.", "audio")
    facts = found(UP, lost, overview=overview, received={MediaKind.AUDIO: 1})
    assert [one.text for one in facts["connection"]] == [
        "The stream is paused: no media until it is resumed. Resume it: rtms-engine stream resume.",
        "Connections were lost: closed 2x, silence 1x. Last: The audio connection was lost: 1006.",
    ]
    assert facts["audio"][1] == Finding("warning", "audio", "2.5 s of audio are missing (closed).")


def test_a_sink_that_fares_badly() -> None:
    sinks = (
        SinkStatistics("good", "open", {}, 0, 0),
        SinkStatistics("slow", "open", {}, 9, 0, failures=1),
        SinkStatistics("gone", "detached", {}, 0, 0),
    )
    facts = found(UP, sinks=sinks)
    assert "sink good" not in facts
    assert [one.level for one in facts["sink slow"]] == ["error", "warning"]
    assert facts["sink gone"][0].text.startswith("It is detached")


@pytest.mark.parametrize(
    ("ending", "level", "text"),
    [
        (Ending(StopReason.MEETING_ENDED, 0), "ok", "MEETING_ENDED. The meeting is over."),
        (Ending(StopReason.UNDEFINED, 0), "warning", "UNDEFINED. Zoom gave no reason."),
        (Ending(StopReason.UNDEFINED, 0, "no signaling for 60 s."), "warning", "UNDEFINED. no signaling"),
        (Ending(StopReason.AUTHENTICATION_FAILURE, 0), "warning", "AUTHENTICATION_FAILURE. The app in the"),
    ],
)
def test_how_it_ended(ending: Ending, level: str, text: str) -> None:
    (end,) = found(UP, ending=ending)["end"]
    assert end.text.startswith(text)
    assert end.level == (level if ending.stop_reason or ending.detail else end.level)


def test_a_stream_that_was_never_joined() -> None:
    refused = Entry(1, "error", "StreamRefused", "The stream is not joined: 2 streams run, the limit is 2.")
    assert StreamStory.of("stream", None, [refused]).findings == [
        Finding("error", "connection", refused.text)
    ]
    assert StreamStory.of("stream", None, [UP]).findings[0].level == "info"
    assert not list(findings(None, []))


def test_nobodys_name_is_kept() -> None:
    info = StreamInfo("stream", "app", MEETING, "meeting", 0)  # type: ignore[arg-type]
    people = Overview(participants=(ParticipantState(7, "Ada Park"),), active_speaker=7)
    story = StreamStory.of("stream", StreamStatistics(info, overview=people), [UP])
    assert b"Ada Park" in msgspec.json.encode(story)
    kept = msgspec.json.encode(story.kept())
    assert b"Ada Park" not in kept
    assert msgspec.json.decode(kept, type=StreamStory).findings == story.findings
