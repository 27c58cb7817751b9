"""Joins a transport and the protocol that speaks over it, for one connection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..model.frames import KIND_OF_FRAME, Frame
from ..protocol.connection import Connection, Output
from ..protocol.events import ConnectionEvent, LegId, Silent
from ..transport.base import Transport
from ..wire.messages import Message
from .alarm import Alarm

P = TypeVar("P", bound=Connection)


class LegDriver(Generic[P]):
    """A `Receiver`: what a connection says goes into its protocol, the protocol's answers go out at
    once, frames go straight on, and what else happened goes to the worker.
    """

    def __init__(
        self,
        leg: LegId,
        generation: int,
        protocol: P,
        *,
        publish: Callable[[Frame], None],
        tell: Callable[["LegDriver[P]", ConnectionEvent], None],
        lost: Callable[["LegDriver[P]", str], None],
    ) -> None:
        self.leg = leg
        self.generation = generation
        self.protocol = protocol
        self.received = 0
        """Messages."""
        self.received_bytes = 0
        self.made_at = asyncio.get_running_loop().time()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._publish = publish
        self._tell = tell
        self._lost = lost
        self._time = asyncio.get_running_loop().time
        self._alarm = Alarm(protocol.deadline, self._ring)
        self._transport: Transport | None = None
        self._close_asked_at: float | None = None
        self._up_until: float | None = None
        """When it was closed, by whichever side was first, if it was up until then."""

    def __repr__(self) -> str:
        return f"<LegDriver {self.leg.name} generation={self.generation} {self.protocol!r}>"

    # --- Receiver ---

    @property
    def name(self) -> str:
        """The leg's."""
        return self.leg.name

    def connection_made(self, transport: Transport) -> None:
        """Say the handshake."""
        self._transport = transport
        self.protocol.connected(self._time())
        self.flush()
        self._alarm.arm()

    def message_received(self, message: bytes) -> None:
        """Answer first, then hand on."""
        self.received += 1
        self.received_bytes += len(message)
        protocol = self.protocol
        outputs = protocol.receive(message, self._time())
        if protocol.outgoing:
            self.flush()
            self._alarm.arm()  # the first keep-alive may have brought the deadline nearer
        self._hand_on(outputs)

    def take(self, message: Message) -> None:
        """A message that came over another connection and means this one."""
        self._hand_on(self.protocol.take(message, self._time()))

    def _hand_on(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if type(output) in KIND_OF_FRAME:
                self._publish(output)  # type: ignore[arg-type]  # so it is a frame; a cast would be a call
            else:
                self._tell(self, output)  # type: ignore[arg-type]

    def connection_lost(self, why: str, was_up: bool) -> None:
        """Tell the worker."""
        if was_up:
            asked_at = self._close_asked_at
            self._up_until = self._time() if asked_at is None else asked_at
        self._alarm.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
        self._lost(self, why)

    # --- the worker's side ---

    @property
    def last_up(self) -> float:
        """When it was last known to be up (loop's time): its end, or the last that was heard on it."""
        return self.protocol.last_heard if self._up_until is None else self._up_until

    @property
    def is_open(self) -> bool:
        """Whether there is a connection to close."""
        return self._transport is not None and not self.closed.done()

    def round_trip_s(self) -> float | None:
        """See `Transport`; None without one."""
        return self._transport.round_trip_s() if self._transport is not None and self.is_open else None

    def rearm(self) -> None:
        """To be called after something was said that may have moved the protocol's deadline."""
        self._alarm.arm()

    def flush(self) -> None:
        """Send what the protocol wants sent."""
        messages = self.protocol.data_to_send()
        if self._transport is not None:
            for message in messages:
                self._transport.send(message)

    def close(self) -> None:
        """Close in an orderly way; what is still on its way is still published."""
        self._close_asked_at = self._time()
        self._alarm.cancel()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._alarm.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _ring(self, now: float) -> None:
        events = self.protocol.on_deadline(now)
        self.flush()
        for event in events:
            if isinstance(event, Silent) and self._transport is not None:
                self._transport.abort()
            self._tell(self, event)
