"""When a stream connects, reconnects and ends, as scripts (V1.md §7, §8, §9.4, Appendix A)."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtms_engine.model.media import MediaKind
from rtms_engine.model.reasons import SessionState, StatusCode, StopReason, StreamState
from rtms_engine.protocol import events as e
from rtms_engine.protocol.lifecycle import Phase
from tests.support.playbook import URLS, Playbook, leg_id, streaming
from tests.wire.strategies import unhurried

NEW_URLS = {kind: f"wss://new/{kind}" for kind in URLS}


# --- the beginning ---


def test_the_happy_path():
    """Signaling first; its answer names the media servers; an ACK for every accepted one (V1.md §4.4)."""
    stream = Playbook("audio", "transcript")
    assert stream.starts() == ["connect signaling wss://s/1"]
    assert stream.accepts("signaling") == [
        "connect audio wss://m/audio",
        "connect transcript wss://m/transcript",
    ]
    assert stream.accepts("audio") == ["acknowledge"]
    assert stream.accepts("transcript") == ["acknowledge"]
    assert stream.machine.deadline() is None
    assert stream.stops(6) == [
        "disconnect signaling",
        "disconnect audio",
        "disconnect transcript",
        "finish 6",
    ]
    assert stream.phase is Phase.FINISHED


def test_unified_media_comes_over_one_connection():
    stream = Playbook("audio", "transcript", unified=True)
    stream.starts()
    assert stream.accepts("signaling") == ["connect all wss://m/all"]
    assert stream.accepts("all") == ["acknowledge"]


def test_unified_with_one_kind_is_that_kind():
    """32 asks for everything that the scopes allow; who wants audio alone asks for audio."""
    stream = Playbook("audio", unified=True)
    stream.starts()
    assert stream.accepts("signaling") == ["connect audio wss://m/audio"]


def test_events_alone():
    """No sink wants media: signaling is all there is."""
    stream = Playbook()
    stream.starts()
    assert stream.accepts("signaling") == []


def test_other_addresses_of_signaling_are_tried_in_turn():
    """Zoom may name several (V1.md §3.2); one that was good is kept, one off the list is passed over."""
    stream = Playbook("audio")
    assert stream.starts("wss://s/1", "wss://s/2", "wss://s/3") == ["connect signaling wss://s/1"]
    stream.loses("signaling")
    assert stream.waits() == ["connect signaling wss://s/2"]
    assert stream.forbids("signaling") == ["connect signaling wss://s/3"]
    stream.accepts("signaling")
    stream.loses("signaling")
    assert stream.waits() == ["connect signaling wss://s/3"]
    stream.loses("signaling")
    assert stream.waits() == ["connect signaling wss://s/1"]
    stream.accepts("signaling")
    stream.passes(11)
    stream.interrupts("wss://s/4")
    assert stream.waits() == ["connect signaling wss://s/4"]
    assert stream.forbids("signaling") == ["disconnect signaling", "finish 0: off the list"]


def test_no_media_server_at_all():
    """Nothing to connect to is said once, for every kind."""
    stream = Playbook("audio", "chat")
    stream.starts()
    assert stream.accepts("signaling", None) == [
        "refused audio: Zoom named no media server for it",
        "refused chat: Zoom named no media server for it",
    ]


@pytest.mark.parametrize("name", ["signaling", "audio"])
def test_a_url_off_the_list(name):
    """Without signaling there is no stream; without audio there is the rest."""
    stream = Playbook("audio", "chat")
    stream.starts()
    if name == "signaling":
        assert stream.forbids(name) == ["disconnect signaling", "finish 0: off the list"]
    else:
        stream.accepts("signaling")
        assert stream.forbids(name) == ["refused audio: off the list"]
        assert stream.accepts("chat") == ["acknowledge"]
        assert stream.machine.deadline() is None


def test_a_first_connection_that_fails_is_tried_again_within_the_window():
    stream = Playbook("audio")
    stream.starts()
    times = []
    while stream.loses("signaling") == ["disconnect signaling"] and stream.phase is Phase.LIVE:
        assert stream.waits() == ["connect signaling wss://s/1"]
        times.append(stream.now)
    assert times == [3, 9, 21, 45]


def test_a_start_that_was_heard_late_is_tried_once():
    """Zoom has probably given up; the ending says so."""
    stream = Playbook("audio", is_late=True)
    stream.starts()
    assert stream.loses("signaling") == [
        "disconnect signaling",
        "finish 0: expired: it was announced late, and gone",
    ]


def test_a_late_start_that_succeeds_is_a_stream_like_any_other():
    """With the usual window from then on."""
    stream = Playbook("audio", is_late=True)
    stream.starts()
    stream.accepts("signaling")
    stream.accepts("audio")
    assert attempts(stream, "signaling")[0] == [3, 9, 21, 45]


# --- backoff ---


def attempts(stream, name):
    """When it is tried again if every attempt fails at once, counted from the loss."""
    began, times = stream.now, []
    stream.loses(name)
    while stream.phase is Phase.LIVE and stream.machine.deadline() is not None:
        stream.waits()
        times.append(stream.now - began)
        told = stream.loses(name)
    return times, told


def test_signaling_is_tried_for_60_s():
    """3, 9, 21, 45 s; the fifth would be at 75 s (V1.md §7.2)."""
    stream = streaming("audio")
    times, told = attempts(stream, "signaling")
    assert times == [3, 9, 21, 45]
    assert told == ["disconnect signaling"]
    assert stream.waits() == ["finish 19"]
    assert stream.now == 63  # Zoom waits for 60 s, and until then may still move the stream


def test_new_servers_after_the_window_of_signaling():
    """Their webhook was late, and comes just before the stream is finished."""
    stream = streaming("audio")
    attempts(stream, "signaling")
    assert stream.phase is Phase.ENDING
    assert stream.starts("wss://s/2") == ["connect signaling wss://s/2"]
    assert stream.accepts("signaling") == ["restored signaling", "connect audio wss://m/audio"]
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]
    assert stream.stops(6)[-1] == "finish 6"


def test_media_is_tried_for_65_s():
    """The same times, and then the stream goes on without it."""
    times, told = attempts(stream := streaming("audio", "chat"), "audio")
    assert times == [3, 9, 21, 45]
    assert told == ["disconnect audio", "refused audio: gone; it did not come back in time"]
    assert stream.phase is Phase.LIVE
    assert stream.machine.deadline() is None


def test_unified_media_is_not_tried_outside_of_its_window_either():
    """A window that is over is over for every kind (V1.md §7.2)."""
    times, told = attempts(streaming("audio", "chat", unified=True), "all")
    assert times == [3, 9, 21, 45]
    assert told == ["disconnect all", "refused all: gone; it did not come back in time"]


@pytest.mark.parametrize("name", ["signaling", "audio"])
@unhurried
@given(random=st.floats(0, 1, exclude_max=True))
def test_jitter_only_shortens(name, random):
    """At most by 10 %, and never to a time after Zoom's window."""
    times, _ = attempts(streaming("audio", random=random), name)
    for time, longest in zip(times, (3, 9, 21, 45), strict=False):
        assert 0.9 * longest - 1e-6 <= time <= longest
    assert all(time <= 65 for time in times)


