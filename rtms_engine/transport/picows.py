"""WebSockets by `picows`: frames are cut, and TLS is spoken, in C.

A drop-in for `websocket`, which costs half as much again for every frame and six times as much in a burst
(``python -m benchmarks.receive``). What `picows` leaves to its user is here: whole messages from
fragments, the closing handshake, and nothing left open by an attempt that was given up.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import SupportsInt, cast

import picows
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSParsedURL, WSTransport
from websockets.frames import Close

from ..errors import ConnectFailed
from .base import Receiver
from .dialing import dial
from .endpoint import Endpoint
from .inbox import Inbox
from .round_trip import round_trip_s
from .websocket import CLOSE_TIMEOUT_S, MAX_MESSAGE_BYTES, OPEN_TIMEOUT_S

READ_BUFFER_BYTES = 16 * 1024
"""One record of TLS. It grows with the largest message, and three of them are open for every stream."""

logging.getLogger("rtms_engine.picows").setLevel(logging.CRITICAL + 1)
_SILENT = logging.LoggerAdapter(logging.getLogger("rtms_engine.picows"), {})
"""What there is to say, the worker says; an adapter, because a logger would get a child for each connection."""
_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_NO_CODE = 1005
"""How a close frame without a code is written (RFC 6455 §7.1.5)."""


class PicowsConnector:
    """Opens ``wss://`` (and, where the policy let it pass, ``ws://``) endpoints."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._inbox = Inbox()

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> None:
        """See `rtms_engine.transport.base.Connector`."""
        connection = _Connection(receiver, self._inbox)
        way = _Way(endpoint)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await picows.ws_connect(
                    lambda: connection,
                    endpoint.url,
                    ssl_context=self._tls if endpoint.secure else None,
                    server_hostname=endpoint.host if endpoint.secure else None,
                    websocket_handshake_timeout=None,
                    logger_name=_SILENT,
                    max_frame_size=MAX_MESSAGE_BYTES,
                    max_redirects=0,
                    read_buffer_init_size=READ_BUFFER_BYTES,
                    socket_factory=way.open,
                )
        except TimeoutError:
            raise ConnectFailed(endpoint.url, f"no answer within {OPEN_TIMEOUT_S:g} s") from None
        except WSHandshakeError as error:
            raise ConnectFailed(endpoint.url, _refusal(error)) from error
        except (OSError, ValueError, picows.WSError) as error:  # ValueError: a host name that cannot be one
            raise ConnectFailed(endpoint.url, str(error)) from error
        finally:
            if not connection.is_made:
                connection.is_wanted = False
                way.cut()
        if not connection.is_made:
            raise ConnectFailed(endpoint.url, "closed before the WebSocket handshake was done")


def _refusal(error: WSHandshakeError) -> str:
    if error.response is not None and error.response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        return f"server rejected WebSocket connection: HTTP {int(error.response.status)}"
    return str(error)


class _Way:
    """The socket of one attempt: in our hands, so that it can be cut when the attempt is given up."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    async def open(self, _: WSParsedURL) -> socket.socket:
        """See `dial`."""
        self._socket = await dial(self._endpoint)
        return self._socket

    def cut(self) -> None:
        """Whoever holds the socket now finds its end, and closes it."""
        if self._socket is not None and self._socket.fileno() >= 0:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket.close()


class _Connection(WSListener):
    """One WebSocket, used once: ours to `picows`, and the receiver's `Transport`."""

    def __init__(self, receiver: Receiver, inbox: Inbox) -> None:
        self.is_wanted = True
        self.is_made = False
        self._receiver = receiver
        self._inbox = inbox
        self.deliver: Callable[[bytes], None] = receiver.message_received
        self._transport: WSTransport | None = None
        self._fragments: list[bytes] = []
        self._is_closing = False
        self._is_aborted = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._close_received: Close | None = None
        self._asking: asyncio.Task[None] | None = None

    # --- the side of picows ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        if not self.is_wanted:
            transport.disconnect(graceful=False)
            return
        self._transport = transport
        self.is_made = True
        self._receiver.connection_made(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if transport.is_close_frame_sent and not self._is_closing:
            return  # what came was too large, or no WebSocket at all
        if kind is _TEXT or kind is _BINARY or kind is _CONTINUATION:
            if frame.fin and not self._fragments:
                self._inbox.put(self, frame.get_payload_as_bytes())
            else:
                self._fragment_received(frame)
        elif kind is WSMsgType.CLOSE:
            self._close_frame_received(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._inbox.empty()
        if self.is_made:
            # picows does not tell a timeout of TCP from the rest; silence ends a connection long before one
            self._receiver.connection_lost(self._farewell(transport), was_up=not self._is_aborted)
        if transport.is_close_frame_sent and not self._is_closing:
            # picows keeps why it closed for whoever asks; if nobody does, asyncio says so in the log
            name = "picows:why"
            self._asking = asyncio.get_running_loop().create_task(_ask_why(transport), name=name)

    # --- our side: Transport ---

    def send(self, message: bytes) -> None:
        if self._transport is not None and not self._is_closing:
            self._transport.send(WSMsgType.TEXT, message)

    def close(self) -> None:
        if self._transport is not None and not self._is_closing:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._expect_close()

    def abort(self) -> None:
        self._is_aborted = True
        self.deliver = _to_nobody
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def round_trip_s(self) -> float | None:
        return round_trip_s(self._transport.underlying_transport if self._transport is not None else None)

    # --- between ---

    def _fragment_received(self, frame: WSFrame) -> None:
        self._fragments.append(frame.get_payload_as_bytes())
        if sum(map(len, self._fragments)) > MAX_MESSAGE_BYTES:
            raise picows.WSProtocolError(picows.WSCloseCode.MESSAGE_TOO_BIG, "message too big")
        if frame.fin:
            message = b"".join(self._fragments)
            self._fragments.clear()
            self._inbox.put(self, message)

    def _close_frame_received(self, transport: WSTransport, frame: WSFrame) -> None:
        """Say it back, and let the server close the socket first (RFC 6455 §7.1.1)."""
        payload = frame.get_payload_as_bytes()
        code = int.from_bytes(payload[:2], "big") or _NO_CODE
        self._close_received = Close(code, payload[2:].decode(errors="replace"))
        if not self._is_closing:
            transport.send(WSMsgType.CLOSE, payload[:2])
        self._expect_close()

    def _expect_close(self) -> None:
        self._is_closing = True
        if self._close_timer is None:
            self._close_timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self.abort)

    def _farewell(self, transport: WSTransport) -> str:
        """How it ended, with the close code: the only hint that Zoom gives (V1.md §12, Q24)."""
        if self._close_received is not None:
            return f"closed by the server with {self._close_received}"
        sent = transport.close_handshake.sent if transport.close_handshake else None
        if sent is not None:
            return f"closed by us with {Close(int(cast(SupportsInt, sent.code)), sent.reason)}"
        return "lost without a close frame"


async def _ask_why(transport: WSTransport) -> None:
    """Why picows closed; `_Connection._farewell` has said it already. A defect of ours is raised."""
    with contextlib.suppress(picows.WSError):
        await transport.wait_disconnected()


def _to_nobody(_: bytes) -> None:
    """After an abort, no message is delivered (see `Transport.abort`)."""
