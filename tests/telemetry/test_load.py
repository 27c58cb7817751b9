from rtms_engine.telemetry.load import WINDOW_S, Load


def test_the_share_of_a_core_lately() -> None:
    load = Load()
    assert load.share == 0.0
    load.note(0.0, 5.0)
    assert load.share == 0.0
    load.note(2.0, 6.0)
    assert load.share == 0.5
    for n in range(3, 20):
        load.note(float(n), 6.0)
    assert load.share == 0.0, f"what was {WINDOW_S} s ago does not count"
