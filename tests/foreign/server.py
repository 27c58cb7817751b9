"""A second fake of Zoom's RTMS servers, written from the protocol text alone: strict in what it accepts from
a client, liberal in what it sends. It shares no code with the project."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import http
import json
import random
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import aiohttp
import trustme
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Json = dict[str, Any]
T = TypeVar("T")

AUDIO, VIDEO, SHARE, TRANSCRIPT, CHAT, ALL = 1, 2, 4, 8, 16, 32
URL_KEYS = {
    AUDIO: "audio",
    VIDEO: "video",
    SHARE: "deskshare",
    TRANSCRIPT: "transcript",
    CHAT: "chat",
    ALL: "all",
}
MESSAGE_KIND = {14: AUDIO, 15: VIDEO, 16: SHARE, 17: TRANSCRIPT, 18: CHAT}
MESSAGE_NAMES = {
    2: "SIGNALING_HAND_SHAKE_RESP",
    4: "DATA_HAND_SHAKE_RESP",
    6: "EVENT_UPDATE",
    8: "STREAM_STATE_UPDATE",
    9: "SESSION_STATE_UPDATE",
    12: "KEEP_ALIVE_REQ",
    14: "MEDIA_DATA_AUDIO",
    15: "MEDIA_DATA_VIDEO",
    16: "MEDIA_DATA_SHARE",
    17: "MEDIA_DATA_TRANSCRIPT",
    18: "MEDIA_DATA_CHAT",
}
STREAM_STATES = {1: "ACTIVE", 2: "INTERRUPTED", 3: "TERMINATING", 4: "TERMINATED", 5: "PAUSED", 6: "RESUMED"}
ANSWER_WITHIN = 1.0  # seconds for a keep-alive answer
HANDSHAKE_WITHIN = 5.0  # seconds from the open socket to its first message
DEFAULTS: dict[str, Json] = {
    "audio": {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 1, "send_rate": 20},
    "video": {"content_type": 3, "codec": 5, "resolution": 2, "data_opt": 3, "fps": 5},
    "deskshare": {"content_type": 3, "codec": 5, "resolution": 3, "fps": 1},
    "transcript": {"content_type": 5, "src_language": 9, "enable_lid": True},
    "chat": {"content_type": 5},
}


def rtms_signature(client_id: str, client_secret: str, entity: str, stream_id: str) -> str:
    """Compute the handshake signature of chapter 2."""
    message = f"{client_id},{entity},{stream_id}".encode()
    return hmac.new(client_secret.encode(), message, hashlib.sha256).hexdigest()


def webhook_signature(secret_token: str, timestamp: str, body: bytes) -> str:
    """Compute the value of x-zm-signature."""
    message = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret_token.encode(), message, hashlib.sha256).hexdigest()


def now_ms() -> int:
    """Return the Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class App:
    """One Marketplace app as Zoom knows it."""

    client_id: str
    client_secret: str
    secret_token: str


@dataclass
class Plan:
    """Which of the permitted variants the server sends for one stream."""

    frames: Literal["text", "binary", "alternate"] = "text"
    fragments: bool = False
    string_ids: bool = False
    names: bool = True
    extra_keys: bool = False
    keepalive: Literal["plain", "sequence", "varied"] = "sequence"
    keepalive_every: float = 0.2
    keepalive_before_handshake: bool = False
    urls: Literal["each", "no_all", "only_all", "same"] = "each"
    share_key: str = "deskshare"
    payload_encrypted: bool = False
    echo_params: bool = True
    events_on_media: bool = False
    content: Literal["object", "string", "flat"] = "object"
    numbers_as_names: bool = False
    before_handshake: dict[int, list[Json]] = field(default_factory=dict)
    refuse: dict[int, list[int]] = field(
        default_factory=dict
    )  # statuses of the next handshakes, by media_type
    signaling_status: list[int] = field(
        default_factory=list
    )  # of the next handshakes; -1 closes without a word
    grant: dict[str, Json] = field(default_factory=dict)  # what msg 4 changes of the media_params asked for


@dataclass
class KeepAlive:
    """One keep-alive request and when it was answered."""

    sent: float
    timestamp: int | None
    sequence: int | None
    answered: float | None = None


class LagMeter:
    """How late this process itself was, so that its own delay is not blamed on the client."""

    def __init__(self) -> None:
        self._lags: list[tuple[float, float]] = []

    async def run(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.05)
            after = time.monotonic()
            if after - before > 0.1:
                self._lags.append((after, after - before - 0.05))

    def during(self, start: float, end: float) -> float:
        """Return the total delay of this process between two instants."""
        return sum(lag for at, lag in self._lags if at >= start and at - lag <= end)