def test_slow_failures_use_up_the_window():
    """10 s for every attempt leave room for fewer of them."""
    stream = streaming("audio")
    stream.loses("audio")
    times = []
    while stream.machine.deadline() is not None:
        stream.waits()
        times.append(stream.now)
        stream.now += 10
        stream.loses("audio")
    assert times == [3, 19, 41]


def test_a_success_resets_the_backoff():
    stream = streaming("audio")
    stream.loses("audio")
    stream.waits()
    stream.loses("audio")
    stream.waits()
    stream.accepts("audio")
    stream.loses("audio")
    began = stream.now
    stream.waits()
    assert stream.now - began == 3


# --- signaling lost ---


def test_signaling_lost_takes_media_along():
    """Everything is dropped, and set up again in order (V1.md §8.3)."""
    stream = streaming("audio", "chat")
    assert stream.loses("signaling") == [
        "lost signaling: gone",
        "lost audio: gone",
        "lost chat: gone",
        "disconnect audio",
        "disconnect chat",
        "disconnect signaling",
    ]
    assert stream.waits() == ["connect signaling wss://s/1"]
    assert stream.now == 3
    assert stream.accepts("signaling", NEW_URLS) == [
        "restored signaling",
        "connect audio wss://new/audio",
        "connect chat wss://new/chat",
    ]
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]
    assert stream.accepts("chat") == ["restored chat", "acknowledge"]


def test_interrupted_is_the_same_story():
    stream = streaming("audio")
    assert stream.interrupts() == [
        "lost signaling: Zoom interrupted the stream",
        "lost audio: Zoom interrupted the stream",
        "disconnect audio",
        "disconnect signaling",
    ]
    assert stream.waits() == ["connect signaling wss://s/1"]
    assert stream.now == 3


def test_interrupted_may_bring_a_new_url():
    """Used if it is there (V1.md §1.9.3), also while waiting already."""
    stream = streaming("audio")
    stream.loses("signaling")
    assert stream.interrupts("wss://s/2") == []
    assert stream.waits() == ["connect signaling wss://s/2"]


