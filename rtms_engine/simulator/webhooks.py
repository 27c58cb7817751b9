"""Zoom's webhooks: signed, timed, and answered within 3 s or not at all (V1.md §1)."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import msgspec

from ..model.products import Product
from ..wire.signature import encrypted_token, webhook_signature

ANSWER_WITHIN_S = 3.0

_MEETING_FACTS = {
    "account_id": "AAAAAABBBB",
    "operator_id": "30R7kT7bTIKSNUFEuH_Qlg",
    "is_original_host": True,
}
_STARTED_FACTS: dict[str, dict[str, Any]] = {
    "meeting": _MEETING_FACTS,
    "webinar": _MEETING_FACTS,
    "session": {"account_id": "AAAAAABBBB", "session_key": "my-custom-session-key"},
}
"""What ``*_started`` says beside the ids and the URL, by product (V1.md §1.9.1)."""
_NUMBER_FIELD = {"meeting": "meeting_id", "webinar": "webinar_id"}


class Delivery(msgspec.Struct, frozen=True):
    """What became of one webhook."""

    event: str
    status: int | None
    """HTTP status; None: no answer within 3 s, or no connection."""
    elapsed_s: float
    error: str = ""
    answer: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether Zoom would be content: any 2xx, in time."""
        return self.status is not None and 200 <= self.status < 300


class StreamFacts(msgspec.Struct, frozen=True):
    """The ids that every webhook of a stream carries."""

    product: Product
    entity_id: str
    stream_id: str
    number: int = 1234567890
    """What people dial, where the product has it."""

    def started(self, server_urls: str, *, nested: bool = False) -> dict[str, Any]:
        """The payload of ``*_started``; ``nested``: under ``object``, as some pages have it (§1.7)."""
        payload = {**_STARTED_FACTS.get(self.product.name, {}), **self._ids(), "server_urls": server_urls}
        if number_field := _NUMBER_FIELD.get(self.product.name):
            payload[number_field] = self.number
        if not nested:
            return payload
        return {"account_id": payload.pop("account_id", ""), "object": payload}

    def interrupted(self) -> dict[str, Any]:
        """The payload of ``*_interrupted`` (§1.9.3)."""
        return self._ids()

    def stopped(self, stop_reason: int) -> dict[str, Any]:
        """The payload of ``*_stopped`` (§1.9.2)."""
        return {**self._ids(), "stop_reason": stop_reason}

    def _ids(self) -> dict[str, Any]:
        return {self.product.id_field: self.entity_id, "rtms_stream_id": self.stream_id}


