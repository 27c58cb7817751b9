"""The clauses of the contract of sinks (`rtms_engine.sinks.base`) that can be tried from outside."""

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .items import FINISHED, MARKER, RELEASED, REVOKED, T0_MS, big_batch, items, nasty_items, stream
from .trial import Trial, text_of

VERBS = ("open", "write", "close")
CANCELLED_S = 4.5
"""What a cancelled write may take; after 5 s the engine abandons it."""
SETTLE_S = 2.0
"""For so long after `close` something may be let go of, until the next of it is."""
TRIES = 3
"""A machine may be busy with something else; a sink that blocks the loop does it every time."""


class Check(msgspec.Struct, frozen=True):
    """One clause of the contract, and how it is tried."""

    name: str
    clause: str
    """What the contract says."""
    run: Callable[[Trial], Awaitable[None]]

    def __str__(self) -> str:
        return self.name


class BrokenClause(Exception):
    """How a sink does not keep a clause."""


def _demand(good: object, problem: str) -> None:
    if not good:
        raise BrokenClause(problem)


_ID = "609340fb2a7946909659956c8aa9250c"
_OTHER = "7a8e40fb2a7946909659956c8aa9250d"
_OTHER_WORDS: dict[str, Any] = dict.fromkeys(("name", "text", "word"), "Rasselbock")


async def _declared(trial: Trial) -> None:
    config = trial.ready.spec.config_type.__struct_config__
    _demand(config.frozen, "its config type is not frozen")
    _demand(config.forbid_unknown_fields, "its config type lacks forbid_unknown_fields=True")
    sink = trial.make()
    _demand(sink is not trial.make(), "its factory gives the same instance twice")
    for verb in VERBS:
        _demand(callable(getattr(sink, verb, None)), f"it has no {verb}()")
        is_coroutine = inspect.iscoroutinefunction(getattr(sink, verb))
        if trial.ready.spec.blocking:
            _demand(not is_coroutine, f"it is blocking, but {verb} is a coroutine function")
        else:
            _demand(is_coroutine, f"{verb} is not a coroutine function, and it is not declared blocking")
    write_now = getattr(sink, "write_now", None)
    _demand(not inspect.iscoroutinefunction(write_now), "write_now is a coroutine function")
    _demand(not (write_now and trial.ready.spec.blocking), "it is blocking, and has a write_now")