@pytest.mark.parametrize("signals", list(itertools.permutations(["close", "webhook", "media close"])))
def test_one_reconnect_however_many_signals_report_it(signals):
    """A close, an interrupted webhook, media that closes too: one attempt after 3 s."""
    stream = streaming("audio")
    hear = {
        "close": lambda: stream.loses("signaling"),
        "webhook": stream.interrupts,
        "media close": lambda: stream.loses("audio"),
    }
    for signal in signals:
        hear[signal]()
        stream.now += 0.5
    told = stream.passes(3)
    assert told.count("connect signaling wss://s/1") == 1
    assert "connect audio wss://m/audio" not in told
    assert stream.accepts("signaling") == ["restored signaling", "connect audio wss://m/audio"]


def test_an_interrupted_that_arrives_after_the_comeback():
    """It speaks of the loss that is mended already; ten seconds later it is news."""
    stream = streaming("audio")
    stream.loses("signaling")
    stream.waits()
    stream.accepts("signaling")
    stream.now += 9
    assert stream.interrupts() == []
    stream.now += 2
    assert stream.interrupts()[0] == "lost signaling: Zoom interrupted the stream"


# --- media lost ---


def test_only_the_lost_leg_comes_back():
    """Its stored URL, an ACK on the open signaling, no new signaling handshake (V1.md §8.4)."""
    stream = streaming("audio", "transcript")
    assert stream.loses("audio") == ["lost audio: gone", "disconnect audio"]
    assert stream.waits() == ["connect audio wss://m/audio"]
    assert stream.now == 3
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]


@pytest.mark.parametrize(
    "signal",
    [
        lambda stream: stream.event_7("audio"),
        lambda stream: stream.loses("audio"),
        lambda stream: stream.event_7("audio", "video"),
    ],
)
@pytest.mark.parametrize(
    "again",
    [
        lambda stream: stream.event_7("audio"),
        lambda stream: stream.event_7(),
        lambda stream: stream.state(2, 14),
        lambda stream: stream.loses("audio"),
    ],
)
def test_one_media_incident_heard_twice(signal, again):
    """Event 7, state 2 for reason 14, and the close: only the first one counts (V1.md §8.4)."""
    stream = streaming("audio", "transcript")
    assert len(signal(stream)) == 2
    assert again(stream) == []
    assert stream.passes(10) == ["connect audio wss://m/audio"]


@pytest.mark.parametrize(
    "signal",
    [lambda stream: stream.event_7(), lambda stream: stream.state(2, 14)],
    ids=["event 7", "state 2/14"],
)
def test_an_interruption_that_does_not_say_which(signal):
    """All, if all look healthy (V1.md §5.3)."""
    stream = streaming("audio", "transcript")
    assert [line for line in signal(stream) if line.startswith("disconnect")] == [
        "disconnect audio",
        "disconnect transcript",
    ]


def test_an_interruption_of_what_we_do_not_have():
    stream = streaming("audio")
    assert stream.event_7("video") == []


@pytest.mark.parametrize(("state", "reason"), [(0, 0), (1, 0), (2, 13), (2, 0), (5, 0), (6, 0), (99, 0)])
def test_states_that_change_nothing(state, reason):
    """2 for reason 13 waits for the webhook; 5 and 6 are pause and resume (V1.md §7.4)."""
    stream = streaming("audio")
    assert stream.state(state, reason) == []
    assert stream.machine.deadline() is None
    assert stream.phase is Phase.LIVE


def test_pause_and_resume_of_a_session_change_nothing():
    stream = streaming("audio")
    for state in (1, 2, 3, 4, 99):
        assert stream.session("X", state) == []
    assert stream.machine.deadline() is None


# --- failover ---


@pytest.mark.parametrize(
    "before",
    [
        lambda stream: None,
        lambda stream: stream.loses("audio"),
        lambda stream: stream.loses("signaling"),
        lambda stream: (stream.loses("signaling"), stream.waits()),
        lambda stream: stream.state(3, 10),
    ],
    ids=["all up", "audio lost", "signaling lost", "reconnecting", "terminating"],
)
def test_failover_is_immediate(before):
    """New URLs, no backoff, everything from the start, whatever was going on (V1.md §8.2)."""
    stream = streaming("audio", "chat")
    before(stream)
    assert stream.starts("wss://s/2")[-1] == "connect signaling wss://s/2"
    assert stream.machine.deadline() is None
    told = stream.accepts("signaling", NEW_URLS)
    assert [line for line in told if line.startswith("connect")] == [
        "connect audio wss://new/audio",
        "connect chat wss://new/chat",
    ]


