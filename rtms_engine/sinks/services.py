"""What the instances of one configured sink share, for as long as the engine runs."""

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self

from .base import UnixClock
from .registry import ReadySink


class _Running(NamedTuple):
    sink: ReadySink
    service: Any


class Services:
    """The services of sinks that have one (`SinkSpec.service`), while its ``async with`` block runs.

    Args:
        sinks: the configured sinks.
        unix_s: the wall clock, Unix seconds.
    """

    def __init__(self, sinks: Iterable[ReadySink], unix_s: UnixClock) -> None:
        self._sinks = [sink for sink in sinks if sink.spec.service]
        self._unix_s = unix_s
        self._running: dict[str, _Running] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start them. Raises ConfigError if one of them cannot work; then none runs."""
        async with AsyncExitStack() as stack:
            for sink in self._sinks:
                assert sink.spec.service is not None  # noqa: S101 - chosen so
                service = await stack.enter_async_context(sink.spec.service(sink.config, self._unix_s))
                self._running[sink.name] = _Running(sink, service)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.clear()
        await self._stack.aclose()

    def argument(self, sink: ReadySink) -> Any:
        """What ``sink.spec.factory`` is called with. Raises KeyError if its service does not run.

        A service whose sink is configured otherwise by now goes on as it was started.
        """
        if sink.spec.service is None:
            return sink.config
        running = self._running[sink.name]
        if running.sink.spec != sink.spec:
            raise KeyError(sink.name)
        return running.service

    def outdated(self, sinks: Iterable[ReadySink]) -> Sequence[str]:
        """The names of those sinks whose service would have to be started, or started anew."""
        return [
            sink.name
            for sink in sinks
            if sink.spec.service
            and (sink.name not in self._running or self._running[sink.name].sink.config != sink.config)
        ]