class Socket:
    """One accepted connection of the client, with everything that was said on it."""

    def __init__(
        self, stream: "Stream", role: Literal["signaling", "media"], key: str, ws: ServerConnection
    ) -> None:
        self.stream = stream
        self.role = role
        self.key = key
        self.ws = ws
        self.opened = time.monotonic()
        self.received: list[tuple[float, Json]] = []
        self.handshake: Json | None = None
        self.accepted: float | None = None
        self.rejected = False
        self.acked: float | None = None
        self.closed: float | None = None
        self.close_code: int | None = None
        self.closing_by_server = False
        self.keepalives: list[KeepAlive] = []
        self.effective: dict[str, Json] = {}
        self._count = 0
        self._pulse: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else "rejected" if self.rejected else "open"
        return f"<{self.role} {self.key} {state} received={[m.get('msg_type') for _, m in self.received]}>"

    @property
    def media_type(self) -> int | None:
        return self.handshake.get("media_type") if self.handshake and self.role == "media" else None

    def sent_types(self) -> list[Any]:
        """Return the msg_type of everything the client sent here."""
        return [message.get("msg_type") for _, message in self.received]

    def violate(self, text: str) -> None:
        self.stream.violate(f"{self.role} socket {self.key}: {text}")

    # -- sending -----------------------------------------------------------------------------------

    async def send(self, message: Json) -> None:
        """Send one message in the variant of the plan."""
        plan = self.stream.plan
        if plan.numbers_as_names:
            message = self._as_names(message)
        if plan.extra_keys:
            message = {"x_new_key": {"nested": [1, None, "é"]}, **message, "x_other": 1.5}
        payload = json.dumps(message, ensure_ascii=False).encode()
        self._count += 1
        binary = plan.frames == "binary" or (plan.frames == "alternate" and self._count % 2 == 0)
        pieces: Sequence[bytes] | bytes = payload
        if plan.fragments and self._count % 3 != 1:
            cut = max(1, len(payload) // 3)  # may cut a UTF-8 sequence in two
            pieces = [payload[:cut], payload[cut : 2 * cut], b"", payload[2 * cut :]]
        await self.send_raw(pieces, text=not binary)

    def _as_names(self, message: Json) -> Json:
        number = message.get("msg_type")
        named = MESSAGE_NAMES.get(number) if isinstance(number, int) and self._count % 2 else None
        changed = {**message, "msg_type": named or str(number)}
        if "status_code" in message:
            changed["status_code"] = (
                "STATUS_OK" if message["status_code"] == 0 else str(message["status_code"])
            )
        if number == 8:
            changed["state"] = STREAM_STATES.get(message["state"], str(message["state"]))
        if message.get("reason") == 6:
            changed["reason"] = "STOP_BC_MEETING_ENDED"
        return changed

    async def send_raw(self, data: Sequence[bytes] | bytes, *, text: bool) -> None:
        """Send bytes as they are, in a text or a binary frame; a dead socket is the reader's business."""
        with contextlib.suppress(ConnectionClosed):
            await self.ws.send(data, text=text)

    async def keep_alive(self) -> KeepAlive:
        """Send one keep-alive request."""
        number = len(self.keepalives)
        style = self.stream.plan.keepalive
        timestamp: int | None = now_ms() + number  # unique on this socket
        sequence: int | None = number + 1
        if style == "plain" or (style == "varied" and number % 3 == 1):
            sequence = None
        if style == "varied" and number % 3 == 2:
            timestamp = sequence = None
        request: Json = {"msg_type": 12}
        if timestamp is not None:
            request["timestamp"] = timestamp
        if sequence is not None:
            request["sequence"] = sequence
        record = KeepAlive(time.monotonic(), timestamp, sequence)
        self.keepalives.append(record)
        await self.send(request)
        return record

    def start_keep_alives(self) -> None:
        if self._pulse is None:
            self._pulse = asyncio.create_task(self._keep_alives())

    async def _keep_alives(self) -> None:
        while self.closed is None:
            await self.keep_alive()
            await asyncio.sleep(self.stream.plan.keepalive_every)

    async def close(self, code: int = 1000) -> None:
        """Close in the orderly way."""
        self.closing_by_server = True
        await self.ws.close(code)

    def reset(self) -> None:
        """Tear the TCP connection down with a reset."""
        self.closing_by_server = True
        raw = self.ws.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ws.transport.abort()

    # -- receiving ---------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Read until the end of the connection."""
        if self.stream.plan.keepalive_before_handshake:
            self.start_keep_alives()
        watchdog = asyncio.create_task(self._expect_handshake())
        try:
            async for frame in self.ws:
                await self._on_frame(frame)
                self.stream.changed()
        except ConnectionClosed:
            pass
        finally:
            self.closed = time.monotonic()
            received = self.ws.protocol.close_rcvd
            self.close_code = received.code if received else None
            watchdog.cancel()
            if self._pulse:
                self._pulse.cancel()
            await asyncio.gather(watchdog, *([self._pulse] if self._pulse else []), return_exceptions=True)
            self._check_end()
            self.stream.changed()

    async def _expect_handshake(self) -> None:
        await asyncio.sleep(HANDSHAKE_WITHIN)
        if self.handshake is None:
            self.violate(f"no handshake within {HANDSHAKE_WITHIN} s of opening")

    def _check_end(self) -> None:
        assert self.closed is not None
        for record in self.keepalives:
            if record.answered is None and self.closed - record.sent > ANSWER_WITHIN + self._lag(
                record.sent, self.closed
            ):
                self.violate(f"keep-alive {record.timestamp} never answered, socket closed "
                             f"{self.closed - record.sent:.2f} s later")  # fmt: skip
        if not self.closing_by_server and self.close_code not in (1000, 1001):
            self.violate(f"client did not close in order: close frame {self.close_code}")

    def _lag(self, start: float, end: float) -> float:
        return self.stream.zoom.lag.during(start, end)

    async def _on_frame(self, frame: str | bytes) -> None:
        try:
            message = json.loads(frame)
        except ValueError:
            self.violate(f"sent something that is not JSON: {frame[:80]!r}")
            return
        if not isinstance(message, dict):
            self.violate(f"sent JSON that is no object: {frame[:80]!r}")
            return
        self.received.append((time.monotonic(), message))
        kind = message.get("msg_type")
        if not _is_int(kind):
            self.violate(f"msg_type is not an integer: {kind!r}")
            return
        if self.rejected and kind != 13:
            self.violate(f"used again after its handshake was refused: msg {kind}")
            return
        if kind == 13:
            self._on_keep_alive_answer(message)
        elif kind == 12:
            self.violate("client sent msg 12")
        elif kind in (1, 3):
            await self._on_handshake(kind, message)
        elif kind in (5, 7, 10, 19, 21, 28):
            await self._on_signaling(kind, message)
        else:
            self.violate(f"client sent msg {kind}")

    def _on_keep_alive_answer(self, message: Json) -> None:
        now = time.monotonic()
        open_requests = [record for record in self.keepalives if record.answered is None]
        stamp = message.get("timestamp")
        if not _is_int(stamp):
            self.violate(f"keep-alive answer without an integer timestamp: {message}")
            return
        match = next((record for record in open_requests if record.timestamp == stamp), None)
        match = match or next((record for record in open_requests if record.timestamp is None), None)
        if match is None:
            self.violate(f"keep-alive answer to nothing that was asked here: {message}")
            return
        assert isinstance(stamp, int)
        if match.timestamp is None and abs(now_ms() - stamp) > 5_000:
            self.violate(f"answer to a keep-alive without timestamp must carry the current ms: {message}")
        if match.sequence is not None and not (
            _is_int(message.get("sequence")) and message["sequence"] == match.sequence
        ):
            self.violate(f"keep-alive sequence {match.sequence} not echoed: {message}")
        match.answered = now
        took = now - match.sent - self._lag(match.sent, now)
        if took > ANSWER_WITHIN:
            self.violate(f"keep-alive answered only after {took:.2f} s")

    def _check_identity(self, kind: int, message: Json) -> None:
        stream = self.stream
        for key in ("protocol_version", *(("sequence",) if kind == 1 or "sequence" in message else ())):
            if not _is_int(message.get(key)):
                self.violate(f"msg {kind} {key} is not an integer: {message.get(key)!r}")
        if message.get("protocol_version") != 1:
            self.violate(f"msg {kind} protocol_version {message.get('protocol_version')!r}")
        if message.get("rtms_stream_id") != stream.stream_id:
            self.violate(f"msg {kind} rtms_stream_id {message.get('rtms_stream_id')!r}")
        for key in {"meeting_uuid", stream.entity_key}:
            if message.get(key) != stream.entity:
                self.violate(f"msg {kind} {key} {message.get(key)!r}, expected {stream.entity!r}")
        if message.get("signature") != stream.signature:
            self.violate(f"msg {kind} wrong signature")

    async def _on_handshake(self, kind: int, message: Json) -> None:
        if (kind == 1) != (self.role == "signaling"):
            self.violate(f"msg {kind} on a {self.role} socket")
            return
        if self.handshake is not None:
            self.violate(f"second msg {kind} on one socket")
            return
        self._check_identity(kind, message)
        if kind == 1:
            await self._on_signaling_handshake(message)
        else:
            await self._on_media_handshake(message)

    async def _on_signaling_handshake(self, message: Json) -> None:
        known = {"msg_type", "protocol_version", "sequence", "rtms_stream_id", "signature", "buffer_data",
                 "rtms_client_agent", "meeting_uuid", self.stream.entity_key}  # fmt: skip
        if extra := set(message) - known:
            self.violate(f"msg 1 has keys that do not belong there: {sorted(extra)}")
        if not isinstance(message.get("buffer_data", True), bool):
            self.violate(f"msg 1 buffer_data is no boolean: {message['buffer_data']!r}")
        self.handshake = message
        await self.stream.await_free(self, lambda other: other.role == "signaling")
        plan = self.stream.plan
        status = plan.signaling_status.pop(0) if plan.signaling_status else 0
        answer: Json = {
            "msg_type": 2,
            "protocol_version": 1,
            "sequence": 0,
            "reason": "",
            "status_code": status,
        }
        if status == -1:
            self.rejected = True
            await self.close(1000)
            return
        if status:
            self.rejected = True
            await self.send({**answer, "reason": "duplicate signal request" if status == 8 else "refused"})
            return
        answer["media_server"] = {"server_urls": self.stream.media_urls()}
        self.accepted = time.monotonic()
        self.start_keep_alives()
        await self.send(answer)

    async def _on_media_handshake(self, message: Json) -> None:
        kind = message.get("media_type")
        known = {"msg_type", "protocol_version", "sequence", "rtms_stream_id", "signature", "media_type",
                 "payload_encryption", "media_params", "meeting_uuid", self.stream.entity_key}  # fmt: skip
        if extra := set(message) - known:
            self.violate(f"msg 3 has keys that do not belong there: {sorted(extra)}")
        if message.get("payload_encryption", False) is not False:
            self.violate(f"msg 3 payload_encryption {message['payload_encryption']!r}")
        self.handshake = message
        if not _is_int(kind) or kind not in URL_KEYS:
            self.violate(f"msg 3 media_type {kind!r}")
            await self._refuse(14)
            return
        assert isinstance(kind, int)
        self._check_url(kind)
        params = message.get("media_params")
        for text in check_media_params(params):
            self.violate(f"msg 3 media_params: {text}")
        if not any(s.role == "signaling" and s.accepted and not s.closed for s in self.stream.sockets):
            self.violate("msg 3 without an open signaling connection")
        await self.stream.await_free(self, lambda other: other.media_type in {kind, ALL} or kind == ALL)
        for early in self.stream.plan.before_handshake.pop(kind, []):
            await self.send(early)
        if statuses := self.stream.plan.refuse.get(kind):
            await self._refuse(statuses.pop(0))
            return
        granted = [bit for bit in DEFAULTS if kind == ALL or URL_KEYS[kind] == bit]
        effective = {
            bit: DEFAULTS[bit] | ((params or {}).get(bit) or {}) | self.stream.plan.grant.get(bit, {})
            for bit in granted
        }
        answer: Json = {"msg_type": 4, "protocol_version": 1, "status_code": 0, "reason": "", "sequence": 0}
        answer["payload_encrypted"] = self.stream.plan.payload_encrypted
        if self.stream.plan.echo_params:
            answer["media_params"] = effective
        self.effective = effective
        self.accepted = time.monotonic()
        self.start_keep_alives()
        await self.send(answer)

    async def _refuse(self, status: int) -> None:
        self.rejected = True
        await self.send(
            {"msg_type": 4, "protocol_version": 1, "status_code": status, "reason": "refused", "sequence": 0}
        )

    def _check_url(self, kind: int) -> None:
        urls = self.stream.media_keys()
        wanted = self.stream.plan.share_key if kind == SHARE else URL_KEYS[kind]
        expected = next(key for key in (wanted, "all", "audio") if key in urls)  # audio: last resort
        if self.key != expected and self.stream.plan.urls != "same":
            self.violate(f"media_type {kind} came to the URL of {self.key}, expected {expected}")

    async def _on_signaling(self, kind: int, message: Json) -> None:
        if self.role != "signaling":
            self.violate(f"msg {kind} on a media socket: {message}")
            return
        if self.accepted is None:
            self.violate(f"msg {kind} before msg 2")
            return
        if kind in (7, 19, 21) and message.get("rtms_stream_id") != self.stream.stream_id:
            self.violate(f"msg {kind} rtms_stream_id {message.get('rtms_stream_id')!r}")
        if kind == 5:
            self._on_subscription(message)
        elif kind == 7:
            self._on_ready()
        elif kind == 19:
            await self.send({"msg_type": 20, "rtms_stream_id": self.stream.stream_id, "state": 1,
                             "timestamp": int(time.time())})  # fmt: skip
        elif kind == 21:
            answer = {"msg_type": 22, "rtms_stream_id": self.stream.stream_id, "status_code": 0}
            await self.send({**answer, "reason": "OK", "timestamp": now_ms()})
            await self.stream.stream_state(4, reason=20)
        elif kind == 28 and not any(
            ((s.handshake or {}).get("media_params") or {}).get("video", {}).get("data_opt") == 4
            for s in self.stream.sockets
        ):
            self.violate("msg 28 although the video is not data_opt 4")

    def _on_subscription(self, message: Json) -> None:
        events = message.get("events")
        if not isinstance(events, list) or not events:
            self.violate(f"msg 5 without events: {message}")
            return
        for entry in events:
            number = entry.get("event_type") if isinstance(entry, dict) else None
            if not isinstance(number, int) or not isinstance(entry.get("subscribe"), bool):
                self.violate(f"msg 5 entry {entry!r}")
            elif number in (1, 7):
                self.violate(f"subscribed to event {number}")
            elif not 2 <= number <= 14 and self.stream.entity_key != "engagement_id":
                self.violate(f"subscribed to unknown event {number}")

    def _on_ready(self) -> None:
        now = time.monotonic()
        ready = [s for s in self.stream.sockets if s.role == "media" and s.accepted and not s.closed]
        if not ready:
            self.violate("msg 7 although no media handshake has succeeded")
        for other in ready:
            if other.acked is None:
                other.acked = now


def check_media_params(params: object) -> list[str]:
    """Return what is wrong with a media_params object, by the tables of chapter 4.2."""
    if params is None:
        return []
    if not isinstance(params, dict):
        return [f"not an object: {params!r}"]
    wrong: list[str] = []
    allowed: dict[str, dict[str, Iterable[int]]] = {
        "audio": {
            "content_type": [2],
            "sample_rate": range(4),
            "channel": [1, 2],
            "codec": range(1, 5),
            "data_opt": [1, 2],
            "send_rate": range(20, 1001, 20),
        },
        "video": {
            "content_type": [3],
            "codec": [5, 6, 7],
            "fps": range(1, 31),
            "resolution": range(1, 5),
            "data_opt": [3, 4],
        },
        "deskshare": {
            "content_type": [3],
            "codec": [5, 6, 7],
            "fps": range(1, 31),
            "resolution": range(1, 5),
        },
        "transcript": {"content_type": [5], "src_language": range(-1, 37)},
        "chat": {"content_type": [5]},
    }
    for name, given in params.items():
        if name not in allowed:
            wrong.append(f"unknown key {name}")
            continue
        if not isinstance(given, dict):
            wrong.append(f"{name} is {given!r}")
            continue
        for key, value in given.items():
            if name == "transcript" and key == "enable_lid":
                if not isinstance(value, bool):
                    wrong.append(f"transcript.enable_lid is {value!r}")
            elif key not in allowed[name]:
                wrong.append(f"{name} must not have the key {key}")
            elif not _is_int(value) or value not in allowed[name][key]:
                wrong.append(f"{name}.{key} is {value!r}")
    return wrong + _check_combinations(params)


def _check_combinations(params: Mapping[str, Any]) -> list[str]:
    wrong: list[str] = []
    audio = DEFAULTS["audio"] | (params.get("audio") or {})
    if audio["codec"] == 4 and audio["sample_rate"] != 3:
        wrong.append("Opus without 48 kHz")
    if audio["channel"] == 2 and audio["codec"] != 4:
        wrong.append("stereo without Opus")
    for name, threshold in (("video", 5), ("deskshare", 1)):
        picture = DEFAULTS[name] | (params.get(name) or {})
        if picture["codec"] == 7 and picture["fps"] <= 5:
            wrong.append(f"{name}: H.264 with fps {picture['fps']}")
        if picture["codec"] != 7 and picture["fps"] > threshold:
            wrong.append(f"{name}: pictures with fps {picture['fps']}")
    return wrong


class Stream:
    """One RTMS stream: its ids, its URLs, its sockets and what the client did wrong."""

    def __init__(
        self,
        zoom: "FakeZoom",
        app: App,
        entity: str,
        stream_id: str,
        plan: Plan,
        *,
        entity_key: str,
        host: str,
    ) -> None:
        self.zoom = zoom
        self.app = app
        self.entity = entity
        self.entity_key = entity_key
        self.stream_id = stream_id
        self.plan = plan
        self.host = host
        self.signature = rtms_signature(app.client_id, app.client_secret, entity, stream_id)
        self.sockets: list[Socket] = []
        self.violations: list[str] = []
        self.token = f"{random.getrandbits(40):010x}"
        self.event_ts = self.announced_ms = now_ms()
        self._waiters: list[asyncio.Future[None]] = []
        self._last_event = 0

    # -- addresses ---------------------------------------------------------------------------------

    @property
    def signaling_url(self) -> str:
        return self.zoom.url(0, f"/rtms/{self.token}/signaling?k=a%2Fb+c", self.host)

    def media_keys(self) -> list[str]:
        single = ["audio", "video", self.plan.share_key, "transcript", "chat"]
        return {"each": [*single, "all"], "same": [*single, "all"], "no_all": single, "only_all": ["all"]}[
            self.plan.urls
        ]

    def media_urls(self) -> dict[str, str]:
        keys = self.media_keys()
        name = "same" if self.plan.urls == "same" else None
        return {
            key: self.zoom.url(
                1 + (0 if name else index % 2), f"/rtms/{self.token}/media/{name or key}", self.host
            )
            for index, key in enumerate(keys)
        }

    def paths(self) -> dict[str, tuple[Literal["signaling", "media"], str]]:
        """Return what each request target means."""
        targets: dict[str, tuple[Literal["signaling", "media"], str]] = {
            f"/rtms/{self.token}/signaling?k=a%2Fb+c": ("signaling", "signaling")
        }
        for key in [*self.media_keys(), "same"]:
            targets[f"/rtms/{self.token}/media/{key}"] = ("media", key)
        return targets

    # -- state -------------------------------------------------------------------------------------

    def violate(self, text: str) -> None:
        self.violations.append(text)
        self.changed()

    def changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, predicate: Callable[[], T], what: str, timeout: float = 10.0) -> T:
        """Wait until the predicate is true of what the client did."""
        try:
            async with asyncio.timeout(timeout):
                while not (value := predicate()):
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    await waiter
                return value
        except TimeoutError:
            raise AssertionError(
                f"not within {timeout} s: {what}; sockets {self.sockets}; violations {self.violations}"
            ) from None

    async def await_free(self, new: Socket, same: Callable[[Socket], bool]) -> None:
        """Give the close of an older socket a moment; one that stays open is a second connection."""
        deadline = time.monotonic() + 1.0
        for other in list(self.sockets):
            if (
                other is new
                or other.handshake is None
                or other.rejected
                or other.role != new.role
                or not same(other)
            ):
                continue
            while other.closed is None and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            if other.closed is None:
                new.violate(f"opened while {other} is still open")

    def open_sockets(self) -> list[Socket]:
        return [s for s in self.sockets if s.closed is None]

    @property
    def signaling(self) -> Socket:
        """Return the newest signaling socket."""
        return next(s for s in reversed(self.sockets) if s.role == "signaling")

    def media(self, kind: int) -> Socket:
        """Return the newest live media socket that carries a kind."""
        return next(
            s for s in reversed(self.sockets) if s.accepted and not s.closed and s.media_type in (kind, ALL)
        )

    def is_ready(self, *kinds: int, but_not: Iterable[Socket] = ()) -> bool:
        """Tell whether live, acknowledged media sockets carry all the kinds."""
        live = [
            s.media_type
            for s in self.sockets
            if s.role == "media" and s.accepted and s.acked and not s.closed and s not in but_not
        ]
        return all(kind in live or ALL in live for kind in kinds)

    async def ready(self, *kinds: int, timeout: float = 10.0, but_not: Iterable[Socket] = ()) -> None:
        """Wait until the client is connected for the kinds and has said so."""
        await self.until(lambda: self.is_ready(*kinds, but_not=but_not), f"client ready for {kinds}", timeout)

    async def all_closed(self, timeout: float = 8.0) -> None:
        """Wait until no socket is open."""
        await self.until(lambda: not self.open_sockets(), "client closes every socket", timeout)

    async def round_trip(self, timeout: float = 5.0) -> None:
        """Wait for a keep-alive answer on every accepted socket: all that was sent before has been read."""
        for sock in [s for s in self.open_sockets() if s.accepted]:
            record = await sock.keep_alive()
            await self.until(lambda r=record: r.answered, f"keep-alive answer on {sock}", timeout)  # type: ignore[misc]

    # -- what Zoom says ----------------------------------------------------------------------------

    def _who(self, user_id: int, name: str) -> Json:
        who: Json = {"user_id": str(user_id) if self.plan.string_ids else user_id}
        if self.plan.names and user_id:
            who["user_name"] = name
        return who

    def media_message(self, msg_type: int, content: Json) -> Json:
        """Wrap a content object in the variant of the plan."""
        if self.plan.content == "string":
            rest = {key: value for key, value in content.items() if key != "data"}
            return {"msg_type": msg_type, "content": content["data"], **rest}
        if self.plan.content == "flat":
            return {"msg_type": msg_type, **content}
        return {"msg_type": msg_type, "content": content}

    async def media_data(self, msg_type: int, content: Json) -> None:
        await self.media(MESSAGE_KIND[msg_type]).send(self.media_message(msg_type, content))

    def audio_content(self, user_id: int, name: str, pcm: bytes, timestamp: int) -> Json:
        data = base64.b64encode(pcm).decode()
        return {**self._who(user_id, name), "data": data, "length": len(pcm), "timestamp": timestamp}

    async def audio(self, user_id: int, name: str, pcm: bytes, timestamp: int) -> None:
        """Send one packet of somebody's voice."""
        await self.media_data(14, self.audio_content(user_id, name, pcm, timestamp))

    async def video(self, user_id: int, name: str, unit: bytes, timestamp: int) -> None:
        await self.media_data(15, self.audio_content(user_id, name, unit, timestamp))

    async def share(self, user_id: int, name: str, picture: bytes, timestamp: int) -> None:
        await self.media_data(16, self.audio_content(user_id, name, picture, timestamp))

    async def transcript(self, user_id: int, name: str, text: str, start: int, end: int) -> None:
        await self.media_data(
            17,
            {**self._who(user_id, name), "start_time": start, "end_time": end, "timestamp": end + 39_000,
             "language": 9, "data": text, "attribute": 1},
        )  # fmt: skip

    async def chat(
        self, user_id: int, name: str, text: str, message_id: str, timestamp: int, **more: Any
    ) -> None:
        await self.media_data(
            18,
            {"timestamp": timestamp, "data": text, "operation_type": 1, "message_id": message_id,
             "chat_session": {"type": 1, "id": "everyone"}, "sender": self._who(user_id, name), **more},
        )  # fmt: skip

    def _event_time(self) -> int:
        behind = self.event_ts - self.announced_ms  # Zoom's clock is not the client's
        self._last_event = max(self._last_event + 1, now_ms() + behind)  # no two alike
        return self._last_event

    async def event(self, number: int, **fields: Any) -> int:
        body: Json = {
            "event_type": number,
            **({} if "event_ts" in fields else {"timestamp": self._event_time()}),
            **fields,
        }
        on_media = self.plan.events_on_media and number != 1
        sock = next(
            (s for s in self.open_sockets() if on_media and s.role == "media" and s.acked), self.signaling
        )
        await sock.send({"msg_type": 6, "event": body})
        return int(body.get("timestamp") or body["event_ts"])

    async def roster(self, people: Mapping[int, str]) -> int:
        people_list = [
            {"user_id": str(uid) if self.plan.string_ids else uid, "user_name": name}
            for uid, name in people.items()
        ]
        return await self.event(3, participants=people_list)

    async def session_state(self, state: int, **more: Any) -> int:
        stamp = self._event_time()
        await self.signaling.send(
            {
                "msg_type": 9,
                "state": state,
                "timestamp": stamp,
                "rtms_session_id": "sess-" + self.token,
                **more,
            }
        )
        return stamp

    async def stream_state(self, state: int, **more: Any) -> int:
        stamp = self._event_time()
        await self.signaling.send({"msg_type": 8, "state": state, "timestamp": stamp, **more})
        return stamp