class WebhookSender:
    """Sends the webhooks of one app to one URL.

    Args:
        session: whose TLS settings are used.
        url: of the receiver.
        secret_token: the app's.
        unix_ms: Zoom's clock.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, secret_token: str, unix_ms: Callable[[], int]
    ) -> None:
        self._session = session
        self._url = url
        self._secret_token = secret_token
        self._unix_ms = unix_ms

    async def send(self, event: str, payload: Mapping[str, Any], event_ts: int | None = None) -> Delivery:
        """Deliver one event, once.

        Args:
            event: its name.
            payload: its payload.
            event_ts: Unix milliseconds; None: now.
        """
        now_ms = self._unix_ms()
        body = {"event": event, "event_ts": now_ms if event_ts is None else event_ts, "payload": payload}
        return await self.post(event, msgspec.json.encode(body))

    async def post(self, event: str, body: bytes) -> Delivery:
        """Sign and send a body as it is."""
        now_ms = self._unix_ms()
        timestamp = str(now_ms // 1000)
        headers = {
            "content-type": "application/json",
            "user-agent": "Zoom Marketplace/1.0a",
            "x-zm-request-id": secrets.token_hex(16),
            "x-zm-request-timestamp": timestamp,
            "x-zm-signature": webhook_signature(self._secret_token, timestamp, body),
        }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await response.read()
                return Delivery(event, response.status, self._elapsed_s(now_ms), answer=answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Delivery(event, None, self._elapsed_s(now_ms), f"{type(error).__name__}: {error}")

    async def validate_url(self) -> Delivery:
        """Send ``endpoint.url_validation``; a wrong answer makes a delivery with an ``error`` (§1.4)."""
        plain = secrets.token_urlsafe(16)
        delivery = await self.send("endpoint.url_validation", {"plainToken": plain})
        if not delivery.is_good:
            return delivery
        wanted = {"plainToken": plain, "encryptedToken": encrypted_token(self._secret_token, plain)}
        try:
            is_right = msgspec.json.decode(delivery.answer) == wanted
        except msgspec.DecodeError:
            is_right = False
        return delivery if is_right else msgspec.structs.replace(delivery, error="the answer is wrong")

    async def concurrency_near_limit(self, limit: int, number: int) -> Delivery:
        """Send ``rtms.concurrency_near_limit`` (§1.9.4)."""
        payload = {
            "concurrency_limit": limit,
            "concurrency_number": number,
            "percentage": number * 100 // limit,
        }
        return await self.send("rtms.concurrency_near_limit", payload)

    async def concurrency_limited(self, product: Product, entity_id: str, number: int) -> Delivery:
        """Send ``rtms.concurrency_limited`` (§1.9.4)."""
        payload = {
            "operator_id": _MEETING_FACTS["operator_id"],
            "concurrency_number": number,
            "id_field": {product.id_field: entity_id},
        }
        return await self.send("rtms.concurrency_limited", payload)

    def _elapsed_s(self, since_ms: int) -> float:
        return (self._unix_ms() - since_ms) / 1000


class Courier:
    """Tells the webhooks of one stream, and misdelivers them on request.

    Args:
        facts: the stream's ids.
        sender: of its app; None: nobody is told.
        spawn: runs deliveries that are late.
    """

    def __init__(
        self,
        facts: StreamFacts,
        sender: WebhookSender | None,
        spawn: Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]],
    ) -> None:
        self.deliveries: list[Delivery] = []
        """What became of them."""
        self._facts = facts
        self._sender = sender
        self._spawn = spawn
        self._delays_s: defaultdict[str, list[float | None]] = defaultdict(list)
        self._told: dict[str, bytes] = {}
        self._late: set[asyncio.Task[Any]] = set()

    def delay_next(self, event: str, by_s: float | None) -> None:
        """Deliver the next one of this name so much later; None: never."""
        self._delays_s[event].append(by_s)

    async def tell(self, event: str, payload: Mapping[str, Any], event_ts: int) -> None:
        """Deliver a webhook; return when it was answered, or at once if it is to be late."""
        name = self._facts.product.event_prefix + event
        body = msgspec.json.encode({"event": name, "event_ts": event_ts, "payload": payload})
        self._told[event] = body
        delay_s = self._delays_s[event].pop(0) if self._delays_s[event] else 0.0
        if delay_s == 0:
            await self._deliver(name, body)
        elif delay_s is not None:
            self._deliver_later(name, body, delay_s)

    def repeat(self, event: str) -> None:
        """Deliver the last one of this name once more, as it was, if there was one."""
        if body := self._told.get(event):
            self._deliver_later(self._facts.product.event_prefix + event, body, 0.0)

    async def all_delivered(self) -> None:
        """Wait for those that are late."""
        while self._late:
            await asyncio.wait(self._late)

    def _deliver_later(self, name: str, body: bytes, delay_s: float) -> None:
        task = self._spawn(self._deliver(name, body, delay_s), f"zoom:{self._facts.stream_id}/{name}")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _deliver(self, name: str, body: bytes, delay_s: float = 0.0) -> None:
        if self._sender is None:
            return
        await asyncio.sleep(delay_s)
        self.deliveries.append(await self._sender.post(name, body))
