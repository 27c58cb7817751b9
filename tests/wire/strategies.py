"""What Zoom might send, and what it never should: for fuzzing."""

from hypothesis import settings
from hypothesis import strategies as st

unhurried = settings(deadline=None)
"""A busy machine is no defect."""
few = settings(unhurried, max_examples=40)

SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**15, max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "1",
            "-1",
            "--1",
            "+1",
            "٣",
            "²",
            "1e9",
            "NaN",
            "STATUS_OK",
            "9" * 400,
            "-",
            " 7 ",
            "data:,",
            "A",
            "{",
            '{"text":1}',
        ]
    )
)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)

KEYS = [
    "status_code",
    "status",
    "reason",
    "state",
    "stop_reason",
    "timestamp",
    "event_ts",
    "sequence",
    "rtms_session_id",
    "session_id",
    "rtms_stream_id",
    "media_server",
    "media_urls",
    "server_urls",
    "media_params",
    "payload_encrypted",
    "payload_encryption",
    "event",
    "events",
    "event_type",
    "participants",
    "user_id",
    "user_name",
    "channel_id",
    "content",
    "data",
    "text",
    "length",
    "start_time",
    "end_time",
    "language",
    "attribute",
    "sentence_id",
    "operation_type",
    "message_id",
    "chat_session",
    "sender",
    "receiver",
    "files",
    "delete_file_id_list",
    "subscribe",
    "protocol_version",
    "signature",
    "meeting_uuid",
    "audio",
    "video",
    "type",
    "url",
    "participant_info",
]

_INNER = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6)

MESSAGE_TYPES = (
    st.integers(-1, 31) | st.integers(0, 31).map(str) | st.sampled_from(["KEEP_ALIVE_REQ", 14.0, "x", None])
)

MESSAGE = st.builds(
    lambda msg_type, fields: {"msg_type": msg_type, **fields},
    MESSAGE_TYPES,
    st.dictionaries(st.sampled_from(KEYS), JSON | _INNER | st.lists(_INNER, max_size=2), max_size=8),
)
"""JSON of the shape of a message, with any junk in any field."""