def garbage() -> list[tuple[bytes, bool]]:
    """Return frames (payload, is text) that mean nothing and must cost nothing."""
    texts: list[Any] = [
        {"msg_type": 99, "content": {"data": "x"}},
        {"msg_type": "SOMETHING_NEW"},
        {"msg_type": True},
        {"msg_type": None},
        {"msg_type": -1},
        {"msg_type": 1e300},
        {"msg_type": 10**40},
        {"msg_type": {"a": 1}},
        {"no_type": 1},
        {},
        [1, 2, 3],
        "a string",
        None,
        7,
        {"msg_type": 14},
        {"msg_type": 14, "content": None},
        {"msg_type": 14, "content": 5},
        {"msg_type": 14, "content": []},
        {"msg_type": 14, "content": ""},
        {"msg_type": 14, "content": {"user_id": 16778240, "data": "", "timestamp": now_ms()}},
        {"msg_type": 14, "content": {"user_id": 16778240, "data": None, "timestamp": now_ms()}},
        {"msg_type": 14, "content": {"user_id": {}, "data": 5, "timestamp": "x"}},
        {"msg_type": 15, "content": {"user_id": 16778240, "timestamp": None}},
        {"msg_type": 16, "content": {"data": []}},
        {"msg_type": 17, "content": {}},
        {"msg_type": 17, "content": {"user_id": 1, "data": 17, "start_time": "soon"}},
        {"msg_type": 18, "content": {"sender": 5, "receiver": [], "chat_session": "x", "files": {}}},
        {"msg_type": 6},
        {"msg_type": 6, "event": []},
        {"msg_type": 6, "event": {"event_type": "WHAT", "timestamp": {}}},
        {"msg_type": 6, "event": {"event_type": 3, "participants": "everyone"}},
        {"msg_type": 6, "event": {"event_type": 200}},
        {"msg_type": 8},
        {"msg_type": 8, "state": 99, "reason": "NOT_A_REASON"},
        {"msg_type": 9, "state": "?"},
        {"msg_type": 11},
        {"msg_type": 20, "state": None},
        {"msg_type": 22},
        {"msg_type": 23, "content": {"aiInterpreter": {"targets": [{}]}}},
        {"msg_type": 24},
        {"msg_type": 29, "user_id": "x"},
        {"msg_type": 1},
        {"msg_type": 3},
        {"msg_type": 13, "timestamp": 1},
    ]
    frames = [(json.dumps(value).encode(), index % 2 == 0) for index, value in enumerate(texts)]
    frames += [
        (b"", True),
        (b"", False),
        (b"{not json", True),
        (b'{"msg_type":14,"content":{', True),
        (b"\xff\xfe\x00\x80garbage", False),
        (random.Random(7).randbytes(4096), False),
        (b"[" * 60_000, True),
        (b'{"msg_type":' * 20_000, False),
        (b'{"msg_type":NaN}', True),
        (b'{"msg_type":6,"event":{"event_type":2,"user_name":"\\ud800"}}', True),
        (b"\xef\xbb\xbf" + b'{"msg_type":99}', False),
    ]  # fmt: skip
    return frames