def test_failover_is_said():
    stream = streaming("audio")
    assert stream.starts("wss://s/2") == [
        "lost signaling: Zoom moved the stream to other servers",
        "lost audio: Zoom moved the stream to other servers",
        "disconnect signaling",
        "disconnect audio",
        "connect signaling wss://s/2",
    ]
    assert stream.accepts("signaling")[0] == "restored signaling"
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]


def test_what_replaced_connections_say_finds_no_one():
    """Stale generations are ignored (V1.md Appendix A, invariants)."""
    stream = streaming("audio")
    old = dict(stream.generations)
    stream.starts("wss://s/2")
    signaling, audio = leg_id("signaling"), leg_id("audio")
    assert stream.hears(e.LegLost(signaling, old[signaling], "late")) == []
    assert stream.hears(e.LegAccepted(signaling, old[signaling], URLS)) == []
    assert stream.hears(e.LegRefused(signaling, old[signaling], StatusCode(3), "")) == []
    assert stream.hears(e.LegImpossible(signaling, old[signaling], "late")) == []
    assert stream.hears(e.LegLost(audio, old[audio], "late")) == []
    assert stream.hears(e.LegLost(leg_id("video"), 1, "never wanted")) == []
    assert stream.phase is Phase.LIVE


# --- refusals ---

TRANSIENT = [8, 15, 16]
DROP = [7, 9, 10, 11, 12, 13]
DEFAULTS = [14, *range(17, 40), 43]
STOP = [1, 2, 3]
LATER = [5, 6, 40, 41, 42, 44, 45, 46, 47, 48, 99]


def in_handshake(name, **options):
    stream = Playbook("audio", "chat", **options)
    stream.starts()
    if name == "audio":
        stream.accepts("signaling")
    return stream


@pytest.mark.parametrize("status", STOP + DROP)
def test_a_refusal_of_signaling_that_ends_the_stream(status):
    """With the name, what it means and what a person can do."""
    stream = in_handshake("signaling")
    disconnect, finish = stream.refuses("signaling", status, "no")
    assert disconnect == "disconnect signaling"
    assert finish.startswith(
        f'finish 0: Zoom refused the handshake: status {status} {StatusCode(status).name} ("no").'
    )
    assert stream.phase is Phase.FINISHED


@pytest.mark.parametrize("status", STOP + DROP)
def test_a_refusal_of_media_costs_that_kind_alone(status):
    """The others go on (V1.md §4.1)."""
    stream = in_handshake("audio")
    disconnect, refused = stream.refuses("audio", status)
    assert disconnect == "disconnect audio"
    assert refused.startswith(f"refused audio: status {status} ")
    assert stream.accepts("chat") == ["acknowledge"]
    assert stream.machine.deadline() is None
    assert stream.loses("chat") == ["lost chat: gone", "disconnect chat"]


@pytest.mark.parametrize("status", DROP)
def test_a_dropped_kind_stays_dropped(status):
    """Also when signaling comes back: the scope is still missing."""
    stream = in_handshake("audio")
    stream.refuses("audio", status)
    stream.loses("signaling")
    stream.waits()
    assert stream.accepts("signaling") == ["restored signaling", "connect chat wss://m/chat"]


@pytest.mark.parametrize("name", ["signaling", "audio"])
@pytest.mark.parametrize("status", TRANSIENT)
def test_duplicates_are_transient(name, status):
    """After 1.5, 3 and 6 s on a new socket each, then given up (V1.md §3.4, §8.7)."""
    stream = in_handshake(name)
    waits = []
    for _ in range(3):
        assert stream.refuses(name, status) == [f"disconnect {name}"]
        began = stream.now
        assert stream.waits()[0].startswith(f"connect {name} ")
        waits.append(stream.now - began)
    assert waits == [1.5, 3, 6]
    assert stream.refuses(name, status)[1].startswith(("finish 0", "refused audio"))


@pytest.mark.parametrize("name", ["signaling", "audio"])
def test_a_duplicate_after_a_loss_is_tried_for_the_whole_window(name):
    """Zoom takes some 30 s to notice that our old socket is dead (V1.md §7)."""
    stream = streaming("audio")
    stream.loses(name)
    began = stream.now
    while stream.phase is Phase.LIVE and stream.machine.deadline() is not None:
        stream.waits()
        last = stream.now - began
        stream.refuses(name, 8)
    assert 30 < last <= 60


