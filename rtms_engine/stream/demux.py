"""From one stream to its sinks, by kind."""

from collections.abc import Callable, Sequence

from ..model.events import StreamEvent
from ..model.frames import KIND_OF_FRAME, Frame
from ..model.media import MediaKind
from .sink_runner import SinkRunner


class Demultiplexer:
    """Hands every frame to the sinks that asked for its kind, and every event to all of them.

    Synchronous and without a copy: it is called from within the reader of a socket.
    """

    def __init__(self, runners: Sequence[SinkRunner]) -> None:
        self._wire(runners)
        self._received = dict.fromkeys(KIND_OF_FRAME, 0)
        self.first_at: float | None = None
        """When the first frame came (loop's time)."""
        self.publish: Callable[[Frame], None] = self._publish_first
        """Hand on one frame of media."""

    def attach(self, runner: SinkRunner) -> None:
        """One more sink, from now on."""
        self._wire([*self._all, runner])

    def detach(self, runner: SinkRunner) -> None:
        """It gets nothing more; without effect if it gets nothing already."""
        self._wire([one for one in self._all if one is not runner])

    def _wire(self, runners: Sequence[SinkRunner]) -> None:
        self._all = tuple(runners)
        self._offers = {
            frame_type: tuple(runner.offer for runner in runners if kind in runner.kinds)
            for frame_type, kind in KIND_OF_FRAME.items()
        }
        """Who is to be called with a frame, by its type."""

    def _publish_first(self, frame: Frame) -> None:
        self.first_at = frame.received_at
        self.publish = self._publish
        self._publish(frame)

    def _publish(self, frame: Frame) -> None:
        frame_type = type(frame)
        self._received[frame_type] += 1
        for offer in self._offers[frame_type]:
            offer(frame)

    def announce(self, event: StreamEvent) -> None:
        """One event of the stream."""
        for runner in self._all:
            runner.offer(event)

    def received(self) -> dict[MediaKind, int]:
        """Frames by kind so far."""
        return {KIND_OF_FRAME[frame_type]: count for frame_type, count in self._received.items()}
