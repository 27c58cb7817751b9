"""Listens at the border of a stream: a connector around another one, and the sink that ends the tape.

Neither the worker nor the connector inside can tell that somebody listens.
"""

import asyncio
import itertools
from collections.abc import Sequence

from ..errors import ConnectFailed
from ..model.reasons import Outcome
from ..model.signals import StreamSignal
from ..sinks.base import Ending, Item, StreamInfo
from ..transport.base import Connector, Receiver, Transport
from ..transport.endpoint import Endpoint
from .format import Head, Kind, encode_head, encode_signal
from .redact import redact_signal, redact_url, redact_urls
from .tape import Tape, TapeWriter, encode_ending


class CapturingConnector:
    """See `rtms_engine.transport.base.Connector`; notes everything that passes."""

    def __init__(self, connector: Connector, tape: Tape) -> None:
        self._connector = connector
        self._tape = tape
        self._numbers = itertools.count(1)

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """See `Connector`. Raises ConnectFailed."""
        line = _Line(self._tape, receiver, next(self._numbers))
        line.note(Kind.CONNECTING, redact_url(endpoint.url).encode())
        try:
            await self._connector.connect(endpoint, line)
        except ConnectFailed as error:
            line.note(Kind.FAILED, redact_urls(error.why).encode())
            raise
        except asyncio.CancelledError:
            line.note(Kind.FAILED, b"cancelled")
            raise


class _Line:
    """One connection: the receiver that the transport sees, and the transport that the receiver sees."""

    def __init__(self, tape: Tape, receiver: Receiver, number: int) -> None:
        self._note = tape.note
        self._receiver = receiver
        self._hear = receiver.message_received
        self._number = number
        self._leg = receiver.name
        self._time = asyncio.get_running_loop().time
        self._transport: Transport | None = None

    @property
    def name(self) -> str:
        """See `Receiver`."""
        return self._leg

    def note(self, kind: Kind, data: bytes = b"") -> None:
        """Something happened to this connection."""
        self._note(self._time(), kind, self._leg, self._number, data)

    # --- Receiver ---

    def connection_made(self, transport: Transport) -> None:
        """See `Receiver`."""
        self._transport = transport
        self.note(Kind.CONNECTED)
        self._receiver.connection_made(self)

    def message_received(self, message: bytes) -> None:
        """See `Receiver`."""
        self._note(self._time(), Kind.RECEIVED, self._leg, self._number, message)
        self._hear(message)

    def connection_lost(self, why: str, was_up: bool) -> None:
        """See `Receiver`."""
        self.note(Kind.LOST if was_up else Kind.BROKEN, why.encode("utf-8", "replace"))
        self._receiver.connection_lost(why, was_up)

    # --- Transport ---

    def send(self, message: bytes) -> None:
        """See `Transport`."""
        self.note(Kind.SENT, message)
        if self._transport is not None:
            self._transport.send(message)

    def close(self) -> None:
        """See `Transport`."""
        self.note(Kind.CLOSING, b"close")
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """See `Transport`."""
        self.note(Kind.CLOSING, b"abort")
        if self._transport is not None:
            self._transport.abort()

    def round_trip_s(self) -> float | None:
        """See `Transport`."""
        return self._transport.round_trip_s() if self._transport is not None else None


class Witness:
    """Notes what the worker hears from elsewhere: see `rtms_engine.stream.worker.Environment`."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def began(self, head: Head) -> None:
        """First of all."""
        self._note(Kind.STREAM, encode_head(head))

    def signal(self, signal: StreamSignal) -> None:
        """A webhook speaks of the stream."""
        self._note(Kind.SIGNAL, encode_signal(redact_signal(signal)))

    def request(self, what: str) -> None:
        """Somebody wants the stream to ``end``, or us to ``release`` it."""
        self._note(Kind.REQUEST, what.encode())

    def _note(self, kind: Kind, data: bytes) -> None:
        self._tape.note(asyncio.get_running_loop().time(), kind, "", 0, data)


class CaptureSink:
    """Ends the tape with its stream, and deletes it if the right to it is revoked. It takes no media."""

    def __init__(self, tape: Tape, writer: TapeWriter) -> None:
        self._tape = tape
        self._writer = writer

    async def open(self, stream: StreamInfo) -> None:
        """Begin to write."""
        self._writer.add(self._tape)

    async def write(self, batch: Sequence[Item]) -> None:
        """Events are on the wire, and so on the tape already."""

    async def close(self, ending: Ending) -> None:
        """Write what is left, or delete everything. Raises SinkError if that is not possible."""
        data = encode_ending(
            int(ending.stop_reason), ending.timestamp_ms, ending.detail, is_released=ending.is_released
        )
        self._tape.note(asyncio.get_running_loop().time(), Kind.END, "", 0, data)
        await self._writer.finish(self._tape, erase=ending.stop_reason.outcome is Outcome.ERASE)


class ErasingSink(CaptureSink):
    """Captures nothing, but deletes what an earlier engine captured of a stream that is revoked."""

    async def open(self, stream: StreamInfo) -> None:
        """Nothing to begin."""

    async def close(self, ending: Ending) -> None:
        """Delete everything, if that is how the stream ended. Raises SinkError if that is not possible."""
        if ending.stop_reason.outcome is Outcome.ERASE:
            await self._writer.finish(self._tape, erase=True)
