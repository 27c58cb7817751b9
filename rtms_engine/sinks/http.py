"""The sink that posts batches: lines of JSON, as `jsonl` writes them, to an address of yours.

A batch is one POST with content type ``application/x-ndjson``. Whatever is not answered with 2xx has
failed, and is sent again by the engine with the same ``idempotency-key``, so that a receiver can tell that
it has it already. A stream that was revoked ends with a line whose ``outcome`` is ``erase``: what the
receiver has stored of it must go.
"""

import asyncio
import contextlib
import gzip
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from ..errors import SinkError
from ..model.media import MediaKind
from ..model.secret import Secret
from ..outbound.addresses import reach_of
from ..outbound.connector import guarded_session
from ..outbound.post import post
from .base import Ending, Item, SinkSpec, StreamInfo
from .delivery import Delivery
from .lines import ending_line, item_line, stream_line
from .secrets import revealed

TIMEOUT_S = 30.0
_SUCCESS = range(200, 300)


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "http"``."""

    url: str
    """Where to: ``https://``."""
    token: Secret | None = None
    """Sent as ``Authorization: Bearer``. Or ``token_file``."""
    token_file: Path | None = None
    """A file that holds it."""
    media: bool = False
    """Send the bytes of audio, video and share, as Base64. Off: only their number, ``payload_bytes``."""
    gzip: bool = False
    """Compress (``content-encoding: gzip``)."""
    allow_private: bool = False
    """Allow private addresses, and ``http://`` to them."""

    def __post_init__(self) -> None:
        reach_of(self.url, allow_private=self.allow_private)
        self.bearer()

    def bearer(self) -> str | None:
        """The token. Raises ValueError if it cannot be used."""
        if self.token is None and self.token_file is None:
            return None
        texts = revealed("token", [self.token] if self.token else [], self.token_file)
        if len(texts) != 1 or not (texts[0].isascii() and texts[0].isprintable()) or " " in texts[0]:
            raise ValueError("token must be one word of ASCII")
        return texts[0]


class HttpSink:
    """Posts the batches of one stream, one after the other."""

    _session: aiohttp.ClientSession
    _stream: StreamInfo

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._headers = {"content-type": "application/x-ndjson", "user-agent": "rtms-engine"}
        if bearer := config.bearer():
            self._headers["authorization"] = f"Bearer {bearer}"
        if config.gzip:
            self._headers["content-encoding"] = "gzip"
        self._sent = 0

    async def open(self, stream: StreamInfo) -> None:
        """Post the first line. Raises SinkError if nobody takes it."""
        self._stream = stream
        reach = reach_of(self._config.url, allow_private=self._config.allow_private)
        async with contextlib.AsyncExitStack() as undo:
            self._session = await undo.enter_async_context(guarded_session(reach, TIMEOUT_S))
            await self._post([stream_line(stream)])
            undo.pop_all()

    async def write(self, batch: Sequence[Item]) -> None:
        """Post a batch. Raises SinkError if it is not taken; try again with the same one then."""
        await self._post(item_line(item, media=self._config.media) for item in batch)

    async def close(self, ending: Ending) -> None:
        """Post the last line, unless the stream goes on elsewhere. Raises SinkError as `write`."""
        try:
            if not ending.is_released:
                await self._post([ending_line(ending)])
        finally:
            await self._session.close()

    async def _post(self, lines: Iterable[Any]) -> None:
        body, key = await asyncio.to_thread(self._encoded, list(lines))
        headers = {**self._headers, "idempotency-key": key, "rtms-stream-id": _header(self._stream.stream_id)}
        answer = await post(self._session, self._config.url, headers, body, 0.0)
        if answer.status not in _SUCCESS:
            said = f"answered with {answer.status}" if answer.status else f"cannot be reached: {answer.why}"
            raise SinkError(f"the receiver of batches {said}")
        self._sent += 1

    def _encoded(self, lines: Sequence[Any]) -> tuple[bytes, str]:
        """The body, and a key that only the same lines at the same place have."""
        body = _encoder.encode_lines(lines)
        place = f"{self._stream.stream_id}\n{self._sent}\n{self._stream.resumed}\n".encode()
        key = hashlib.sha256(place + body).hexdigest()[:32]
        return (gzip.compress(body, mtime=0) if self._config.gzip else body), key


def _header(text: str) -> str:
    """An id as a header may hold it; it stands in the lines as it is."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text[:200])


_encoder = msgspec.json.Encoder()

SPEC = SinkSpec(
    "http",
    HttpSink,
    HttpConfig,
    kinds=frozenset([MediaKind.TRANSCRIPT, MediaKind.CHAT]),
    delivery=Delivery(linger_s=1.0, batch_mb=4.0, retries=8, retry_s=1.0),
)