@pytest.mark.parametrize("name", ["signaling", "audio"])
@pytest.mark.parametrize("status", [*STOP, *DROP, 4])
def test_a_handshake_that_was_accepted_before_is_tried_for_the_whole_window(name, status):
    """It was right, so it is the server that is not ready: one that ends the stream or the kind otherwise
    costs no more than the time (V1.md §9.4).
    """
    stream = streaming("audio", "chat", id_variants=3)
    stream.loses(name)
    began, times = stream.now, []
    while stream.phase is Phase.LIVE and stream.machine.deadline() is not None:
        (connect,) = stream.waits()
        assert "id_fields" not in connect
        times.append(stream.now - began)
        told = stream.refuses(name, status)
    assert times == [3, 9, 21, 45]
    if name == "signaling":
        assert told == ["disconnect signaling"]
        assert stream.waits() == ["finish 19"]
    else:
        assert told[1].startswith(f"refused audio: status {status} ")
        assert stream.phase is Phase.LIVE


@pytest.mark.parametrize("name", ["signaling", "audio"])
def test_a_refusal_on_the_way_back_is_got_over(name):
    """A server that knows the stream only after some seconds."""
    stream = streaming("audio")
    stream.loses(name)
    stream.waits()
    for status in (2, 3, 8):
        assert stream.refuses(name, status) == [f"disconnect {name}"]
        assert stream.waits()[0].startswith(f"connect {name} ")
    assert f"restored {name}" in stream.accepts(name)


def test_a_unified_connection_that_comes_back_without_a_scope_is_split_at_once():
    """The kinds that are still allowed need not wait for the one that is not."""
    stream = streaming("audio", "chat", unified=True)
    stream.loses("all")
    stream.waits()
    assert stream.refuses("all", 3) == ["disconnect all"]
    stream.waits()
    assert stream.refuses("all", 13)[2:] == ["connect audio wss://m/audio", "connect chat wss://m/chat"]
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]


@pytest.mark.parametrize("name", ["signaling", "audio"])
def test_what_an_earlier_engine_had_is_a_duplicate_for_as_long_as_zoom_thinks_so(name):
    """Its sockets are dead, and Zoom takes some 30 s to notice (V1.md §7, §8.7)."""
    stream = in_handshake(name, resumed=True)
    began = stream.now
    stream.refuses(name, 8)
    while stream.phase is Phase.LIVE and stream.machine.deadline() is not None:
        stream.waits()
        last = stream.now - began
        stream.refuses(name, 8)
    assert 30 < last <= 65


def test_a_stream_that_ended_while_there_was_no_engine_is_not_tried_for_long():
    stream = in_handshake("signaling", resumed=True)
    assert stream.refuses("signaling", 2)[1].startswith("finish 0: Zoom refused the handshake: status 2 ")


@pytest.mark.parametrize("unified", [False, True])
def test_media_whose_window_passed_comes_back_with_new_servers(unified):
    """The entire sequence again (V1.md §8.2)."""
    stream = streaming("audio", "chat", unified=unified)
    name = "all" if unified else "audio"
    assert "did not come back in time" in attempts(stream, name)[1][1]
    stream.starts("wss://s/2")
    told = stream.accepts("signaling")
    assert told[:2] == ["restored signaling", f"connect {name} wss://m/{name}"]
    assert stream.accepts(name) == [f"restored {name}", "acknowledge"]


def test_media_whose_window_passed_comes_back_with_signaling():
    """All media again, with a window of their own (V1.md §8.3)."""
    stream = streaming("audio", "chat")
    attempts(stream, "audio")
    stream.loses("signaling")
    stream.waits()
    assert "connect audio wss://m/audio" in stream.accepts("signaling")
    assert stream.loses("audio") == ["disconnect audio"]
    assert stream.waits() == ["connect audio wss://m/audio"]


def test_what_was_refused_is_asked_of_new_servers_again():
    stream = in_handshake("audio")
    stream.refuses("audio", 9)
    stream.starts("wss://s/2")
    assert stream.accepts("signaling")[1:] == ["connect audio wss://m/audio", "connect chat wss://m/chat"]


@pytest.mark.parametrize("status", DEFAULTS)
def test_wrong_parameters_are_left_out_once(status):
    """At once, on a new socket, without media_params; then that kind is dropped (V1.md §9.4)."""
    stream = in_handshake("audio")
    assert stream.refuses("audio", status) == [
        "disconnect audio",
        "connect audio wss://m/audio with defaults of audio",
    ]
    assert stream.refuses("audio", status)[1].startswith(f"refused audio: status {status} ")
    assert stream.machine.deadline() is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "audio") for status in range(18, 25)),
        *((status, "video") for status in range(25, 31)),
        *((status, "share") for status in range(31, 36)),
        *((status, "transcript") for status in (36, 37, 43)),
        *((status, "chat") for status in (38, 39)),
    ],
)
def test_wrong_parameters_of_one_kind_cost_no_other_its_own(status, kind):
    """Over one connection for all: only what the status names is left to Zoom (V1.md §9.4)."""
    stream = Playbook("audio", "video", "share", "transcript", "chat", unified=True)
    stream.starts()
    stream.accepts("signaling")
    assert stream.refuses("all", status)[1:] == [f"connect all wss://m/all with defaults of {kind}"]
    other = "video" if kind == "audio" else "audio"
    again = stream.refuses("all", 25 if other == "video" else 18)
    assert again[1:] == [f"connect all wss://m/all with defaults of {', '.join(sorted((kind, other)))}"]
    assert stream.refuses("all", status)[1].startswith(f"refused all: status {status} ")


