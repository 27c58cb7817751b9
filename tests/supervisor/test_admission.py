import pytest

from rtms_engine.config import LimitsConfig
from rtms_engine.model.ids import StreamId
from rtms_engine.model.products import MEETING
from rtms_engine.model.signals import StreamStarted
from rtms_engine.supervisor.admission import Resources, admit, full_disks
from rtms_engine.supervisor.resources import look, memory_mb

PLENTY = Resources({"recordings": 1e6}, 10.0)


def start(meeting="m", app="app", is_original_host=None):
    urls = ("wss://zoom.example",)
    return StreamStarted(app, MEETING, meeting, StreamId("new"), urls, 0, is_original_host=is_original_host)


def live(*meetings, app="app"):
    """Streams that run; a start has all that is asked of them."""
    return [start(meeting, app) for meeting in meetings]


def why(start, live=(), resources=PLENTY, **limits):
    return admit(start, live, LimitsConfig(**limits), resources)


@pytest.mark.parametrize(("running", "admitted"), [(0, True), (1, True), (2, False), (3, False)])
def test_how_many(running, admitted):
    reason = why(start(), live(*"abc"[:running]), max_streams=2)
    assert (reason is None) is admitted
    if reason:
        assert reason == f"{running} streams run, and [limits] max_streams allows 2"


NOT_THE_HOSTS = 'it is not the original host\'s, and [limits] one_stream_per_meeting is "host"'
ANOTHER = 'another stream of this meeting runs, and [limits] one_stream_per_meeting is "{}"'


@pytest.mark.parametrize(
    ("policy", "is_host", "running", "reason"),
    [
        ("all", None, ["m", "m"], None),
        ("all", False, ["m"], None),
        ("first", None, [], None),
        ("first", None, ["other"], None),
        ("first", None, ["m"], ANOTHER.format("first")),
        ("first", True, ["m"], ANOTHER.format("first")),
        ("host", True, [], None),
        ("host", True, ["m"], None),
        ("host", False, [], NOT_THE_HOSTS),
        ("host", False, ["m"], NOT_THE_HOSTS),
        ("host", None, ["other"], None),
        ("host", None, ["m"], ANOTHER.format("host")),
    ],
)
def test_several_streams_of_one_meeting(policy, is_host, running, reason):
    found = why(start(is_original_host=is_host), live(*running), one_stream_per_meeting=policy)
    assert found == reason


def test_another_app_is_another_matter():
    assert why(start(), live("m", app="other"), one_stream_per_meeting="first") is None


@pytest.mark.parametrize(
    ("resources", "limits", "reason"),
    [
        (Resources(), {}, None),
        (Resources({}, 1e6), {}, None),
        (Resources({}, 499.0), {"max_memory_mb": 500}, None),
        (
            Resources({}, 500.0),
            {"max_memory_mb": 500},
            "500 MB of memory are in use, and [limits] max_memory_mb allows 500",
        ),
        (Resources({}, 0.0), {"max_memory_mb": 500}, None),
    ],
)
def test_what_the_machine_has_left(resources, limits, reason):
    assert why(start(), resources=resources, **limits) == reason


@pytest.mark.parametrize(
    ("free", "limits", "full"),
    [
        ({"a": 1000.0}, {}, {}),
        (
            {"a": 2000.0, "/rec": 999.4},
            {},
            {"/rec": "999 MB are free for /rec, and [limits] min_free_disk_mb wants 1000"},
        ),
        ({"a": 0.0}, {"min_free_disk_mb": 0}, {}),
        ({}, {}, {}),
    ],
)
def test_where_nothing_new_may_begin(free, limits, full):
    assert full_disks(LimitsConfig(**limits), Resources(free)) == full


# --- looking ---


def test_a_directory_that_is_still_to_be_made(tmp_path):
    resources = look([tmp_path, tmp_path / "a" / "b"])
    here, there = resources.free_disk_mb.values()
    assert here == pytest.approx(there, rel=0.1)
    assert here > 0


def test_the_memory_of_this_process():
    assert 10 < memory_mb() < 100_000
    assert look([]).memory_mb == pytest.approx(memory_mb(), rel=0.5)
