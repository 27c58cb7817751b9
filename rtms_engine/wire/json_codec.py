"""JSON of protocol V1: one object per WebSocket message.

Media, nearly all of the traffic, is decoded in one pass by a typed decoder; where the payload is most of
the message, it is cut out first and goes through a Base64 decoder that uses the processor's vectors.
Whatever these do not accept takes the long way: it is read as plain JSON, brought into the documented
shape by the tolerance rules of V1.md Appendix C, and converted. So tolerance costs nothing on the hot
path, and `decode` never raises: what cannot be read becomes a `Malformed`, what is not known an `Unknown`.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from msgspec.structs import force_setattr
from pybase64 import b64decode

from ..model.reasons import MessageType, OpenIntEnum, SessionState, StatusCode, StopReason, StreamState
from .messages import (
    AudioData,
    KeepAliveRequest,
    KeepAliveResponse,
    Malformed,
    Message,
    MetaData,
    ShareData,
    TaggedMessage,
    TranscriptData,
    Unknown,
    VideoData,
)

_LARGEST = 2**53
SECONDS_BELOW = 10**11
"""A Unix time below this is in seconds (V1.md §5.7)."""

_ANSWERS = frozenset(
    {
        MessageType.SIGNALING_HAND_SHAKE_RESP,
        MessageType.DATA_HAND_SHAKE_RESP,
        MessageType.STREAM_CLOSE_RESP,
        MessageType.VIDEO_SUBSCRIPTION_RESP,
    }
)
"""The messages with a status of their own."""

_encoder = msgspec.json.Encoder()
_media_decoder: msgspec.json.Decoder[AudioData | VideoData | ShareData | TranscriptData] = (
    msgspec.json.Decoder(AudioData | VideoData | ShareData | TranscriptData)
)

_PayloadData = AudioData | VideoData | ShareData
_payload_decoder: msgspec.json.Decoder[_PayloadData] = msgspec.json.Decoder(_PayloadData)
_decode_payload = _payload_decoder.decode

_LARGE_BYTES = 1_500
"""From here on cutting is faster than one pass: 100 ms of sound, every picture. (20 ms of sound are below.)"""
_SPACE = ord(" ")
_ESCAPED_KEY = b'\\"data":'
_PLACEHOLDER = b"cut0"
_CUT = b64decode(_PLACEHOLDER)
"""What a message holds in the place of its payload while that is elsewhere."""

Fields = dict[str, Any]


def encode(message: Message) -> bytes:
    """The JSON of a message, as UTF-8. Raises TypeError for a `Malformed`."""
    match message:
        case KeepAliveRequest(fields):
            return _encoder.encode({"msg_type": 12, **fields})
        case KeepAliveResponse(fields):
            return _encoder.encode({"msg_type": 13, **fields})
        case MetaData(msg_type, fields) | Unknown(msg_type, fields):
            return _encoder.encode({"msg_type": msg_type, **fields})
        case Malformed():
            raise TypeError("a Malformed is what was received; it cannot be sent")
        case _:
            encoded: bytes = _encoder.encode(message)
            return encoded


def decode(data: bytes) -> Message:
    """The message in ``data`` (the payload of a text or binary frame)."""
    if len(data) >= _LARGE_BYTES:
        large = _decode_large(data)
        if large is not None:
            return large
    try:
        return _media_decoder.decode(data)
    except msgspec.ValidationError:
        return _decode_any(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return Malformed(_why(error))


def _decode_large(data: bytes) -> _PayloadData | None:
    """A picture or a long sound in exactly the documented shape; None for anything else.

    Inside a JSON string a quote has a backslash before it, so the first ``"data":`` without one is a key,
    and its value ends at the next quote: had that one a backslash, the value would be no Base64. The
    placeholder then shows that the key was that of ``content``.
    """
    try:
        start = data.index(b'"data":') + 8
        if data[start - 1] == _SPACE:
            start += 1
        end = data.index(b'"', start)
        payload = b64decode(data[start:end], None, True)  # by name, the arguments would take twice as long
        message = _decode_payload(data[:start] + _PLACEHOLDER + data[end:])
    except (msgspec.MsgspecError, ValueError, IndexError, RecursionError):
        return None
    content = message.content
    if content.data != _CUT or _ESCAPED_KEY in data[:start]:
        return None
    force_setattr(content, "data", payload)
    return message


def _decode_any(data: bytes) -> Message:
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return Malformed(_why(error))
    if not isinstance(fields, dict):
        return Malformed("not a JSON object")
    msg_type = code(fields.pop("msg_type", None), MessageType)
    if msg_type is None:
        return Unknown(-1, fields)
    if msg_type == MessageType.KEEP_ALIVE_REQ:
        return KeepAliveRequest(fields)
    if msg_type == MessageType.KEEP_ALIVE_RESP:
        return KeepAliveResponse(fields)
    if MessageType.META_DATA_AUDIO <= msg_type <= MessageType.META_DATA_CHAT:
        return MetaData(msg_type, fields)
    normalise = _NORMALISERS.get(msg_type)
    if normalise is None or _is_error_by_itself(msg_type, fields):
        return Unknown(msg_type, fields)
    try:
        shaped = normalise(_without_nulls(fields))
        shaped["msg_type"] = msg_type
        return cast(Message, msgspec.convert(shaped, TaggedMessage))
    except (msgspec.ValidationError, binascii.Error, RecursionError) as error:
        return Malformed(f"message {msg_type}: {_why(error)}")


def _is_error_by_itself(msg_type: int, fields: Mapping[str, Any]) -> bool:
    """A status in a message that has none of its own: how 5, 6, 41, 42 come is not published (V1.md §12, Q20)."""
    return msg_type not in _ANSWERS and bool(code(fields.get("status_code"), StatusCode))


def _why(error: Exception) -> str:
    match error:
        case RecursionError():
            return "nested too deeply"
        case UnicodeError():
            return "not UTF-8"
        case _:
            return str(error)


# --- the tolerance rules (V1.md Appendix C) ---


def _without_nulls(fields: Mapping[str, Any]) -> Fields:
    return {key: value for key, value in fields.items() if value is not None}


def integer(value: Any) -> int | None:
    """An integer given as such, as a float without fraction, or as a numeric string."""
    if isinstance(value, str):
        text = value.strip()
        if not text.removeprefix("-").isdecimal() or len(text) > 17:  # noqa: PLR2004 - digits of 2**53, sign
            return None
        value = int(text)
    elif isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        return None
    return value


def count(value: Any) -> int:
    """An integer that is not negative; 0 if there is none."""
    return max(integer(value) or 0, 0)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if isinstance(value, dict | list) else str(value)


def code(value: Any, codes: type[OpenIntEnum]) -> int | None:
    """A number of ``codes``: an integer, a numeric string or a name."""
    number = integer(value)
    if number is None and isinstance(value, str):
        member = codes.named(value)
        number = None if member is None else int(member)
    return number


def milliseconds(value: Any) -> int:
    """A Unix time in milliseconds, also from one in seconds; 0 if there is none."""
    number = count(value)
    return number * 1000 if 0 < number < SECONDS_BELOW else number


def _status(fields: Fields) -> Fields:
    given = fields.get("status_code", fields.get("status"))
    return {
        "status_code": given if (n := code(given, StatusCode)) is None else n,
        "reason": _text(fields.get("reason", "")),
    }


def _same(fields: Fields) -> Fields:
    return fields


def _signaling_response(fields: Fields) -> Fields:
    server = fields.get("media_server")
    urls = server.get("server_urls") if isinstance(server, dict) else server
    if urls is None:
        urls = fields.get("media_urls", fields.get("server_urls"))
    return {**_status(fields), "media_server": {"server_urls": urls}}


def _data_response(fields: Fields) -> Fields:
    params = fields.get("media_params")
    encrypted = fields.get("payload_encrypted", fields.get("payload_encryption"))
    return {
        **_status(fields),
        "payload_encrypted": encrypted is True,
        "media_params": params if isinstance(params, dict) else None,
    }


def _event_update(fields: Fields) -> Fields:
    event = fields.get("event")
    return {"event": _without_nulls(event) if isinstance(event, dict) else fields}


def _stream_state(fields: Fields) -> Fields:
    reason = fields.get("reason", fields.get("stop_reason"))
    return {
        "state": code(fields.get("state"), StreamState),
        "reason": code(reason, StopReason) or 0,
        "timestamp": milliseconds(fields.get("timestamp")),
        "rtms_stream_id": _text(fields.get("rtms_stream_id", "")),
    }


def _session_state(fields: Fields) -> Fields:
    reason = fields.get("stop_reason", fields.get("reason"))
    return {
        "rtms_session_id": _text(fields.get("rtms_session_id", fields.get("session_id", ""))),
        "state": code(fields.get("state"), SessionState),
        "stop_reason": code(reason, StopReason) or 0,
        "timestamp": milliseconds(fields.get("timestamp")),
    }


def _close_response(fields: Fields) -> Fields:
    return {
        **_status(fields),
        "rtms_stream_id": _text(fields.get("rtms_stream_id", "")),
        "timestamp": milliseconds(fields.get("timestamp")),
    }


def _video_response(fields: Fields) -> Fields:
    return {
        **_status(fields),
        "user_id": count(fields.get("user_id")),
        "timestamp": milliseconds(fields.get("timestamp")),
    }


def _content(fields: Fields) -> Fields:
    """``content`` as an object, a bare string, or absent with its keys at top level (V1.md §6.1)."""
    content = fields.get("content")
    inner = _without_nulls(content) if isinstance(content, dict) else {}
    if isinstance(content, str):
        inner = {"data": content}
    merged = {**fields, **inner}
    merged.pop("content", None)
    return merged


def _common(content: Fields) -> Fields:
    channel_id = content.get("channel_id", "")
    return {
        "user_id": count(content.get("user_id")),
        "user_name": _text(content.get("user_name", "")),
        "timestamp": count(content.get("timestamp")),
        "channel_id": _text(channel_id),
    }


def _media(fields: Fields) -> Fields:
    content = _content(fields)
    return {
        "content": {
            **_common(content),
            "data": _base64(_text(content.get("data", ""))),
            "length": integer(content.get("length")),
        }
    }


def _base64(text: str) -> bytes:
    """Decode Base64, forgiving a ``data:`` prefix, foreign characters and missing padding."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    return base64.b64decode(text.encode("ascii", "ignore") + b"===") if text else b""


