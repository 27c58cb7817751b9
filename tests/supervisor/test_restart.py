import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtms_engine.supervisor.restart import REMEMBERED, RestartPolicy

RESTARTABLE = {*range(10, 20), 24}
AUTHENTICATION_FAILURE = 18


@pytest.mark.parametrize("reason", [*range(27), 99, -1])
def test_only_technical_reasons(reason):
    """V1.md §8.8."""
    assert RestartPolicy().wants_restart("m", reason, 0.0) is (reason in RESTARTABLE)


@pytest.mark.parametrize(
    ("stops", "wanted"),
    [
        ([(0, 17), (1, 17), (2, 17), (3, 17)], [True, True, True, False]),
        ([(0, 17), (1, 10), (2, 24), (3, 13)], [True, True, True, False]),
        ([(0, 17), (300, 17), (599, 17), (599.9, 17), (600, 17)], [True, True, True, False, True]),
        ([(0, 18), (1, 18), (2, 17), (3, 18)], [True, False, True, False]),
        ([(0, 18), (599, 18), (600, 18)], [True, False, True]),
        ([(0, 6), (1, 8), (2, 17)], [False, False, True]),
    ],
)
def test_the_budget_of_a_meeting(stops, wanted):
    policy = RestartPolicy()
    assert [policy.wants_restart("m", reason, now) for now, reason in stops] == wanted


def test_every_meeting_has_its_own():
    policy = RestartPolicy(most=1)
    assert [policy.wants_restart(meeting, 17, 0.0) for meeting in "aabb"] == [True, False, True, False]


def test_without_an_id_there_is_nothing_to_start():
    assert not RestartPolicy().wants_restart("", 17, 0.0)


STOPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([6, 8, 10, 17, 18, 24]),
        st.floats(0, 400, allow_nan=False),
    ),
    max_size=60,
)


@given(STOPS)
def test_it_is_what_a_simple_count_says(stops):
    policy, granted, now = RestartPolicy(), [], 0.0
    for meeting, reason, later_s in stops:
        now += later_s
        recent = [given[1] for given in granted if given[0] == meeting and given[2] > now - 600]
        wanted = (
            reason in RESTARTABLE
            and len(recent) < 3
            and not (reason == AUTHENTICATION_FAILURE and reason in recent)
        )
        assert policy.wants_restart(meeting, reason, now) is wanted
        if wanted:
            granted.append((meeting, reason, now))


def test_memory_is_bounded_in_time():
    policy = RestartPolicy()
    for n in range(1000):
        policy.wants_restart(f"m{n}", 17, float(n))
    assert repr(policy) == "<RestartPolicy meetings=600>"


def test_memory_is_bounded_in_number():
    policy = RestartPolicy(most=1)
    for n in range(REMEMBERED + 10):
        policy.wants_restart(f"m{n}", 17, 0.0)
    assert repr(policy) == f"<RestartPolicy meetings={REMEMBERED}>"
    assert not policy.wants_restart(f"m{REMEMBERED}", 17, 1.0)
    assert policy.wants_restart("m0", 17, 1.0)
