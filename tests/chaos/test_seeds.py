"""The promise of the engine: whatever goes wrong, no sound that Zoom sent is lost or repeated, what Zoom
withheld is said, every stream reaches its end, and nothing is left behind.

``RTMS_CHAOS_SEEDS=10000`` plays more meetings than the usual 1,000; ``RTMS_CHAOS_SEED=123`` plays one.
"""

import gc
import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
import structlog

from rtms_engine.stream.worker import StreamStatistics
from tests.chaos.support import play, problems, replay_line

CHUNK = 50
SEEDS = int(os.environ.get("RTMS_CHAOS_SEEDS", "1000"))
RECORDED = 60
"""So many of them are recorded as well."""
ONE = os.environ.get("RTMS_CHAOS_SEED")
CHUNKS = (
    [range(int(ONE), int(ONE) + 1)]
    if ONE
    else [range(n, min(n + CHUNK, SEEDS)) for n in range(0, SEEDS, CHUNK)]
)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """A hundred thousand warnings would cost more than the meetings; one seed by itself tells all."""
    if not ONE:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def open_files() -> int:
    """How many files and sockets this process holds."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_stream_is_lost(seeds: range) -> None:
    play(seeds[0])  # what is opened once and stays is open then
    files_before = open_files()
    failures = []
    for seed in seeds:
        played = play(seed)
        if found := problems(played):
            failures.append("\n  ".join([replay_line(played), *found]))
    assert not failures, "\n".join(["", *failures])
    assert open_files() == files_before


@pytest.mark.parametrize("seed", range(RECORDED))
def test_the_manifest_tells_what_was_withheld(seed: int) -> None:
    """The same judgement of what a person finds in the recording's folder."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        played = play(seed, folder=Path(folder))
        found = problems(played)
        assert not found, "\n  ".join([replay_line(played), *found])
        assert all(sink.state == "closed" for stats in played.streams for sink in stats.sinks)


def test_a_seed_repeats_itself() -> None:
    """Frame by frame, gap by gap, and in what the engine counts; but how many batches the frames came in
    depends on when the kernel wakes whom.
    """
    first, second = play(8), play(8)
    assert first.plan == second.plan
    assert first.meeting.ledger.sent == second.meeting.ledger.sent
    assert first.meeting.ledger.withheld == second.meeting.ledger.withheld
    assert (first.heard, first.gaps) == (second.heard, second.gaps)
    assert [counts(one) for one in first.streams] == [counts(one) for one in second.streams]


def counts(stream: StreamStatistics) -> StreamStatistics:
    """What the engine counts of a stream, whatever its batches."""
    sinks = tuple(msgspec.structs.replace(sink, batches=0) for sink in stream.sinks)
    return msgspec.structs.replace(stream, sinks=sinks)