def test_parameters_that_are_wrong_as_a_whole_are_left_out_as_a_whole():
    stream = Playbook("audio", "video", unified=True)
    stream.starts()
    stream.accepts("signaling")
    assert stream.refuses("all", 17)[1:] == ["connect all wss://m/all with defaults of audio, video"]


def test_defaults_that_were_accepted_are_kept():
    """A reconnect does not ask for what was refused before."""
    stream = in_handshake("audio")
    stream.refuses("audio", 24)
    stream.accepts("audio")
    stream.loses("audio")
    assert stream.waits() == ["connect audio wss://m/audio with defaults of audio"]


@pytest.mark.parametrize("name", ["signaling", "audio"])
def test_an_invalid_payload_tries_the_other_id_fields(name):
    """For products with an id of their own: only one of the two (V1.md §0.4)."""
    stream = in_handshake(name, id_variants=3)
    url = "wss://s/1" if name == "signaling" else "wss://m/audio"
    assert stream.refuses(name, 4) == [f"disconnect {name}", f"connect {name} {url} id_fields=1"]
    assert stream.refuses(name, 4) == [f"disconnect {name}", f"connect {name} {url} id_fields=2"]
    assert stream.refuses(name, 4)[1].startswith(("finish 0: Zoom refused", "refused audio: status 4"))


@pytest.mark.parametrize("name", ["signaling", "audio"])
def test_an_invalid_payload_of_a_meeting(name):
    """There is no other field to try."""
    assert in_handshake(name).refuses(name, 4)[1].startswith(("finish 0", "refused audio"))


@pytest.mark.parametrize("name", ["signaling", "audio"])
@pytest.mark.parametrize("status", LATER)
def test_anything_else_is_tried_again_with_backoff(name, status):
    """45, numbers that no handshake should bring, and numbers that nobody knows yet."""
    stream = in_handshake(name)
    times = []
    while stream.refuses(name, status) == [f"disconnect {name}"] and stream.machine.deadline():
        stream.waits()
        times.append(stream.now)
    assert times == [3, 9, 21, 45]


def test_every_status_has_a_reaction():
    assert sorted([0, 4, *TRANSIENT, *DROP, *DEFAULTS, *STOP, *LATER]) == [*range(49), 99]


@pytest.mark.parametrize("status", [2, 9, 13])
def test_a_refused_unified_connection_is_split(status):
    """One kind's missing scope must not cost the others."""
    stream = Playbook("audio", "chat", unified=True)
    stream.starts()
    stream.accepts("signaling")
    told = stream.refuses("all", status)
    assert told[0] == "disconnect all"
    assert told[1].startswith("refused all: ")
    assert told[2:] == ["connect audio wss://m/audio", "connect chat wss://m/chat"]
    assert stream.accepts("audio") == ["acknowledge"]
    assert stream.refuses("chat", 13)[1].startswith("refused chat: ")


# --- statuses beside handshakes ---


def test_a_refused_acknowledgement_is_repeated_three_times():
    """41; anything else is noted (V1.md §9.4)."""
    stream = streaming("audio")
    told = [stream.hears(e.StatusHeard(StatusCode(41), "")) for _ in range(5)]
    assert told == [["acknowledge"]] * 3 + [[]] * 2
    assert stream.hears(e.StatusHeard(StatusCode(42), "")) == []


# --- the end (V1.md §8.9) ---

ENDINGS = {
    "state 3": lambda stream: stream.state(3, 6),
    "state 4": lambda stream: stream.state(4, 6),
    "session": lambda stream: stream.session("X", 5, 6),
    "close": lambda stream: (stream.loses("signaling"), stream.loses("audio")),
    "webhook": lambda stream: stream.stops(6),
}


@pytest.mark.parametrize("order", list(itertools.permutations(ENDINGS)), ids=" > ".join)
def test_the_end_in_any_order(order):
    """Every permutation of §8.9 finishes once, for the reason that Zoom gave, with all closed."""
    stream = streaming("audio")
    stream.session("X", 2)
    told = []
    for name in order:
        told += list(itertools.chain.from_iterable(_flat(ENDINGS[name](stream))))
        stream.now += 0.1
    told += stream.passes(120)
    assert [line for line in told if line.startswith("finish")] == ["finish 6"]
    assert told[-1] == "finish 6"
    assert told.count("disconnect signaling") == 1
    assert told.count("disconnect audio") == 1
    assert stream.phase is Phase.FINISHED


