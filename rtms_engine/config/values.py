"""The values of a configuration, as a program may build them too."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec
from msgspec import Meta

from ..model.media import MediaParams, VideoParams
from ..model.retention import Retention
from ..model.secret import Secret
from ..notifications.progress import EVENTS, Event
from ..outbound.addresses import reach_of
from ..outbound.signing import key_of
from ..sinks.registry import SinkConfig
from ..sinks.secrets import revealed
from ..zoom_api.calls import BASE_URL

if TYPE_CHECKING:
    from ..vault.keys import MasterKey  # and with it `cryptography`, which only those need who encrypt

FOLLOW_ACTIVE_SPEAKER = "active_speaker"


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ServerConfig(_Section, frozen=True):
    """``[server]``: where Zoom's webhooks come in."""

    host: str = "0.0.0.0"  # noqa: S104 - Zoom comes from outside
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0: any free port."""
    path: Annotated[str, Meta(pattern=r"^/[\w./~-]*\Z", description="a path such as /webhook")] = "/webhook"
    """Where Zoom posts to. ``/healthz`` and ``/readyz`` lie beside it."""
    drain_timeout_s: Annotated[float, Meta(ge=0)] = 3600.0
    """How long a stopping engine lets meetings run on before it lets go of them."""
    workers: Annotated[int, Meta(ge=1, le=256)] | Literal["auto"] = 1
    """How many processes the streams run in; 1: the engine's own, ``auto``: one for each core."""
    pin_to_core: bool = True
    """Whether a process that streams run in keeps to one core (`rtms_engine.cores`)."""
    worker_timeout_s: Annotated[float, Meta(ge=2)] = 10.0
    """A process that gives no sign of life for so long is killed, and its streams go to another."""


class AppConfig(msgspec.Struct, frozen=True):
    """One ``[[apps]]``: a Zoom app whose streams are taken. For Video SDK: its SDK key and secret."""

    client_id: str
    client_secret: Secret
    secret_token: Sequence[Secret]
    """Of the webhooks (Feature, Access in Zoom's Marketplace); two while one replaces the other."""
    name: str = "default"
    """What logs and manifests call it."""
    account_id: str | None = None
    """Of the account whose Server-to-Server OAuth app may use Zoom's REST API; None with Video SDK."""
    api_client_id: str | None = None
    """Of that OAuth app. For Video SDK: the API key."""
    api_client_secret: Secret | None = None
    retention: Retention = Retention()
    """How long the recordings of its streams are kept."""

    @classmethod
    def of(
        cls,
        client_id: str,
        client_secret: str,
        *secret_tokens: str,
        name: str = "default",
        account_id: str | None = None,
        api_client_id: str | None = None,
        api_client_secret: str | None = None,
        retention: Retention = Retention(),  # noqa: B008 - a frozen value
    ) -> Self:
        """An app from plain texts, for programs."""
        return cls(
            client_id,
            Secret(client_secret),
            tuple(map(Secret, secret_tokens)),
            name,
            account_id,
            api_client_id,
            Secret(api_client_secret) if api_client_secret else None,
            retention,
        )

    @property
    def has_api(self) -> bool:
        """Whether it has credentials of Zoom's REST API."""
        return self.api_client_id is not None


_BaseUrl = Annotated[
    str, Meta(pattern=BASE_URL, description="an https:// URL (http:// only to this machine)")
]


class ZoomConfig(_Section, frozen=True):
    """``[zoom]``: Zoom's REST API, which starts streams again."""

    api_url: _BaseUrl = "https://api.zoom.us/v2"
    oauth_url: _BaseUrl = "https://zoom.us/oauth/token"


_HOST = r"^(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z"
_HostPattern = Annotated[str, Meta(pattern=_HOST, description="a host name or *. and a suffix")]


class RtmsConfig(_Section, frozen=True):
    """``[rtms]``: the connections to Zoom."""

    mode: Literal["split", "unified"] = "split"
    """One connection for each kind of media, or one for all (V1.md §4.1)."""
    allowed_hosts: tuple[_HostPattern, ...] = ("*.zoom.us", "*.zoomgov.com")
    """Only these are connected to: exact names, or ``*.`` and a suffix."""
    ca_file: Path | None = None
    """PEM file of a certificate authority to trust besides the system's."""
    allow_insecure_loopback: bool = False
    """Allow ``ws://`` to this machine, for simulators."""
    buffer_data: bool = True
    """Ask Zoom for up to 60 s of audio from before the connection (V1.md §6.9)."""
    capture: bool = False
    """Write what the wire says, without secrets, for ``rtms-engine inspect`` and ``replay``."""
    capture_directory: str = "captures"
    """Where to; one file per stream. Revoked streams are deleted there too."""
    capture_compression: Literal["none", "zstd"] = "none"
    transport: Literal["auto", "websockets", "picows"] = "auto"
    """The library that speaks WebSocket and TLS: ``picows`` (where it is installed) is the faster one."""


