"""One socket that says one message again and again, from a thread, as fast or as slowly as it is asked.

For `benchmarks.receive`: ``/SIZE/BURST/COUNT/PAUSE_US`` as the path says how large a payload, how many messages
in one write, how many in all, and how long between two writes. Prints its two ports (``ws``, ``wss``) and its
certificate as one line of JSON; the end of its input ends it.
"""

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import trustme

from .encoded import media_message

PICTURE_BYTES = 10_000
"""From here on a payload is a picture."""


def message(size_bytes: int) -> bytes:
    """What is said."""
    return media_message(15 if size_bytes >= PICTURE_BYTES else 14, size_bytes)


def frame(payload: bytes) -> bytes:
    """A text frame of a server."""
    if len(payload) < 2**16:
        return b"\x81\x7e" + struct.pack("!H", len(payload)) + payload
    return b"\x81\x7f" + struct.pack("!Q", len(payload)) + payload


def speak(sock: socket.socket) -> None:
    """Upgrade, and say it all."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += sock.recv(65_536)
    size, burst, count, pause_us = map(int, request.split()[1].decode().strip("/").split("/"))
    key = request.lower().partition(b"sec-websocket-key:")
    at = len(key[0]) + len(key[1])
    digest = hashlib.sha1(  # noqa: S324 - RFC 6455 wants it
        request[at:].split()[0] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    ).digest()
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    time.sleep(0.05)
    piece = frame(message(size)) * burst
    for _ in range(count // burst):
        sock.sendall(piece)
        if pause_us:
            time.sleep(pause_us / 1e6)
    sock.recv(65_536)


def accept(listening: socket.socket, tls: ssl.SSLContext | None) -> None:
    """A thread for each connection."""

    def converse(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            speak(tls.wrap_socket(sock, server_side=True) if tls else sock)
        sock.close()

    while True:
        sock, _ = listening.accept()
        threading.Thread(target=converse, args=(sock,), daemon=True).start()


def main() -> None:
    """Listen until the input ends."""
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    with tempfile.TemporaryDirectory() as folder:
        ca_file = Path(folder) / "ca.pem"
        ca.cert_pem.write_to_path(str(ca_file))
        ports = {}
        for scheme, context in (("ws", None), ("wss", tls)):
            listening = socket.create_server(("127.0.0.1", 0))
            ports[scheme] = listening.getsockname()[1]
            threading.Thread(target=accept, args=(listening, context), daemon=True).start()
        print(json.dumps({"ports": ports, "ca": str(ca_file)}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