def _flat(told):
    return told if isinstance(told, tuple) else (told,)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_end_without_some_of_its_signs(size):
    """Any of them may be missing; media is never waited for for ever once state 3 or 4 was heard."""
    for order in itertools.permutations(["state 3", "state 4", "session", "close"], size):
        stream = streaming("audio")
        stream.session("X", 2)
        for name in order:
            ENDINGS[name](stream)
        if order == ("session",):
            assert stream.machine.deadline() is None  # the stream may get another session: wait for msg 8
        elif order == ("close",):
            assert stream.phase is Phase.LIVE
        else:
            assert stream.passes(60)[-1] == "finish 6", order


def test_terminating_stops_reconnecting_and_waits_for_terminated():
    """Media may still come; after 30 s we stop waiting."""
    stream = streaming("audio", "chat")
    stream.loses("audio")
    assert stream.state(3, 10) == []
    assert stream.loses("chat") == ["lost chat: gone", "disconnect chat"]
    assert stream.waits() == ["disconnect signaling"]
    assert stream.now == 30
    assert stream.waits() == ["finish 10"]
    assert stream.now == 33


def test_terminated_waits_3_s_for_the_webhook():
    stream = streaming("audio")
    assert stream.state(4, 10) == ["disconnect signaling", "disconnect audio"]
    stream.now += 2.9
    assert stream.stops(24) == ["finish 24"]


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        ([("state", 3, 6), ("state", 4, 0)], 6),
        ([("session", 6), ("state", 3, 0), ("state", 4, 0)], 6),
        ([("state", 3, 6), ("session", 0), ("state", 4, 0)], 6),
        ([("state", 3, 6), ("state", 4, 10)], 10),
        ([("state", 4, 8), ("webhook", 0)], 8),
        ([("state", 4, 8), ("webhook", 6)], 6),
        ([("webhook", 0)], 0),
    ],
)
def test_the_reason_of_the_end(heard, reason):
    """The webhook's is authoritative; a missing one does not outdo what message 8 or 9 said."""
    stream = streaming("audio")
    stream.session("X", 2)
    for kind, *rest in heard:
        match kind:
            case "state":
                told = stream.state(*rest)
            case "session":
                told = stream.session("X", 5, *rest)
            case "webhook":
                told = stream.stops(*rest)
    told += stream.passes(60)
    assert told[-1] == f"finish {reason}"


def test_a_stopped_session_does_not_stop_the_stream():
    """Another one may be running, or come (V1.md §5.6)."""
    stream = streaming("audio")
    stream.session("X", 2)
    stream.session("Y", 2)
    stream.session("X", 5)
    assert stream.phase is Phase.LIVE
    stream.session("Y", 5)
    assert stream.phase is Phase.DRAINING
    stream.session("Z", 2)
    assert stream.phase is Phase.LIVE
    stream.loses("audio")
    assert stream.waits() == ["connect audio wss://m/audio"]


def test_media_that_was_lost_between_two_sessions_comes_back():
    """While no session ran there was nothing to reconnect for."""
    stream = streaming("audio", "chat")
    stream.session("X", 2)
    stream.session("X", 5)
    stream.loses("audio")
    assert stream.session("Y", 2) == ["connect audio wss://m/audio"]
    assert stream.accepts("audio") == ["restored audio", "acknowledge"]


def test_a_last_session_that_stops_while_signaling_is_lost():
    """Nothing to reconnect for; only the webhook can still say why."""
    stream = streaming("audio")
    stream.session("X", 2)
    stream.loses("signaling")
    stream.session("X", 5, 6)
    assert stream.waits() == ["finish 6"]
    assert stream.now == 3


def test_a_last_session_after_terminating_still_ends_in_time():
    """State 3, then session 5: the 30 s are not forgotten, nor does a late session revive the stream."""
    stream = streaming("audio")
    stream.session("X", 2)
    stream.state(3, 6)
    stream.session("X", 5, 6)
    stream.session("Y", 2)
    assert stream.phase is Phase.DRAINING
    assert stream.passes(40)[-1] == "finish 6"


def test_signaling_lost_while_draining_is_the_end():
    stream = streaming("audio")
    stream.session("X", 5, 6)
    assert stream.loses("signaling") == [
        "lost signaling: gone",
        "lost audio: gone",
        "disconnect audio",
        "disconnect signaling",
    ]
    assert stream.waits() == ["finish 6"]
    assert stream.now == 3