class FakeZoom:
    """Zoom's side: webhook sender plus the signaling and media servers, on loopback."""

    def __init__(self, webhook_url: str, *, ca: trustme.CA | None = None, address: str = "127.0.0.1") -> None:
        self.webhook_url = webhook_url
        self.address = address
        self.lag = LagMeter()
        self.streams: list[Stream] = []
        self.strangers: list[str] = []
        self._servers: list[Server] = []
        self._ssl: ssl.SSLContext | None = None
        if ca is not None:
            self._ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("localhost", "127.0.0.1", "127.0.0.2").configure_cert(self._ssl)
        self._ports: list[int] = []
        self._lag_task: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        for _ in range(3):
            server = await serve(
                self._on_connection,
                self.address,
                0,
                ssl=self._ssl,
                process_request=self._on_request,
                max_size=2**22,
                ping_interval=None,
                close_timeout=2,
            )
            self._servers.append(server)
            self._ports.append(next(iter(server.sockets)).getsockname()[1])
        self._lag_task = asyncio.create_task(self.lag.run())
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in self.streams:
            for sock in stream.open_sockets():
                sock.closing_by_server = True
        for server in self._servers:
            server.close()
        for server in self._servers:
            await server.wait_closed()
        if self._lag_task:
            self._lag_task.cancel()
            await asyncio.gather(self._lag_task, return_exceptions=True)
        if self._http:
            await self._http.close()

    def url(self, listener: int, target: str, host: str) -> str:
        return f"{'wss' if self._ssl else 'ws'}://{host}:{self._ports[listener]}{target}"

    def stream(
        self,
        app: App,
        *,
        entity: str | None = None,
        stream_id: str | None = None,
        plan: Plan | None = None,
        entity_key: str = "meeting_uuid",
        host: str | None = None,
    ) -> Stream:
        """Create one stream that a client may connect to."""
        fresh = base64.b64encode(random.randbytes(9)).decode()
        made = Stream(
            self,
            app,
            entity or f"/{fresh}//+x==",
            stream_id or f"{random.getrandbits(128):032x}",
            plan or Plan(),
            entity_key=entity_key,
            host=host or self.address,
        )
        self.streams.append(made)
        return made

    def _find(self, target: str) -> tuple[Stream, Literal["signaling", "media"], str] | None:
        for stream in self.streams:
            if found := stream.paths().get(target):
                return stream, *found
        return None

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        found = self._find(request.path)
        if found is None:
            self.strangers.append(request.path)
            return connection.respond(http.HTTPStatus.NOT_FOUND, "no such URL\n")
        if "Sec-WebSocket-Protocol" in request.headers:
            found[0].violate("the upgrade request asks for a subprotocol")
        return None

    async def _on_connection(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        found = self._find(ws.request.path)
        assert found is not None
        stream, role, key = found
        sock = Socket(stream, role, key, ws)
        stream.sockets.append(sock)
        stream.changed()
        await sock.serve()

    # -- webhooks ----------------------------------------------------------------------------------

    async def post(
        self,
        body: Json | bytes,
        secret_token: str,
        *,
        timestamp: str | None = None,
        signature: str | None = None,
        signed: bool = True,
    ) -> tuple[int, bytes]:
        """Post one webhook; the odd spacing catches receivers that verify a re-serialised body."""
        assert self._http is not None
        raw = (
            body
            if isinstance(body, bytes)
            else json.dumps(body, separators=(" ,", ":  "), ensure_ascii=False).encode()
        )
        stamp = timestamp or str(int(time.time()))
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Zoom Marketplace/1.0a"}
        if signed:
            headers["X-ZM-Request-Timestamp"] = stamp
            headers["x-zm-signature"] = signature or webhook_signature(secret_token, stamp, raw)
        headers["x-zm-trackingid"] = f"v=2.0;clid=test;rid=WEB_{random.getrandbits(64):x}"
        began = time.monotonic()
        async with self._http.post(self.webhook_url, data=raw, headers=headers) as response:
            answer = await response.read()
            took = time.monotonic() - began
            assert took - self.lag.during(began, time.monotonic()) < 3.0, (
                f"webhook answered after {took:.1f} s"
            )
            return response.status, answer

    def started_body(self, stream: Stream, *, product: str = "meeting.rtms_started", **more: Any) -> Json:
        """Build the webhook that announces a stream."""
        payload: Json = {
            "account_id": "AAAAAABBBB",
            "meeting_id": 1234567890,
            stream.entity_key: stream.entity,
            "operator_id": "30R7kT7bTIKSNUFEuH_Qlg",
            "is_original_host": True,
            "rtms_stream_id": stream.stream_id,
            "server_urls": stream.signaling_url,
            "note": "é – ünï",
        }
        return {"event": product, "event_ts": stream.event_ts, "payload": payload | more}

    def stopped_body(self, stream: Stream, reason: int = 6, *, product: str = "meeting.rtms_stopped") -> Json:
        """Build the webhook that ends a stream."""
        return {
            "event": product,
            "event_ts": now_ms(),
            "payload": {
                stream.entity_key: stream.entity,
                "rtms_stream_id": stream.stream_id,
                "stop_reason": reason,
            },
        }

    async def announce(self, stream: Stream, **more: Any) -> None:
        """Post the started webhook and require a 2xx."""
        status, _ = await self.post(self.started_body(stream, **more), stream.app.secret_token)
        assert status in (200, 204), f"started webhook answered {status}"

    async def stop(self, stream: Stream, reason: int = 6) -> None:
        """Post the stopped webhook and require a 2xx."""
        status, _ = await self.post(self.stopped_body(stream, reason), stream.app.secret_token)
        assert status in (200, 204), f"stopped webhook answered {status}"


@contextlib.asynccontextmanager
async def zoom_server(
    webhook_url: str, *, ca: trustme.CA | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[FakeZoom]:
    """Run the fake; at the end stop every announced stream and require that the client broke no rule."""
    async with FakeZoom(webhook_url, ca=ca, address=address) as zoom:
        yield zoom
        for stream in zoom.streams:
            if stream.open_sockets():
                await zoom.stop(stream)
        for stream in zoom.streams:
            await stream.all_closed()
            assert stream.violations == [], f"violations of V1 by the client: {stream.violations}"
        assert zoom.strangers == [], f"the client asked for URLs it was never given: {zoom.strangers}"