class ApiConfig(_Section, frozen=True):
    """``[api]``: the HTTP API, for programs and for the dashboard."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    """0: any free port."""
    anonymous: Literal["loopback", "never", "everywhere"] = "loopback"
    """Who needs no token: who is on this machine (and not behind a proxy), nobody, or everybody."""
    hosts: tuple[str, ...] = ()
    """Names under which it may be called, besides those of this machine; ``*``: any."""
    requests_per_s: Annotated[float, Meta(gt=0)] = 50.0
    """Of one client, after a burst of twice as many."""


class NotificationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[notifications]]``: who is told, by signed webhooks, what becomes of streams and recordings."""

    url: str
    """Where to: ``https://``."""
    secrets: tuple[Secret, ...] = ()
    """``whsec_`` and Base64; two while one replaces the other. Or ``secrets_file``."""
    secrets_file: Path | None = None
    """A file that holds them."""
    events: tuple[Event, ...] = EVENTS
    allow_private: bool = False
    """Allow private addresses, and ``http://`` to them."""

    def __post_init__(self) -> None:
        reach_of(self.url, allow_private=self.allow_private)
        self.keys()

    def keys(self) -> tuple[bytes, ...]:
        """The keys of the secrets. Raises ValueError if one is none."""
        return tuple(map(key_of, revealed("secrets", self.secrets, self.secrets_file)))


class ConsentConfig(_Section, frozen=True):
    """``[consent]``: who must allow that media are received, and whose are not."""

    url: str = ""
    """Asked by POST with the facts of the stream, before any media; ``{"allow": true, "notice": "v3"}`` or
    ``{"allow": false}``. It may name ``exclude`` too. Redirects are not followed."""
    function: str = ""
    """``module:function`` that gets the same facts as a dict, and returns such a dict or a bool."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    otherwise: Literal["deny", "allow"] = "deny"
    """What holds without an answer in time."""
    allow_private: bool = False
    """Whether ``url`` may lead to this machine or a private network."""
    exclude: tuple[str, ...] = ()
    """Names or user ids: their sound, pictures, transcript and chat are dropped before any sink. Mixed
    sound is dropped as a whole while anybody is excluded."""


class EncryptionConfig(_Section, frozen=True):
    """``[encryption]``: of what is stored of meetings, at rest. Off without a key."""

    key: tuple[Secret, ...] = ()
    """The master key: 32 random bytes in Base64 or hexadecimal. Of several, the first encrypts and the others
    only open, while one replaces the other. Or ``key_file``."""
    key_file: Path | None = None
    """A file that holds it, or them."""
    directory: str = ""
    """Where the keys of recordings lie, each wrapped by the master key: who deletes one has deleted the
    recording. Empty: ``keys`` in ``[state] directory``."""

    def masters(self) -> tuple["MasterKey", ...]:
        """The master keys; none: nothing is encrypted. Raises ValueError, without a secret, if one is none."""
        if not self.key and self.key_file is None:
            return ()
        from ..vault.keys import MasterKey

        return tuple(map(MasterKey.spelled, revealed("key", self.key, self.key_file)))


class StateConfig(_Section, frozen=True):
    """``[state]``: what must survive a crash of the engine."""

    directory: str = "rtms-state"
    """Where accepted webhooks and live streams are kept; one engine per directory. Empty: nowhere, a
    restarted engine knows nothing of what was before."""
    spill_directory: str = ""
    """Where items wait for a sink that is too slow, if it wants that (overflow ``spill``); in files
    without a name, which are gone when the engine is. Empty: ``spill`` in ``directory``."""


class LimitsConfig(_Section, frozen=True):
    """``[limits]``: beyond them new streams are refused with a reason; those that run go on."""

    max_streams: Annotated[int, Meta(ge=1)] = 2000
    one_stream_per_meeting: Literal["all", "first", "host"] = "all"
    """If several users of an app stream one meeting: take all of them, the first, or only one that the
    original host started."""
    min_free_disk_mb: Annotated[int, Meta(ge=0)] = 1000
    """Megabytes that must be free where the sinks write; 0: do not look."""
    max_memory_mb: Annotated[int, Meta(ge=0)] = 0
    """Megabytes of memory in use; 0: do not look."""


class LogConfig(_Section, frozen=True):
    """``[log]``: what is written to the standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


_Follow = Annotated[
    str,
    Meta(
        pattern=r"^(active_speaker|first_camera|user:.+)\Z",
        description='"active_speaker", "first_camera" or "user:" and a name or id',
    ),
]


class VideoSection(VideoParams, frozen=True, forbid_unknown_fields=True):
    """``[media.video]``: the parameters, and whose camera."""

    follow: _Follow = FOLLOW_ACTIVE_SPEAKER


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the engine is told."""

    apps: Sequence[AppConfig]
    server: ServerConfig = ServerConfig()
    zoom: ZoomConfig = ZoomConfig()
    rtms: RtmsConfig = RtmsConfig()
    media: MediaParams = MediaParams()
    follow: str = FOLLOW_ACTIVE_SPEAKER
    """Whose camera, with video mode ``single_participant``: ``active_speaker``, ``first_camera`` or
    ``user:`` and a name or id."""
    sinks: Sequence[SinkConfig] = (SinkConfig("recording"),)
    api: ApiConfig = ApiConfig(enabled=False)
    """Off, unless a program asks for it; a configuration file has it on."""
    notifications: Sequence[NotificationConfig] = ()
    consent: ConsentConfig = ConsentConfig()
    encryption: EncryptionConfig = EncryptionConfig()
    state: StateConfig = StateConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