def test_our_own_wish_to_end():
    """STREAM_CLOSE_REQ, its answer, and reason 20 (V1.md §5.8)."""
    stream = streaming("audio")
    assert stream.hears(e.EndRequested()) == ["request close"]
    assert stream.hears(e.CloseAnswered(StatusCode.OK, "OK")) == ["disconnect signaling", "disconnect audio"]
    assert stream.waits() == ["finish 20"]


def test_our_own_wish_unanswered():
    """After 5 s the sockets are simply closed."""
    stream = streaming("audio")
    stream.hears(e.EndRequested())
    assert stream.waits() == ["disconnect signaling", "disconnect audio"]
    assert stream.now == 5
    assert stream.waits() == ["finish 20"]


def test_our_own_wish_and_terminating_without_a_reason():
    """Zoom's usual answer: 22, then 8 with state 3 and 4."""
    stream = streaming("audio")
    stream.hears(e.EndRequested())
    stream.state(3)
    stream.state(4)
    assert stream.waits() == ["finish 20"]


def test_our_own_wish_without_signaling():
    """Nobody to tell."""
    stream = streaming("audio")
    stream.loses("signaling")
    assert stream.hears(e.EndRequested()) == ["finish 20"]


def test_our_own_wish_after_the_end():
    """Zoom's reason stands."""
    stream = streaming("audio")
    stream.state(4, 6)
    told = stream.hears(e.EndRequested()) + stream.passes(10)
    assert told == ["finish 6"]


def test_release_lets_go_at_once():
    """Without STREAM_CLOSE_REQ: another engine may take over."""
    stream = streaming("audio")
    assert stream.hears(e.Released()) == [
        "disconnect signaling",
        "disconnect audio",
        "finish 0: the engine let go of the stream",
    ]


def test_nothing_follows_the_end():
    stream = streaming("audio")
    stream.stops(6)
    assert stream.starts() == stream.stops(6) == stream.loses("audio") == stream.accepts("signaling") == []
    assert stream.machine.deadline() is None
    assert stream.machine.on_deadline(1e9) == []


def test_the_machine_shows_its_face():
    assert repr(streaming("audio").machine) == "<StreamLifecycle live: signaling up, audio up>"


# --- whatever happens ---

KINDS = ["audio", "chat"]
_NAMES = st.sampled_from(["signaling", "audio", "chat", "all"])
_STEPS = st.one_of(
    st.tuples(st.just("wait"), st.floats(0, 40)),
    st.tuples(st.just("deadline")),
    st.tuples(st.just("starts")),
    st.tuples(st.just("interrupts")),
    st.tuples(st.just("accepts"), _NAMES, st.sampled_from([URLS, None, "wss://x", {}])),
    st.tuples(st.just("loses"), _NAMES),
    st.tuples(st.just("forbids"), _NAMES),
    st.tuples(st.just("refuses"), _NAMES, st.integers(0, 50)),
    st.tuples(st.just("event_7")),
    st.tuples(st.just("event_7"), st.sampled_from(KINDS)),
    st.tuples(st.just("state"), st.sampled_from(list(StreamState)), st.sampled_from(list(StopReason))),
    st.tuples(st.just("session"), st.sampled_from("XY"), st.sampled_from(list(SessionState))),
    st.tuples(st.just("end")),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(_STEPS, max_size=30), st.booleans())
def test_whatever_happens(steps, unified):
    """It never raises, deadlines are never in the past, it never forgets itself, and it can be stopped."""
    stream = Playbook(*KINDS, unified=unified, id_variants=3)
    stream.starts()
    connected = set()
    for verb, *arguments in steps:
        match verb:
            case "wait":
                told = stream.passes(*arguments)
            case "deadline":
                told = stream.waits() if stream.machine.deadline() is not None else []
            case "end":
                told = stream.hears(e.EndRequested())
            case _:
                told = getattr(stream, verb)(*arguments)
        deadline = stream.machine.deadline()
        assert deadline is None or deadline >= stream.now
        connected = {leg.id for leg in stream.machine._legs if leg.state.value in ("connecting", "up")}
        if stream.phase is not Phase.FINISHED:
            assert deadline is not None or leg_id("signaling") in connected, (told, stream.machine)
    stream.stops(6)
    assert stream.phase is Phase.FINISHED
    assert stream.machine.deadline() is None
    for kind in MediaKind:
        assert stream.event_7(kind) == []
    assert stream.starts() == []


def test_legs_have_names():
    assert [leg_id("signaling").name, leg_id("audio").name, leg_id("all", "audio", "chat").name] == [
        "signaling",
        "audio",
        "all",
    ]
