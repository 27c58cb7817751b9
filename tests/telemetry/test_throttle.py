from rtms_engine.telemetry.throttle import Throttle


def test_the_first_note_speaks_at_once():
    assert Throttle().note(3, now=100.0) == 3


def test_what_follows_within_the_period_is_summed():
    throttle = Throttle(period_s=1.0)
    throttle.note(1, now=0.0)
    assert [throttle.note(1, now) for now in (0.1, 0.5, 0.9)] == [None, None, None]
    assert throttle.note(1, now=1.0) == 4


def test_a_sum_starts_a_new_period():
    throttle = Throttle()
    throttle.note(1, now=0.0)
    assert throttle.note(1, now=1.5) == 1
    assert throttle.note(1, now=2.4) is None
    assert throttle.note(1, now=2.5) == 2


def test_the_remainder_has_a_deadline_and_is_flushed_once():
    throttle = Throttle()
    assert throttle.deadline() is None
    throttle.note(1, now=10.0)
    assert throttle.deadline() is None
    throttle.note(2, now=10.2)
    assert throttle.deadline() == 11.0
    assert throttle.flush() == 2
    assert throttle.flush() is None
    assert throttle.deadline() is None


def test_nothing_is_not_spoken():
    assert Throttle().note(0, now=0.0) is None


def test_its_face_tells_what_is_held():
    throttle = Throttle()
    throttle.note(1, 0.0)
    throttle.note(1, 0.5)
    assert repr(throttle) == "<Throttle held=1 until=1.0>"
