"""What this machine has left."""

from rtms_engine.supervisor.resources import GOOD_S, Lookout, look


def test_a_directory_that_does_not_exist_counts_as_where_it_would_be_made(tmp_path):
    seen = look([tmp_path / "not" / "yet"])
    assert seen.free_disk_mb[str(tmp_path / "not" / "yet")] > 0
    assert seen.memory_mb > 0


def test_what_was_seen_is_good_enough_for_those_who_ask_at_once(tmp_path):
    lookout = Lookout()
    first = lookout.look([tmp_path], 100.0)
    assert lookout.look([tmp_path], 100.0 + GOOD_S / 2) is first
    assert lookout.look([tmp_path], 100.0 + GOOD_S) is not first


def test_other_places_are_looked_at_anew(tmp_path):
    lookout = Lookout()
    lookout.look([tmp_path], 0.0)
    assert list(lookout.look([tmp_path / "b"], 0.0).free_disk_mb) == [str(tmp_path / "b")]
