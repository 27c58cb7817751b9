"""Zoom's numbers with their names, causes and remedies (V1.md §9).

The enumerations are *open*: ``StatusCode(99)`` is a value named ``UNKNOWN_99``, never an error,
because Zoom adds numbers every quarter. Next to each number that can puzzle a person stands an
`Explanation`; logs, manifests and ``rtms-engine explain`` all speak these same sentences. What the
engine does about a number is a row here too (`StatusCode.reaction`, `StopReason.outcome`), so that
no machine holds an ``if code ==``.
"""

import enum
import re
from typing import NamedTuple, Self


class OpenIntEnum(enum.IntEnum):
    """An enumeration from the wire: any integer is a value of it."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """Whether the number is one that V1.md lists."""
        return self._value_ in type(self)._value2member_map_

    @classmethod
    def named(cls, text: str) -> Self | None:
        """The member of a name as Zoom or its samples spell it, prefix or not; None if there is none."""
        wanted = "_".join(text.upper().split())
        for prefix in ("", "STATUS_", "STOP_BC_", "STREAM_STATE_", "SESSION_STATE_"):
            member = cls.__members__.get(wanted.removeprefix(prefix))
            if member is not None:
                return member
        return None


class MessageType(OpenIntEnum):
    """RTMS_MESSAGE_TYPE (V1.md §9.1)."""

    UNDEFINED = 0
    SIGNALING_HAND_SHAKE_REQ = 1
    SIGNALING_HAND_SHAKE_RESP = 2
    DATA_HAND_SHAKE_REQ = 3
    DATA_HAND_SHAKE_RESP = 4
    EVENT_SUBSCRIPTION = 5
    EVENT_UPDATE = 6
    CLIENT_READY_ACK = 7
    STREAM_STATE_UPDATE = 8
    SESSION_STATE_UPDATE = 9
    SESSION_STATE_REQ = 10
    SESSION_STATE_RESP = 11
    KEEP_ALIVE_REQ = 12
    KEEP_ALIVE_RESP = 13
    MEDIA_DATA_AUDIO = 14
    MEDIA_DATA_VIDEO = 15
    MEDIA_DATA_SHARE = 16
    MEDIA_DATA_TRANSCRIPT = 17
    MEDIA_DATA_CHAT = 18
    STREAM_STATE_REQ = 19
    STREAM_STATE_RESP = 20
    STREAM_CLOSE_REQ = 21
    STREAM_CLOSE_RESP = 22
    META_DATA_AUDIO = 23
    META_DATA_VIDEO = 24
    META_DATA_SHARE = 25
    META_DATA_TRANSCRIPT = 26
    META_DATA_CHAT = 27
    VIDEO_SUBSCRIPTION_REQ = 28
    VIDEO_SUBSCRIPTION_RESP = 29


class EventType(OpenIntEnum):
    """RTMS_EVENT_TYPE of meetings, webinars and sessions (V1.md §9.2)."""

    UNDEFINED = 0
    FIRST_PACKET_TIMESTAMP = 1
    ACTIVE_SPEAKER_CHANGE = 2
    PARTICIPANT_JOIN = 3
    PARTICIPANT_LEAVE = 4
    SHARING_START = 5
    SHARING_STOP = 6
    MEDIA_CONNECTION_INTERRUPTED = 7
    PARTICIPANT_VIDEO_ON = 8
    PARTICIPANT_VIDEO_OFF = 9
    CHAT_GROUP_CREATE = 10
    CHAT_GROUP_DELETE = 11
    CHAT_GROUP_MEMBERS_ADD = 12
    CHAT_GROUP_MEMBERS_DELETE = 13
    CHAT_GROUP_MEMBER_STATUS_UPDATE = 14


class ContactCenterEventType(OpenIntEnum):
    """RTMS_ZCC_VOICE_EVENT_TYPE; the numbers overlap those of meetings (V1.md §9.3)."""

    UNDEFINED = 0
    CONSUMER_ANSWERED = 8
    CONSUMER_END = 9
    USER_ANSWERED = 10
    USER_END = 11
    USER_HOLD = 12
    USER_UNHOLD = 13
    MONITOR_STARTED = 14
    MONITOR_TRANSITIONED = 15
    MONITOR_ENDED = 16
    TAKEOVER_STARTED = 17
    TRANSFER_INITIATED = 18
    TRANSFER_CANCELED = 19
    TRANSFER_ACCEPTED = 20
    TRANSFER_COMPLETED = 21
    TRANSFER_REJECTED = 22
    TRANSFER_TIMEOUT = 23
    CONFERENCE_CANCELED = 24
    CONFERENCE_PARTICIPANT_CANCELED = 25
    CONFERENCE_PARTICIPANT_INVITED = 26
    CONFERENCE_PARTICIPANT_REJECTED = 27
    CONFERENCE_PARTICIPANT_TIMEOUT = 28
    CONFERENCE_PARTICIPANT_LEFT = 29


class SessionState(OpenIntEnum):
    """RTMS_SESSION_STATE (V1.md §9.6)."""

    INACTIVE = 0
    INITIALIZE = 1
    STARTED = 2
    PAUSED = 3
    RESUMED = 4
    STOPPED = 5


class StreamState(OpenIntEnum):
    """RTMS_STREAM_STATE (V1.md §9.7)."""

    INACTIVE = 0
    ACTIVE = 1
    INTERRUPTED = 2
    TERMINATING = 3
    TERMINATED = 4
    PAUSED = 5
    RESUMED = 6


class Reaction(enum.Enum):
    """What the engine does about a status code (V1.md §9.4, Appendix A)."""

    NONE = "it is the good answer; nothing to do"
    CONTINUE = "the engine notes it and goes on"
    STOP = "the engine gives the stream up"
    ALTERNATE_ID = "the engine tries once more with only one id field in the handshake"
    DROP_MEDIA = "the engine goes on without this kind of media"
    USE_DEFAULTS = "the engine tries once more with Zoom's default parameters, then goes on without it"
    TRANSIENT = "the engine tries again after 1.5, 3 and 6 s"
    BACK_OFF = "the engine tries again after 3, 6, 12, 24 s"
    RESEND_ACK = "the engine sends the CLIENT_READY_ACK again"


class StatusCode(OpenIntEnum):
    """RTMS_STATUS_CODE, the table of 2026 (V1.md §9.4)."""

    OK = 0
    INVALID_MESSAGE_TYPE = 1
    INVALID_RTMS_STREAM_ID = 2
    INVALID_SIGNATURE = 3
    INVALID_PAYLOAD = 4
    INVALID_EVENTS = 5
    INVALID_EVENT_TYPE = 6
    INVALID_MEDIA_TYPE = 7
    DUPLICATE_SIGNAL_REQUEST = 8
    MEDIA_TYPE_AUDIO_NOT_SUPPORT = 9
    MEDIA_TYPE_VIDEO_NOT_SUPPORT = 10
    MEDIA_TYPE_DESKSHARE_NOT_SUPPORT = 11
    MEDIA_TYPE_TRANSCRIPT_NOT_SUPPORT = 12
    MEDIA_TYPE_CHAT_NOT_SUPPORT = 13
    MEDIA_TYPE_INVALID_VALUE = 14
    MEDIA_DATA_ALL_CONNECTION_EXIST = 15
    DUPLICATE_MEDIA_DATA_CONNECTION = 16
    INVALID_MEDIA_PARAMS = 17
    INVALID_MEDIA_AUDIO_PARAMS = 18
    INVALID_MEDIA_AUDIO_CONTENT_TYPE = 19
    INVALID_MEDIA_AUDIO_SAMPLE_RATE = 20
    INVALID_MEDIA_AUDIO_CHANNEL = 21
    INVALID_MEDIA_AUDIO_CODEC = 22
    INVALID_MEDIA_AUDIO_DATA_OPT = 23
    INVALID_MEDIA_AUDIO_SEND_RATE = 24
    INVALID_MEDIA_VIDEO_PARAMS = 25
    INVALID_MEDIA_VIDEO_CONTENT_TYPE = 26
    INVALID_MEDIA_VIDEO_CODEC = 27
    INVALID_MEDIA_VIDEO_RESOLUTION = 28
    INVALID_MEDIA_VIDEO_DATA_OPT = 29
    INVALID_MEDIA_VIDEO_FPS = 30
    INVALID_MEDIA_DESKSHARE_PARAMS = 31
    INVALID_MEDIA_DESKSHARE_CONTENT_TYPE = 32
    INVALID_MEDIA_DESKSHARE_CODEC = 33
    INVALID_MEDIA_DESKSHARE_RESOLUTION = 34
    INVALID_MEDIA_DESKSHARE_FPS = 35
    INVALID_MEDIA_TRANSCRIPT_PARAMS = 36
    INVALID_MEDIA_TRANSCRIPT_CONTENT_TYPE = 37
    INVALID_MEDIA_CHAT_PARAMS = 38
    INVALID_MEDIA_CHAT_CONTENT_TYPE = 39
    INVALID_RTMS_SESSION_ID = 40
    INVALID_CLIENT_READY_ACK = 41
    INVALID_EVENT_SUBSCRIBE = 42
    INVALID_MEDIA_TRANSCRIPT_SOURCE_LANGUAGE = 43
    DUPLICATE_VIDEO_SUBSCRIPTION = 44
    INTERNAL_EXCEPTION = 45
    INVALID_MEDIA_TRANSCRIPT_TARGET_LANGUAGE = 46
    CHAT_SESSION_KEY_NOT_AVAILABLE = 47

    @property
    def reaction(self) -> Reaction:
        """What the engine does about it; a number that nobody knows is tried again with backoff."""
        return _REACTIONS.get(int(self), Reaction.BACK_OFF)

    @classmethod
    def said(cls, number: int, reason: str) -> Self:
        """The status that is meant when ``reason`` names another one than ``number``.

        There are two incompatible tables in the field; where the text names a status of the current
        one, alone or in a sentence, the text is believed (V1.md §9.4, "Never interpret by number
        alone"; §3.4).
        """
        said = _words(reason)
        named = [status for words, status in _IN_WORDS if words in said] if said.strip() else []
        return cls(named[0] if named else number)


def _words(text: str) -> str:
    return f" {' '.join(''.join(c if c.isalnum() else ' ' for c in text.upper()).split())} "


_IN_WORDS = sorted(
    ((_words(name), status) for name, status in StatusCode.__members__.items() if "_" in name),
    key=lambda row: -len(row[0]),
)
"""What may be said of a status in a sentence, the longest first. Single words are no names: "ok" is said often."""
_REACTIONS: dict[int, Reaction] = {
    0: Reaction.NONE,
    1: Reaction.STOP,
    2: Reaction.STOP,
    3: Reaction.STOP,
    4: Reaction.ALTERNATE_ID,
    5: Reaction.CONTINUE,
    6: Reaction.CONTINUE,
    7: Reaction.DROP_MEDIA,
    8: Reaction.TRANSIENT,
    **dict.fromkeys(range(9, 14), Reaction.DROP_MEDIA),
    14: Reaction.USE_DEFAULTS,
    15: Reaction.TRANSIENT,
    16: Reaction.TRANSIENT,
    **dict.fromkeys(range(17, 40), Reaction.USE_DEFAULTS),
    40: Reaction.CONTINUE,
    41: Reaction.RESEND_ACK,
    42: Reaction.CONTINUE,
    43: Reaction.USE_DEFAULTS,
    44: Reaction.CONTINUE,
    45: Reaction.BACK_OFF,
    46: Reaction.CONTINUE,
    47: Reaction.CONTINUE,
}


class Outcome(enum.Enum):
    """What the end of a stream means (V1.md §8.8)."""

    FINISH = "somebody decided it; the recording is finished normally"
    RESTART = "a technical reason; the stream can be started again through Zoom's REST API"
    ERASE = "everything recorded of the stream must be deleted"


class StopReason(OpenIntEnum):
    """RTMS_STOP_REASON (V1.md §9.5)."""

    UNDEFINED = 0
    HOST_TRIGGERED = 1
    USER_TRIGGERED = 2
    USER_LEFT = 3
    USER_EJECTED = 4
    HOST_DISABLED_APP = 5
    MEETING_ENDED = 6
    STREAM_CANCELED = 7
    STREAM_REVOKED = 8
    ALL_APPS_DISABLED = 9
    INTERNAL_EXCEPTION = 10
    CONNECTION_TIMEOUT = 11
    INSTANCE_CONNECTION_INTERRUPTED = 12
    SIGNAL_CONNECTION_INTERRUPTED = 13
    DATA_CONNECTION_INTERRUPTED = 14
    SIGNAL_CONNECTION_CLOSED_ABNORMALLY = 15
    DATA_CONNECTION_CLOSED_ABNORMALLY = 16
    EXIT_SIGNAL = 17
    AUTHENTICATION_FAILURE = 18
    AWAIT_RECONNECTION_TIMEOUT = 19
    RECEIVER_REQUEST_CLOSE = 20
    CUSTOMER_DISCONNECTED = 21
    AGENT_DISCONNECTED = 22
    ADMIN_DISABLED_APP = 23
    KEEP_ALIVE_TIMEOUT = 24
    MANUAL_API_TRIGGERED = 25
    STREAMING_NOT_SUPPORTED = 26

    @property
    def outcome(self) -> Outcome:
        """What it means for the recording; an unknown reason finishes it (V1.md §8.8)."""
        if self == StopReason.STREAM_REVOKED:
            return Outcome.ERASE
        return Outcome.RESTART if int(self) in _RESTARTABLE else Outcome.FINISH


_RESTARTABLE = frozenset([*range(10, 20), 24])


class RestCode(OpenIntEnum):
    """What Zoom's REST API answers: HTTP statuses, and codes in the body (V1.md §1.11). The names are ours."""

    UNREACHABLE = 0
    INVALID_ACCESS_TOKEN = 124
    INVALID_REQUEST = 300
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    TOO_MANY_REQUESTS = 429
    INTERNAL_ERROR = 500
    BAD_GATEWAY = 502
    UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504
    USER_NOT_ALLOWED = 2308
    OPERATION_FAILED = 2310
    TRY_AGAIN = 3000
    NO_SUCH_MEETING = 3001
    MISSING_SCOPE = 4711

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed in a moment."""
        return int(self) in _RETRYABLE

    @classmethod
    def said(cls, status: int, code: int) -> Self:
        """The one of an HTTP status and the body's code, 0 if it has none, that says more."""
        return cls(code) if code and cls(code).is_known else cls(status)


_RETRYABLE = frozenset([0, 429, *range(500, 600), 3000])


class CloseCode(OpenIntEnum):
    """How a WebSocket ended (RFC 6455 §7.4). Of Zoom only 1000, 1006 and 1011 are reported (V1.md §8.6)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_PAYLOAD_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


class Explanation(NamedTuple):
    """A number for people."""

    name: str
    cause: str
    remedy: str


_CREDENTIALS = (
    "Check that client_id and client_secret belong to the same app as the webhook's secret token "
    "(development and production have different ones; Video SDK uses its SDK key and secret)."
)
_OURS = "This is a defect of the engine; please report it with the log line."
_NOTHING = "Nothing to do."


def _scope(kind: str, scope: str) -> tuple[str, str]:
    return (
        f"Zoom does not give this app {kind} in this meeting.",
        f"Add the scope meeting:read:{scope} (or its webinar or Contact Center twin) to the app, "
        "authorise it again, and see that the feature is on in the account.",
    )


def _params(what: str, keys: str) -> tuple[str, str]:
    return (f"Zoom does not accept the {what} asked for.", f"Correct {keys}.")


_STATUS: dict[int, tuple[str, str]] = {
    0: ("The request was accepted.", _NOTHING),
    1: ("Zoom does not know the message type that was sent.", _OURS),
    2: (
        "Zoom knows no such stream: it has ended, or the webhook was an old one.",
        "If it comes right after a start, see whether the webhook reached the engine minutes late.",
    ),
    3: ("The handshake's signature is wrong.", _CREDENTIALS),
    4: ("A field of the handshake is missing or malformed.", _OURS),
    5: ("The list of subscribed events is malformed.", _OURS),
    6: ("An event type in the subscription is not known to Zoom for this product.", _NOTHING),
    7: ("The media type is not known to Zoom.", _OURS),
    8: (
        "Zoom still sees an earlier signaling connection of this stream.",
        "Usual for seconds after a reconnect. If it lasts, a second engine or program holds the same "
        "stream: only one may.",
    ),
    9: _scope("audio", "meeting_audio"),
    10: _scope("video", "meeting_video"),
    11: _scope("screen share", "meeting_screenshare"),
    12: _scope("transcripts", "meeting_transcript"),
    13: _scope("chat", "meeting_chat"),
    14: (
        "media_type must be one single kind or 32 for all; combinations are refused.",
        'Set [rtms] mode = "split".',
    ),
    15: (
        "A connection for all media exists already, so none for a single kind is allowed.",
        "Use one mode ([rtms] mode) and one engine per stream.",
    ),
    16: (
        "Zoom still sees an earlier media connection of this kind.",
        "Usual for seconds after a reconnect. If it lasts, a second program holds the same stream.",
    ),
    17: _params("media parameters", "the [media.*] sections"),
    18: _params("audio parameters", "[media.audio]"),
    19: _params("audio content type", "nothing: the engine sends RAW_AUDIO; please report it"),
    20: _params("audio sample rate", "[media.audio] sample_rate (48000 with opus)"),
    21: _params("audio channels", "[media.audio] channels (2 only with opus)"),
    22: _params("audio codec", "[media.audio] codec"),
    23: _params("audio mode", "[media.audio] mode"),
    24: _params("audio send rate", "[media.audio] send_rate_ms (a multiple of 20 up to 1000)"),
    25: _params("video parameters", "[media.video]"),
    26: _params("video content type", "nothing: the engine sends RAW_VIDEO; please report it"),
    27: _params("video codec", "[media.video] codec (jpg and png up to 5 fps, h264 above)"),
    28: _params("video resolution", "[media.video] resolution"),
    29: _params("video mode", "[media.video] mode"),
    30: _params("video frame rate", "[media.video] fps (1 to 30, and it must suit the codec)"),
    31: _params("share parameters", "[media.share]"),
    32: _params("share content type", "nothing: the engine sends RAW_VIDEO; please report it"),
    33: _params("share codec", "[media.share] codec (jpg and png at 1 fps, h264 from 6)"),
    34: _params("share resolution", "[media.share] resolution"),
    35: _params("share frame rate", "[media.share] fps"),
    36: _params("transcript parameters", "[media.transcript]"),
    37: _params("transcript content type", "nothing: the engine sends TEXT; please report it"),
    38: _params("chat parameters", "nothing: chat has none to choose; please report it"),
    39: _params("chat content type", "nothing: the engine sends TEXT; please report it"),
    40: ("The session id in a state query is not known.", _NOTHING),
    41: (
        "The CLIENT_READY_ACK came too early or names another stream.",
        "The engine repeats it after the media handshake; if media stays away, please report it.",
    ),
    42: ("The event subscription was not accepted.", "Participant and speaker names may be missing."),
    43: _params("transcript language", "[media.transcript] language"),
    44: ("This participant's video is subscribed already.", _NOTHING),
    45: ("Zoom's server failed inside.", "If it lasts, see Zoom's status page."),
    46: ("The translation language of a transcript is not accepted.", _NOTHING),
    47: (
        "Zoom has no key for a private or end-to-end encrypted chat.",
        "That chat cannot be read; the others go on.",
    ),
}

_STOP: dict[int, tuple[str, str]] = {
    0: ("Zoom gave no reason.", _NOTHING),
    1: ("The host stopped the stream.", _NOTHING),
    2: ("The user stopped the stream.", _NOTHING),
    3: (
        "The user whose app started the stream left; the stream ends even if the meeting goes on.",
        "Start the app for the host, or turn on continuous sharing in the account.",
    ),
    4: ("The host removed the user whose app started the stream.", _NOTHING),
    5: ("The host disabled the app.", "Ask the host to allow the app."),
    6: ("The meeting is over.", _NOTHING),
    7: ("A participant's request cancelled the stream.", _NOTHING),
    8: (
        "The permission was revoked: everything recorded of this stream must be deleted at once.",
        "Delete what other systems received of it too.",
    ),
    9: ("The host disabled all apps.", "Ask the host to allow apps."),
    10: ("Zoom's server failed inside.", "The stream can be started again."),
    11: (
        "The engine did not connect in time.",
        "See whether the webhook came late and whether the engine reaches Zoom on port 443.",
    ),
    12: ("Zoom's RTMS server lost its meeting.", "The stream can be started again."),
    13: ("The signaling connection was lost and did not come back.", "Check the network to Zoom."),
    14: ("The media connection was lost and did not come back.", "Check the network to Zoom."),
    15: ("The engine's signaling connection closed abnormally.", "Check its host and network."),
    16: ("The engine's media connection closed abnormally.", "Check its host and network."),
    17: ("Zoom's server process ended.", "The stream can be started again."),
    18: (
        "The app in the meeting and the credentials of the engine belong to different apps or "
        "versions; typical: development credentials with the production app, one second after join.",
        _CREDENTIALS,
    ),
    19: ("Zoom waited for a reconnection that did not come.", "Check the network to Zoom."),
    20: ("The engine asked for the end of the stream.", _NOTHING),
    21: ("The customer hung up.", _NOTHING),
    22: ("The agent hung up.", _NOTHING),
    23: ("The account's admin disabled the app.", "Ask the admin to allow the app."),
    24: (
        "Three keep-alives in a row were not answered.",
        "The engine or its machine was stalled, or the network was cut for 30 s.",
    ),
    25: ("The stream was stopped through Contact Center's API.", _NOTHING),
    26: ("The Contact Center queue does not allow streaming.", "Turn it on for the queue."),
}

_EVENT: dict[int, tuple[str, str]] = {
    0: ("Zoom named no event.", _NOTHING),
    1: ("The session clock starts. Always sent; never subscribe to it.", _NOTHING),
    2: ("Somebody else is speaking now.", _NOTHING),
    3: ("Somebody joined; the first one after attaching carries everybody.", _NOTHING),
    4: ("Somebody left; also sent for everybody at the end.", _NOTHING),
    5: ("A screen share starts. Needs the screen-share scope.", _NOTHING),
    6: ("The screen share ended.", _NOTHING),
    7: (
        "Zoom lost a media connection of ours and waits 65 s for it. Never subscribe to it.",
        "The engine reconnects that connection by itself.",
    ),
    8: ("A participant's camera went on.", _NOTHING),
    9: ("A participant's camera went off.", _NOTHING),
    10: ("A private chat group was made.", _NOTHING),
    11: ("Private chat groups were deleted.", _NOTHING),
    12: ("Members were added to a private chat group.", _NOTHING),
    13: ("Members were removed from a private chat group.", _NOTHING),
    14: ("A member of a private chat group changed place (breakout room, backstage …).", _NOTHING),
}

_MESSAGE: dict[int, tuple[str, str]] = {
    0: ("No message has this type.", _OURS),
    1: ("Engine to Zoom, signaling: opens the stream, signed.", _NOTHING),
    2: ("Zoom to engine, signaling: the status, and the media servers' URLs.", _NOTHING),
    3: ("Engine to Zoom, media: asks for a kind of media, signed.", _NOTHING),
    4: ("Zoom to engine, media: the status, and the effective parameters.", _NOTHING),
    5: ("Engine to Zoom, signaling: which events to send.", _NOTHING),
    6: ("Zoom to engine: something happened in the meeting.", _NOTHING),
    7: ("Engine to Zoom, signaling: media may flow now. Without it none does.", _NOTHING),
    8: ("Zoom to engine, signaling: the state of the stream.", _NOTHING),
    9: ("Zoom to engine, signaling: the state of one session of the stream.", _NOTHING),
    10: ("Engine to Zoom, signaling: asks for a session's state.", _NOTHING),
    11: ("Zoom to engine, signaling: a session's state.", _NOTHING),
    12: (
        "Zoom to engine, every socket, each 10 s: are you there?",
        "Three unanswered in a row end the connection.",
    ),
    13: ("Engine to Zoom: the answer, with the request's own timestamp and sequence.", _NOTHING),
    14: ("Zoom to engine, media: some milliseconds of sound.", _NOTHING),
    15: ("Zoom to engine, media: a camera picture.", _NOTHING),
    16: ("Zoom to engine, media: a screen-share picture.", _NOTHING),
    17: ("Zoom to engine, media: an utterance as text.", _NOTHING),
    18: ("Zoom to engine, media: a chat message.", _NOTHING),
    19: ("Engine to Zoom, signaling: asks for the stream's state.", _NOTHING),
    20: ("Zoom to engine, signaling: the stream's state.", _NOTHING),
    21: ("Engine to Zoom, signaling: please end the stream.", _NOTHING),
    22: ("Zoom to engine, signaling: whether it will end.", _NOTHING),
    23: ("Zoom to engine, media: data about audio; its body is not published.", _NOTHING),
    24: ("Zoom to engine, media: reserved for data about video; not sent yet.", _NOTHING),
    25: ("Zoom to engine, media: reserved for data about screen shares; not sent yet.", _NOTHING),
    26: ("Zoom to engine, media: reserved for data about transcripts; not sent yet.", _NOTHING),
    27: ("Zoom to engine, media: reserved for data about chat; not sent yet.", _NOTHING),
    28: ("Engine to Zoom, signaling: whose camera to send (single-participant video).", _NOTHING),
    29: ("Zoom to engine, signaling: whether that camera is sent.", _NOTHING),
}

_CONTACT: dict[int, tuple[str, str]] = {
    0: ("Zoom named no event.", _NOTHING),
    8: ("The consumer is on the line.", _NOTHING),
    9: ("The consumer is off the line.", _NOTHING),
    10: ("An agent answered.", _NOTHING),
    11: ("An agent is off the line.", _NOTHING),
    12: ("An agent put the consumer on hold.", _NOTHING),
    13: ("An agent took the consumer off hold.", _NOTHING),
    14: ("A supervisor listens in.", _NOTHING),
    15: ("A supervisor changed the way of listening in: silent, whispering or talking.", _NOTHING),
    16: ("The supervisor does not listen any more.", _NOTHING),
    17: ("A supervisor took the call over.", _NOTHING),
    18: ("An agent wants to transfer the call.", _NOTHING),
    19: ("The transfer was given up.", _NOTHING),
    20: ("Somebody took the transfer.", _NOTHING),
    21: ("The call is with somebody else now.", _NOTHING),
    22: ("Somebody declined the transfer.", _NOTHING),
    23: ("Nobody took the transfer in time.", _NOTHING),
    24: ("The conference was given up.", _NOTHING),
    25: ("The invitation of somebody to the conference was taken back.", _NOTHING),
    26: ("Somebody is invited to the conference.", _NOTHING),
    27: ("Somebody declined the conference.", _NOTHING),
    28: ("Somebody did not answer the invitation to the conference in time.", _NOTHING),
    29: ("Somebody left the conference.", _NOTHING),
}

_STATE: dict[int, tuple[str, str]] = {
    0: ("The stream has not begun, or Zoom does not say.", _NOTHING),
    1: ("Media may flow.", _NOTHING),
    2: ("Zoom lost a connection of the engine and waits for it.", "The engine reconnects by itself."),
    3: ("The stream is about to end.", _NOTHING),
    4: ("The stream has ended; the reason stands beside it.", "See: rtms-engine explain stop."),
    5: ("The stream is paused: no media until it is resumed.", "Resume it: rtms-engine stream resume."),
    6: ("The stream goes on after a pause.", _NOTHING),
}

_SESSION: dict[int, tuple[str, str]] = {
    0: ("The session has not begun, or Zoom does not say.", _NOTHING),
    1: ("The session is being set up.", _NOTHING),
    2: ("The session runs.", _NOTHING),
    3: ("The session is paused: no media until it is resumed.", "Resume it: rtms-engine stream resume."),
    4: ("The session goes on after a pause.", _NOTHING),
    5: ("The session is over; the stream may have others.", _NOTHING),
}

_NETWORK = "If it repeats, look for what cuts long connections: proxies, NAT, firewalls, a stalled machine."

_CLOSE: dict[int, tuple[str, str]] = {
    1000: ("It was closed in good order.", _NOTHING),
    1001: ("The other side goes away, as a server that is being replaced does.", _NOTHING),
    1002: ("The other side saw something that is no WebSocket.", f"A proxy in between? {_OURS}"),
    1003: ("The other side cannot use this kind of message.", _OURS),
    1005: ("It was closed without a reason.", _NOTHING),
    1006: (
        "It broke off without a farewell: the network, the other machine or this one failed.",
        _NETWORK,
    ),
    1007: ("The other side saw text that is no UTF-8.", _OURS),
    1008: (
        "The other side refuses what was sent.",
        "See the log for the handshake's status; a second engine for the same stream is refused like this.",
    ),
    1009: ("A message was larger than allowed; the engine takes 16 MiB.", _OURS),
    1010: ("An extension of WebSocket was wanted that the other side has not.", _OURS),
    1011: ("The server failed inside.", "If it lasts, see Zoom's status page."),
    1012: ("The server is started anew.", _NOTHING),
    1013: ("The server is overloaded.", "If it lasts, see Zoom's status page."),
    1014: ("A proxy could not reach the server behind it.", _NETWORK),
    1015: ("The TLS connection could not be made.", "Check certificates: rtms-engine doctor."),
}

_API_CREDENTIALS = (
    "Check that account_id, api_client_id and api_client_secret of [[apps]] belong to one activated "
    "Server-to-Server OAuth app (Video SDK: the API key and API secret, no account_id), and that this "
    "machine's clock is right."
)
_NO_MEETING = (
    "No such meeting runs now. A stream can only be started while its meeting runs.",
    "Check the id: the number of the meeting or its UUID; for Video SDK the session's id.",
)
_THEIRS = "If it lasts, see Zoom's status page."

_REST: dict[int, tuple[str, str]] = {
    0: (
        "It could not be reached or did not answer in time, or something else answered in its place.",
        "Check name resolution, proxies and the network from the engine to [zoom] api_url and oauth_url.",
    ),
    124: ("The access token is not valid, or no longer.", _API_CREDENTIALS),
    300: ("Zoom cannot use a parameter of the request.", "Check the meeting's id and the user's."),
    400: (
        "Zoom cannot use the request. From oauth_url: the credentials are wrong.",
        f"Check the meeting's id and the user's. {_API_CREDENTIALS}",
    ),
    401: ("Zoom does not accept the credentials of its REST API.", _API_CREDENTIALS),
    403: (
        "The app may not do this in this account or meeting.",
        "Turn on RTMS for the app and sharing of meeting content with apps in the account.",
    ),
    404: _NO_MEETING,
    429: ("More calls than Zoom allows the account, per second or per day.", "Start fewer streams at once."),
    500: ("Zoom's server failed inside.", _THEIRS),
    502: ("Zoom's server failed behind its gateway.", _THEIRS),
    503: ("Zoom's server is overloaded or under maintenance.", _THEIRS),
    504: ("Zoom's server did not answer its gateway in time.", _THEIRS),
    2308: (
        "The user may not stream this meeting. Without a participant_user_id it is the one who owns the "
        "credentials, who need not be in the meeting.",
        "Name the host or another participant who has the app (--user), and see that the account lets "
        "them share meeting content with it.",
    ),
    2310: (
        "Zoom could not perform the operation; typical: the account is a basic one or has no Zoom "
        "Developer Pack, or RTMS is not turned on for the app.",
        "After buying the Developer Pack wait a minute or two; else ask Zoom to turn RTMS on for the app.",
    ),
    3000: ("Zoom could not do it at this moment.", _THEIRS),
    3001: _NO_MEETING,
    4711: (
        "The credentials of the REST API lack a scope.",
        "Add the scope meeting:update:participant_rtms_app_status (or its :admin twin) to the "
        "Server-to-Server OAuth app and activate it again.",
    ),
}

_TABLES: dict[str, tuple[type[OpenIntEnum], dict[int, tuple[str, str]]]] = {
    "status": (StatusCode, _STATUS),
    "stop": (StopReason, _STOP),
    "event": (EventType, _EVENT),
    "contact": (ContactCenterEventType, _CONTACT),
    "message": (MessageType, _MESSAGE),
    "state": (StreamState, _STATE),
    "session": (SessionState, _SESSION),
    "close": (CloseCode, _CLOSE),
    "rest": (RestCode, _REST),
}

EXPLAINABLE = tuple(_TABLES)
"""The tables that `explain` knows."""


def explain(table: str, number: int) -> Explanation:
    """Name, cause and remedy of a number of Zoom's.

    Args:
        table: one of `EXPLAINABLE`.
        number: as on the wire; unknown numbers are explained as unknown.
    """
    numbers, rows = _TABLES[table]
    code = numbers(number)
    cause, remedy = rows.get(
        number,
        (
            "Zoom has not published its meaning."
            if not code.is_known
            else "It has a name and nothing more to say.",
            "Update the engine; if it is the newest, please report the number."
            if not code.is_known
            else _NOTHING,
        ),
    )
    match code:
        case StatusCode():
            remedy = f"{remedy} By itself, {code.reaction.value}." if number else remedy
        case StopReason():
            remedy = f"{remedy} Class: {code.outcome.value}."
        case CloseCode() if number != CloseCode.NORMAL_CLOSURE:
            remedy = f"{remedy} By itself, the engine reconnects within Zoom's window."
        case RestCode() if code.is_retryable:
            remedy = f"{remedy} By itself, the engine tries again a few times."
        case _:
            pass
    return Explanation(code.name, cause, remedy)


def in_words(table: str, number: int) -> str:
    """Cause and remedy of a number, as logs, stories and the API say them; a remedy only if there is one."""
    _, cause, remedy = explain(table, number)
    return cause if remedy.startswith(_NOTHING) else f"{cause} {remedy}"


_CLOSED = re.compile(r"^closed by (?:the server|us) with (\d{4})\b")


def loss_in_words(sentence: str) -> str:
    """What the close code means that a sentence about a lost connection names; empty if it names none."""
    found = _CLOSED.match(sentence)
    return explain("close", int(found[1])).cause if found else ""


def numbers_of(table: str) -> tuple[OpenIntEnum, ...]:
    """All known numbers of a table, in order."""
    return tuple(_TABLES[table][0])
