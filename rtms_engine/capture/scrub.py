"""A copy of a capture without what the meeting was about, fit for a bug report.

What happened when, over which connection, in which order and how large it was stays; who it was and what was said,
heard and shown goes. The copy is a capture like any other. Everything here blocks.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from ..errors import CaptureError
from ..model.media import AudioParams, MediaKind
from ..model.signals import StreamInterrupted, StreamSignal, StreamStarted, StreamStopped
from ..wire.json_codec import decode
from ..wire.media_params import granted
from ..wire.messages import AudioData, DataHandshakeResponse, ShareData, VideoData
from . import format as rtmscap
from .aliases import Aliases, scrub_json
from .format import Kind, Record
from .placeholders import GreyCache, GreyPictures, sound
from .reader import CaptureReader
from .redact import msg_type_of

BLOCK_BYTES = 1 << 20
_MEDIA = range(14, 17)
_TEXTS = (Kind.LOST, Kind.BROKEN, Kind.FAILED, Kind.OMITTED)


def scrub(capture: CaptureReader, out: Path) -> None:
    """Write the copy. Raises CaptureError if that is not possible; then there is none.

    Args:
        capture: what of it is damaged is left out.
        out: a new file.
    """
    scrubber = Scrubber(capture.head)
    try:
        descriptor = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(rtmscap.file_header())
                batch: list[Record] = []
                size = 0
                for record in capture.records():
                    batch.append(scrubber.scrubbed(record))
                    size += len(batch[-1].data)
                    if size >= BLOCK_BYTES:
                        file.write(rtmscap.encode_block(batch, "none", msg_type_of))
                        batch, size = [], 0
                if batch:
                    file.write(rtmscap.encode_block(batch, "none", msg_type_of))
        except BaseException:
            out.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CaptureError(str(out), error.strerror or "it cannot be written") from error


class Scrubber:
    """Scrubs the records of one capture, in order."""

    def __init__(self, head: rtmscap.Head) -> None:
        self._aliases = Aliases()
        self._audio: AudioParams = head.stream.media.audio
        self._cache = GreyCache()
        self._pictures: dict[tuple[int, str, int], GreyPictures] = {}

    def scrubbed(self, record: Record) -> Record:
        """One record without content."""
        match record.kind:
            case Kind.STREAM:
                data = self._head_line(record.data)
            case Kind.SIGNAL:
                data = self._signal(record.data)
            case Kind.CONNECTING:
                data = self._aliases.url(record.data.decode("utf-8", "replace")).encode()
            case Kind.RECEIVED | Kind.SENT:
                data = self._message(record)
            case Kind.END:
                data = self._ending(record.data)
            case kind if kind in _TEXTS:
                data = self._aliases.sentence(record.data.decode("utf-8", "replace")).encode()
            case _:
                data = record.data
        return msgspec.structs.replace(record, data=data)

    def _head_line(self, data: bytes) -> bytes:
        try:
            head = rtmscap.decode_head(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b"{}"
        return rtmscap.encode_head(self._head(head))

    def _head(self, head: rtmscap.Head) -> rtmscap.Head:
        alias = self._aliases
        who, colon, whom = head.follow.partition(":")
        if colon:
            whom = str(alias.number(int(whom))) if whom.isdecimal() else alias.name(whom)
        stream = msgspec.structs.replace(
            head.stream,
            app="app",
            stream_id=alias.identifier(head.stream.stream_id),
            entity_id=alias.identifier(head.stream.entity_id),
            meeting_id=alias.identifier(head.stream.meeting_id),
            account_id=alias.identifier(head.stream.account_id),
            operator_id=alias.identifier(head.stream.operator_id),
        )
        return msgspec.structs.replace(head, stream=stream, follow=who + colon + whom, scrubbed=True)

    def _signal(self, data: bytes) -> bytes:
        try:
            signal = rtmscap.decode_signal(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b"[]"
        return rtmscap.encode_signal(self._scrubbed_signal(signal))

    def _scrubbed_signal(self, signal: StreamSignal) -> StreamSignal:
        alias = self._aliases
        changes: dict[str, Any] = {
            "app": "app",
            "entity_id": alias.identifier(signal.entity_id),
            "stream_id": alias.identifier(signal.stream_id),
        }
        match signal:
            case StreamStarted():
                for key in ("meeting_id", "account_id", "operator_id"):
                    changes[key] = alias.identifier(getattr(signal, key))
                changes["server_urls"] = tuple(map(alias.url, signal.server_urls))
                changes["session_key"] = ""
            case StreamInterrupted():
                changes["server_urls"] = tuple(map(alias.url, signal.server_urls))
            case StreamStopped():
                pass
        return msgspec.structs.replace(signal, **changes)

    def _ending(self, data: bytes) -> bytes:
        try:
            ending = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b"{}"
        detail = self._aliases.sentence(str(ending.get("detail", "")))
        return msgspec.json.encode({**ending, "detail": detail})

    def _message(self, record: Record) -> bytes:
        if record.kind is Kind.RECEIVED and msg_type_of(record.data) in _MEDIA:
            return self._media(record)
        if record.leg in ("audio", "all") and record.kind is Kind.RECEIVED:
            message = decode(record.data)
            if isinstance(message, DataHandshakeResponse):
                self._audio = granted(MediaKind.AUDIO, self._audio, message.media_params)
        return scrub_json(self._aliases, record.data)

    def _media(self, record: Record) -> bytes:
        """A media message in the documented shape; one that cannot be read keeps its size."""
        message = decode(record.data)
        if not isinstance(message, AudioData | VideoData | ShareData):
            return b"?" * len(record.data)
        content = message.content
        user_id = self._aliases.number(content.user_id)
        if isinstance(message, AudioData):
            payload = sound(content.data, self._audio, content.timestamp, user_id // 1_000)
        else:
            key = (msg_type_of(record.data), content.channel_id, content.user_id)
            pictures = self._pictures.setdefault(key, GreyPictures(self._cache))
            payload = pictures.of(content.data)
        length = None if content.length is None else content.length + len(payload) - len(content.data)
        scrubbed = msgspec.structs.replace(
            content,
            data=payload,
            user_id=user_id,
            user_name=self._aliases.name(content.user_name),
            channel_id=self._aliases.identifier(content.channel_id),
            length=length,
        )
        return msgspec.json.encode(msgspec.structs.replace(message, content=scrubbed))