async def _every_kind(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    await sink.write(items(_ID))
    for item in items(_ID, 1000):
        await sink.write([item])
    for item in items(_ID, 2000):
        await sink.write_now(item)
    await sink.close()


async def _empty(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    await sink.close()


async def _nasty(trial: Trial) -> None:
    around = _around(trial.stored_in)
    for n, stream_id in enumerate(("../../escaped", "a/b\\c\x00d", "x" * 4096)):
        sink = trial.instance()
        info = stream(stream_id, entity_id=f"/../../e{n}==", meeting_id="../..", account_id="..")
        await sink.open(info)
        for batch in nasty_items(stream_id):
            await sink.write(batch)
        await sink.close()
    new = _around(trial.stored_in) - around
    _demand(not new, f"it wrote outside of its directory: {sorted(map(repr, new))[:3]}")
    for path in trial.files():
        odd = [part for part in path.relative_to(trial.root).parts if not part.isprintable()]
        _demand(not odd, f"it made a file name with control characters: {odd[:1]!r}")


def _around(directory: Path | None) -> set[Path]:
    """What lies beside a directory, and one level above."""
    if directory is None:
        return set()
    return {*directory.parent.iterdir(), *directory.parent.parent.iterdir(), *Path("/tmp").glob("escaped*")}  # noqa: S108


async def _revoked(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    await sink.write(items(_ID))
    await sink.close(REVOKED)
    _demand(MARKER not in trial.stored(), f"still there after a revocation: {_holders(trial)}")


async def _revoked_later(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    await sink.write(items(_ID))
    await sink.close(FINISHED)
    again = trial.instance()
    await again.open(stream(_ID, resumed=True))
    await again.close(REVOKED)
    _demand(MARKER not in trial.stored(), f"still there after a late revocation: {_holders(trial)}")


def _holders(trial: Trial) -> str:
    names = [str(path.relative_to(trial.root)) for path in trial.files()]
    return ", ".join(name for name in names if MARKER in name or MARKER in text_of(trial.root / name))


class _OfTomorrow(msgspec.Struct, frozen=True):
    """An event that only a later engine knows."""

    timestamp_ms: int = T0_MS


async def _failed_write(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    await sink.write(items(_ID))
    with trial.disk_gone():
        await _may_fail(sink.write(items(_ID, 1000)))
    await sink.close()
    unsettled = trial.instance()
    await unsettled.open(stream(_OTHER))
    await _may_fail(unsettled.write_anything([_OfTomorrow()]))
    await unsettled.close()


async def _may_fail(write: Awaitable[None]) -> None:
    try:
        await write
    except Exception:  # noqa: BLE001 - that it may is the point
        return


async def _again(trial: Trial) -> None:
    delivery = trial.ready.delivery
    if not (delivery.retries or delivery.restarts):
        return
    sink = trial.instance()
    await sink.open(stream(_ID))
    batch = trial.wanted(items(_ID))
    await sink.write_anything(batch)
    await sink.write_anything(batch)
    await sink.close()


async def _cancelled(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    raised: list[Exception] = []

    async def write() -> None:
        try:
            await sink.write(big_batch(_ID))
        except Exception as error:  # noqa: BLE001 - the check says it
            raised.append(error)

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write(), name="write")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        writing.cancel()
        began = time.perf_counter()
        await asyncio.wait({writing})
    took_s = time.perf_counter() - began
    _demand(took_s < CANCELLED_S, f"a cancelled write went on for {took_s:.1f} s or longer")
    _demand(not raised, f"a cancelled write raised {raised!r} instead of asyncio.CancelledError")
    await sink.close()


async def _big(trial: Trial) -> None:
    sink = trial.instance()
    await sink.open(stream(_ID))
    await sink.write(big_batch(_ID))
    await sink.close()


async def _two_at_once(trial: Trial) -> None:
    first, second = trial.instance(), trial.instance()
    await first.open(stream(_ID))
    await second.open(stream(_OTHER, entity_id="another=="))
    await first.write(items(_ID))
    await second.write(items(_OTHER, **_OTHER_WORDS))
    has_stored = "Rasselbock" in trial.stored()
    await first.close(REVOKED)
    is_stored = "Rasselbock" in trial.stored()
    await second.write(items(_OTHER, 1000, **_OTHER_WORDS))
    await second.close()
    _demand(
        is_stored or not has_stored,
        "what it stored of one stream went when another was revoked",
    )
    _demand(MARKER not in trial.stored(), f"the revoked one of two streams is still there: {_holders(trial)}")


async def _resumed(trial: Trial) -> None:
    first = trial.instance()
    await first.open(stream(_ID))
    await first.write(items(_ID))
    await first.close(RELEASED)
    has_stored = MARKER in trial.stored()
    second = trial.instance()
    await second.open(stream(_ID, resumed=True))
    await second.write(items(_ID, 1000, **_OTHER_WORDS))
    await second.close()
    _demand(
        not has_stored or MARKER in trial.stored(),
        "what an instance stored was lost when another one took up the stream",
    )


async def _lets_go(trial: Trial) -> None:
    async def live() -> None:
        sink = trial.instance()
        await sink.open(stream(_ID))
        await sink.write(items(_ID))
        await sink.close()

    await live()  # what a sink's module keeps for good, it has now
    await _settled(lambda: [task for task in asyncio.all_tasks() if task is not asyncio.current_task()])
    before = _held()
    for _ in range(TRIES):
        await live()
    left: list[str] = []

    def still_held() -> list[str]:
        left[:] = [f"{what}: +{n - before[what]}" for what, n in _held().items() if n >= before[what] + TRIES]
        return left

    await _settled(still_held)
    _demand(not left, f"after {TRIES} streams it still holds {', '.join(left)}")


def _held() -> dict[str, int]:
    gc.collect()
    pooled = ("asyncio_", "ThreadPoolExecutor")
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith(pooled)]
    descriptors = Path("/proc/self/fd")
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": len(threads),
        "open files": len(list(descriptors.iterdir())) if descriptors.exists() else 0,
    }


async def _settled(held: Callable[[], Sequence[Any]]) -> None:
    """Wait until nothing is held, or until no more of it is let go of."""
    before: Sequence[Any] = ()
    deadline = 0.0
    while now := list(held()):
        if now != before:
            before, deadline = now, time.perf_counter() + SETTLE_S
        elif time.perf_counter() > deadline:
            return
        await asyncio.sleep(0.01)


async def _does_not_block(trial: Trial) -> None:
    for _ in range(TRIES):
        trial.blocked_s = 0.0
        sink = trial.instance()
        await sink.open(stream(_ID))
        await sink.write(items(_ID))
        await sink.write(big_batch(_ID))
        for item in items(_ID, 1000):
            await sink.write_now(item)
        await sink.close()
        if not trial.blocked_s:
            return
    raise BrokenClause(
        f"it kept the event loop for {trial.blocked_s:.2f} s; use asyncio.to_thread, or declare it blocking"
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "declared",
        "a frozen config type that refuses unknown keys; a new instance for each stream; three verbs, "
        "coroutine functions unless it is declared blocking; write_now, if it has that, a plain function",
        _declared,
    ),
    Check("every_kind", "write gets frames of the kinds it asked for, and every event", _every_kind),
    Check("empty_stream", "a stream may begin and end without a write", _empty),
    Check(
        "hostile_names",
        "names, texts and ids are whatever somebody chose, and never reach a path",
        _nasty,
    ),
    Check("revoked", "after close with Outcome.ERASE nothing of the stream is left", _revoked),
    Check(
        "revoked_later",
        "a new instance, opened with resumed and closed with Outcome.ERASE, deletes what is there",
        _revoked_later,
    ),
    Check("failed_write", "close is called, and works, after a failed write", _failed_write),
    Check("same_batch_again", "a batch whose write failed may come again", _again),
    Check("cancelled_write", "a cancelled verb ends within 5 seconds, and close works after it", _cancelled),
    Check("big_batch", "60 s of sound may come at once", _big),
    Check("two_streams", "instances live side by side and do not touch what is another's", _two_at_once),
    Check("resumed_stream", "with resumed, go on with what an earlier instance began", _resumed),
    Check("lets_go", "when close returns, files, connections, tasks and threads are let go of", _lets_go),
    Check("does_not_block", "a coroutine must not block the event loop, nor must write_now", _does_not_block),
)
"""Every clause that can be tried from outside."""
