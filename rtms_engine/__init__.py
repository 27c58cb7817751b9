"""A self-hosted engine for Zoom Realtime Media Streams: a meeting in, its recording out.

The plan of the house, from the cellar to the roof. Imports point down and inward, and
``tests/test_architecture.py`` holds them to it:

======================  ============================================================================
`errors`                what is raised, and whose fault it was
`schema`, `threads`     tables of a configuration to values; what is opened in a thread, and not lost
`cores`                 which cores a process runs on
`telemetry`             what the engine says of itself: counters, stories, how often it speaks
`model`                 values: ids, products, media, frames, events, signals, reasons
`wire`                  bytes ↔ messages in Zoom's words; signatures; Zoom's numbers
`protocol`              decisions without I/O: events and time go in, commands and bytes come out
`transport`             conversations with the outside: bytes over verified WebSockets
`vault`                 the door to what is stored: in plain, or encrypted with a key for each recording
`sinks`, `recording`    where frames go: the contract, the small built-ins, the recorder
`capture`               what the wire said: written, read, inspected, scrubbed, said again
`notifications`         what others are told of streams and recordings
`outbound`              webhooks that the engine sends: signed, kept on disk, guarded against its own net
`export`                one file to watch, made of a recording
`coordination`          what must survive a crash: webhooks that were accepted, streams that are owed
`retention`, `audit`    what is deleted, when and why; a log of it that tells when it was touched
`stream`                one stream at work: machines joined to transports, tasks and sinks
`consent`               who is asked whether media may be received
`serving`               HTTP servers: listening, answering, leaving
`webhook`               verify, parse, answer
`zoom_api`              starts, stops, pauses and resumes streams at Zoom
`supervisor`            which streams there are
`processes`             the streams spread over several processes of one engine
`api`                   what others may ask of the engine over HTTP
`config`                the configuration
`stream_factory`        from a start to a worker, as the configuration says
`keeping`               what keeps, as the configuration says: recordings, their keys, stories
`engine`                the composition root that knows everybody, a room for each idea
`replay`                another root: captured streams once more
`daemon`                the command line, logging, the process
`simulator`             a fake Zoom: shares `wire` with the engine, and none of its decisions
`testing`               for the tests of others: the contract of sinks as checks, scripted meetings
======================  ============================================================================

A frame's way: `transport.websocket` → `stream.leg_driver` → `protocol.media` → `stream.demux` →
`stream.sink_runner` → a sink. A webhook's way: `webhook.receiver` → `engine.intake` →
`supervisor.supervisor` → `stream.worker` → `protocol.lifecycle`.

Only what is listed in ``__all__`` is public.
"""

from importlib.metadata import version

from .config import (
    ApiConfig,
    AppConfig,
    Config,
    LimitsConfig,
    LogConfig,
    NotificationConfig,
    RtmsConfig,
    Secret,
    ServerConfig,
    StateConfig,
    ZoomConfig,
    load_config,
)
from .engine import Engine
from .errors import (
    CaptureError,
    ConfigError,
    ConnectFailed,
    EndpointRefused,
    LocalProtocolError,
    RtmsError,
    SinkError,
    WebhookRejected,
    ZoomApiError,
)
from .model.events import StreamEvent
from .model.frames import (
    AudioFrame,
    ChatMessage,
    Frame,
    ShareFrame,
    Speaker,
    TranscriptSegment,
    VideoFrame,
)
from .model.media import (
    AudioParams,
    ChatParams,
    MediaKind,
    MediaParams,
    ShareParams,
    TranscriptParams,
    VideoParams,
)
from .model.reasons import StopReason
from .replay import Replayed, replay
from .sinks.base import Ending, Item, Sink, SinkSpec, StreamInfo
from .sinks.registry import SinkConfig

__version__ = version("rtms-engine")

__all__ = [
    "ApiConfig",
    "AppConfig",
    "AudioFrame",
    "AudioParams",
    "CaptureError",
    "ChatMessage",
    "ChatParams",
    "Config",
    "ConfigError",
    "ConnectFailed",
    "Ending",
    "EndpointRefused",
    "Engine",
    "Frame",
    "Item",
    "LimitsConfig",
    "LocalProtocolError",
    "LogConfig",
    "MediaKind",
    "MediaParams",
    "NotificationConfig",
    "Replayed",
    "RtmsConfig",
    "RtmsError",
    "Secret",
    "ServerConfig",
    "ShareFrame",
    "ShareParams",
    "Sink",
    "SinkConfig",
    "SinkError",
    "SinkSpec",
    "Speaker",
    "StateConfig",
    "StopReason",
    "StreamEvent",
    "StreamInfo",
    "TranscriptParams",
    "TranscriptSegment",
    "VideoFrame",
    "VideoParams",
    "WebhookRejected",
    "ZoomApiError",
    "ZoomConfig",
    "load_config",
    "replay",
]
