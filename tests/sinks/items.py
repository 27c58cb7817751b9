"""A stream with one item of every kind, and events between them."""

from rtms_engine.model.events import Participant, ParticipantJoined, StreamStateChanged
from rtms_engine.model.frames import (
    AudioFrame,
    ChatMessage,
    ShareFrame,
    Speaker,
    TranscriptSegment,
    VideoFrame,
)
from rtms_engine.model.ids import StreamId
from rtms_engine.model.media import AudioParams
from rtms_engine.model.products import MEETING
from rtms_engine.model.reasons import StopReason
from rtms_engine.sinks.base import Ending, StreamInfo

T0_MS = 1_790_000_000_000
STREAM_ID = StreamId("609340fb2a7946909659956c8aa9250c")
STREAM = StreamInfo(STREAM_ID, "app", MEETING, "4444AAAiAAAAAiAiAiiAii==", T0_MS)
ADA = Speaker(16778240, "Ada")

JOINED = ParticipantJoined(T0_MS, Participant(16778240, "Ada"))
AUDIO = AudioFrame(STREAM_ID, ADA, T0_MS, 1.0, AudioParams(), bytes(3200))
VIDEO = VideoFrame(STREAM_ID, ADA, T0_MS, 1.0, "jpg", b"\xff\xd8camera\xff\xd9")
SHARE = ShareFrame(STREAM_ID, ADA, T0_MS, 1.0, "jpg", b"\xff\xd8slide\xff\xd9")
TRANSCRIPT = TranscriptSegment(STREAM_ID, ADA, T0_MS, 1.0, "Good morning.")
CHAT = ChatMessage(STREAM_ID, ADA, T0_MS, 1.0, "Hello")
ACTIVE = StreamStateChanged(T0_MS, "ACTIVE")

ITEMS = (ACTIVE, JOINED, AUDIO, VIDEO, SHARE, TRANSCRIPT, CHAT)

FINISHED = Ending(StopReason.MEETING_ENDED, T0_MS + 60_000)
REVOKED = Ending(StopReason.STREAM_REVOKED, T0_MS + 60_000)