def _transcript(fields: Fields) -> Fields:
    content = _content(fields)
    language = integer(content.get("language"))
    return {
        "content": {
            **_common(content),
            "data": _text(content.get("data", content.get("text", ""))),
            "start_time": count(content.get("start_time")) or None,
            "end_time": count(content.get("end_time")) or None,
            "language": language,
            "attribute": count(content.get("attribute")),
            "sentence_id": _text(content.get("sentence_id", "")),
        }
    }


def _chat(fields: Fields) -> Fields:
    content = _content(fields)
    sender = content.get("sender")
    return {
        "content": {
            "data": _chat_text(content.get("data", "")),
            "timestamp": count(content.get("timestamp")),
            "operation_type": integer(content.get("operation_type")) or 1,
            "message_id": _text(content.get("message_id", "")),
            "parent_message_id": _text(content.get("parent_message_id", "")),
            "chat_session": _object(content.get("chat_session")),
            "sender": _person(sender if isinstance(sender, dict) else content),
            "receiver": _person(receiver) if isinstance(receiver := content.get("receiver"), dict) else None,
            "files": [file for file in _list(content.get("files")) if isinstance(file, dict)],
            "delete_file_id_list": [_text(i) for i in _list(content.get("delete_file_id_list"))],
        }
    }


def _chat_text(data: Any) -> str:
    """Text, or the text inside an object or a JSON string of one (V1.md §6.7)."""
    found: Any = data
    if isinstance(data, str) and data.startswith("{"):
        try:
            found = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return data
    if isinstance(found, dict):
        text = found.get("text", found.get("message"))
        return text if isinstance(text, str) else _encoder.encode(found).decode()
    return _text(data)


def _person(fields: Mapping[str, Any]) -> Fields:
    return {
        "user_id": count(fields.get("user_id")),
        "user_name": _text(fields.get("user_name") or ""),
    }


def _object(value: Any) -> Fields | None:
    return value if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_NORMALISERS: dict[int, Callable[[Fields], Fields]] = {
    1: _same,
    2: _signaling_response,
    3: _same,
    4: _data_response,
    5: _same,
    6: _event_update,
    7: _same,
    8: _stream_state,
    9: _session_state,
    10: _same,
    11: _session_state,
    14: _media,
    15: _media,
    16: _media,
    17: _transcript,
    18: _chat,
    19: _same,
    20: _stream_state,
    21: _same,
    22: _close_response,
    28: _same,
    29: _video_response,
}
