"""WebSockets on asyncio: the sans-I/O core of `websockets`, fed by an `asyncio.Protocol`.

There is no task and no queue between the socket and the receiver: what arrives is parsed and handed on
in the same call. The library's own client would put both in between, and a keep-alive would
wait behind them. Compression is not offered, no pings are sent (keep-alive is RTMS's own, V1.md
§3.1), pings are answered by the core.
"""

import asyncio
import ssl
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from ..errors import ConnectFailed
from .base import Receiver
from .dialing import dial
from .endpoint import Endpoint
from .round_trip import round_trip_s

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A key frame in Base64 exceeds the usual limit of 1 MiB by far (V1.md §3.1)."""
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0


class WebSocketConnector:
    """Opens ``wss://`` (and, where the policy let it pass, ``ws://``) endpoints."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """See `rtms_engine.transport.base.Connector`."""
        loop = asyncio.get_running_loop()
        try:
            uri = parse_uri(endpoint.url)
        except InvalidURI as error:
            raise ConnectFailed(endpoint.url, str(error)) from error
        core = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
        connection = _Connection(endpoint.url, core, receiver, loop.create_future())
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await loop.create_connection(
                    lambda: connection,
                    sock=await dial(endpoint),
                    ssl=self._tls if endpoint.secure else None,
                    server_hostname=endpoint.host if endpoint.secure else None,
                )
                await connection.opened
        except TimeoutError:
            raise ConnectFailed(endpoint.url, f"no answer within {OPEN_TIMEOUT_S:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be one
            raise ConnectFailed(endpoint.url, str(error)) from error
        finally:
            connection.give_up_unless_open()


class _Connection(asyncio.Protocol):
    """One WebSocket, used once."""

    def __init__(
        self, url: str, core: ClientProtocol, receiver: Receiver, opened: "asyncio.Future[None]"
    ) -> None:
        self.opened = opened
        self._url = url
        self._core = core
        self._receiver = receiver
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] = []
        self._close_timer: asyncio.TimerHandle | None = None
        self._is_aborted = False

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self._core.send_request(self._core.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._core.receive_data(data)
        self._flush()
        for event in self._core.events_received():
            if self._transport is None or self._transport.is_closing():
                return  # aborted by the receiver: no message after that
            if isinstance(event, Frame):
                self._frame_received(event)
            elif isinstance(event, Response):
                self._response_received()
        if self._core.close_expected():
            self._expect_close()

    def eof_received(self) -> None:
        self._core.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._core.receive_eof()
        if self._close_timer is not None:
            self._close_timer.cancel()
        if not self.opened.done():
            why = self._core.handshake_exc or exc or "closed before the WebSocket handshake was done"
            self.opened.set_exception(ConnectFailed(self._url, str(why)))
        elif self._is_made():
            # A reset is believed only if it follows the last byte in order (RFC 5961 §3.2).
            was_up = not self._is_aborted and (exc is None or isinstance(exc, ConnectionError))
            self._receiver.connection_lost(self._farewell(exc), was_up)

    # --- our side: Transport ---

    def send(self, message: bytes) -> None:
        if self._core.state is OPEN:
            self._core.send_text(message)
            self._flush()

    def close(self) -> None:
        if self._core.state is OPEN:
            self._core.send_close(1000)
            self._flush()
            self._expect_close()

    def abort(self) -> None:
        self._is_aborted = True
        if self._transport is not None:
            self._transport.abort()

    def round_trip_s(self) -> float | None:
        return round_trip_s(self._transport)

    # --- between ---

    def give_up_unless_open(self) -> None:
        """Leave nothing behind of an attempt that failed or was cancelled."""
        if not self._is_made():
            self.opened.cancel()
            self.abort()

    def _is_made(self) -> bool:
        return self.opened.done() and not self.opened.cancelled() and self.opened.exception() is None

    def _response_received(self) -> None:
        # Not by the core's state: it has seen all that came with the answer, even a close.
        if self._core.handshake_exc is None and not self.opened.done():
            self.opened.set_result(None)
            self._receiver.connection_made(self)
        else:
            self.abort()

    def _frame_received(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.fin and not self._fragments:
                self._receiver.message_received(bytes(frame.data))
                return
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._fragments)
                self._fragments.clear()
                self._receiver.message_received(message)

    def _flush(self) -> None:
        """Write what the core wants written; an empty piece means the end of our side."""
        if self._transport is None or self._transport.is_closing():
            return
        for piece in self._core.data_to_send():
            if piece:
                self._transport.write(piece)
            else:
                self._transport.close()

    def _expect_close(self) -> None:
        if self._close_timer is None:
            self._close_timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self.abort)

    def _farewell(self, exc: Exception | None) -> str:
        """How it ended, with the close code: the only hint that Zoom gives (V1.md §12, Q24)."""
        received, sent = self._core.close_rcvd, self._core.close_sent
        if received is not None:
            return f"closed by the server with {received}"
        if sent is not None:
            return f"closed by us with {sent}"
        return f"lost without a close frame{f': {exc}' if exc else ''}"
