"""A sink under trial: made ready, called as the engine calls it, and what it stores.

What the checks of `rtms_engine.testing.checks` are made of.
"""

import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from ..model.frames import KIND_OF_FRAME
from ..sinks import registry
from ..sinks.base import BlockingSink, Ending, Item, NoConfig, Sink, SinkSpec, StreamInfo
from ..sinks.registry import ReadySink, SinkConfig
from ..sinks.services import Services
from ..stream.sink_call import call, watched
from ..stream.threaded_sink import ThreadedSink
from .items import FINISHED

VERB_S = 20.0
"""How long one verb may take here before the check fails."""

Subject = SinkConfig | SinkSpec | type[Any] | Callable[[], Any]
"""What can be checked: a configured sink, a spec without required keys, a class, or a function that makes
an instance."""


def ready_of(subject: Subject) -> ReadySink:
    """Make a subject ready. Raises ConfigError if that is not possible."""
    if isinstance(subject, SinkConfig):
        return registry.build(subject)
    if isinstance(subject, SinkSpec):
        return registry.ready(subject, subject.name, subject.kinds, subject.config_type())
    if isinstance(subject, type):
        spec = registry.spec_of(subject.__name__, subject)
    else:
        made = subject()
        spec = registry.spec_of(type(made).__name__, type(made))
        spec = msgspec.structs.replace(spec, factory=lambda _: subject(), config_type=NoConfig)
    return registry.ready(spec, spec.name, spec.kinds, spec.config_type())


@asynccontextmanager
async def on_trial(ready: ReadySink, stored_in: Path | None) -> AsyncIterator["Trial"]:
    """Try a sink in an empty directory, with its service running. Raises ConfigError if that cannot."""
    if stored_in is not None:
        _empty_directory(stored_in)
    async with Services([ready], time.time) as services:  # noqa: TID251 - a test is its own root
        yield Trial(ready, stored_in, services)


def _empty_directory(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


class Trial:
    """The sink in one check."""

    def __init__(self, ready: ReadySink, stored_in: Path | None, services: Services) -> None:
        self.ready = ready
        self.stored_in = stored_in
        self.blocked_s = 0.0
        """The longest time for which a verb kept the loop."""
        self._services = services

    def make(self) -> Any:
        """An instance, as its factory gives it."""
        return self.ready.spec.factory(self._services.argument(self.ready))

    def instance(self) -> "Instance":
        """An instance to be called."""
        made = self.make()
        if self.ready.spec.blocking:
            made = ThreadedSink(cast(BlockingSink, made), self.ready.name)
        return Instance(self, made)

    def wanted(self, batch: Sequence[Item]) -> list[Item]:
        """What of a batch this sink asks for."""
        return [item for item in batch if KIND_OF_FRAME.get(type(item)) in {None, *self.ready.kinds}]

    def stored(self) -> str:
        """Everything that is stored, with the names of the files, as text to search in."""
        return "\n".join(f"{path.relative_to(self.root)}\n{text_of(path)}" for path in self.files())

    def files(self) -> Iterator[Path]:
        """The files that are stored."""
        if self.stored_in is not None:
            yield from (path for path in sorted(self.stored_in.rglob("*")) if not path.is_dir())

    @property
    def root(self) -> Path:
        """Where files are stored."""
        return self.stored_in or Path()

    @contextmanager
    def disk_gone(self) -> Iterator[None]:
        """Take the directory away, as when a disk is unmounted: a file is in its place meanwhile."""
        if self.stored_in is None:
            yield
            return
        elsewhere = self.stored_in.with_name(f"{self.stored_in.name}.gone")
        self.stored_in.rename(elsewhere)
        self.stored_in.touch()
        try:
            yield
        finally:
            self.stored_in.unlink()
            elsewhere.rename(self.stored_in)

    def note_blocked(self, took_s: float) -> None:
        """A verb kept the loop."""
        self.blocked_s = max(self.blocked_s, took_s)


def text_of(path: Path) -> str:
    """The content of a file, as text to search in; none if it is none."""
    return path.read_bytes().decode("latin-1") if path.is_file() else ""


class Instance:
    """One instance of the sink, called as the engine calls it."""

    def __init__(self, trial: Trial, sink: Sink) -> None:
        self._trial = trial
        self._sink = sink

    async def open(self, info: StreamInfo) -> None:
        """Call it."""
        await self._call(self._sink.open, info)

    async def write(self, batch: Sequence[Item]) -> None:
        """Call it with what it wants of a batch, if that is anything."""
        if wanted := tuple(self._trial.wanted(batch)):
            await self._call(self._sink.write, wanted)

    async def write_now(self, item: Item) -> None:
        """Give it one item as that comes, if it can take it so and wants it."""
        take = getattr(self._sink, "write_now", None)
        if take is None:
            await self.write([item])
        elif self._trial.wanted([item]):
            rest = watched(take, item, self._trial.note_blocked)
            if rest is not None:
                await self._call(lambda _: rest, item)

    async def write_anything(self, batch: Any) -> None:
        """Call it with a batch that it may not want."""
        await self._call(self._sink.write, batch)

    async def close(self, ending: Ending = FINISHED) -> None:
        """Call it."""
        await self._call(self._sink.close, ending)

    async def _call(self, verb: Callable[[Any], Awaitable[None]], argument: Any) -> None:
        await call(verb, argument, timeout_s=VERB_S, blocked=self._trial.note_blocked)
