"""From a file, the environment and the command line to a `Config`, with every problem at once.

What does not fit becomes a problem in the `Report`, and its default goes on, so that the rest is
looked at too. Only `load` raises.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .. import schema
from ..consent import hook
from ..errors import ConfigError
from ..model.media import (
    AudioParams,
    ChatParams,
    MediaParams,
    ShareParams,
    TranscriptParams,
    VideoParams,
)
from ..sinks import registry
from ..sinks.registry import SinkConfig
from ..wire import media_params
from . import environment
from .apps import read_apps
from .report import DEFAULT, Report, Setting
from .values import (
    ApiConfig,
    Config,
    ConsentConfig,
    EncryptionConfig,
    LimitsConfig,
    LogConfig,
    NotificationConfig,
    RtmsConfig,
    ServerConfig,
    StateConfig,
    VideoSection,
    ZoomConfig,
)

_S = TypeVar("_S", bound=msgspec.Struct)
_Table = Mapping[str, Any]

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": ServerConfig,
    "zoom": ZoomConfig,
    "rtms": RtmsConfig,
    "media.audio": AudioParams,
    "media.video": VideoSection,
    "media.share": ShareParams,
    "media.transcript": TranscriptParams,
    "media.chat": ChatParams,
    "api": ApiConfig,
    "consent": ConsentConfig,
    "encryption": EncryptionConfig,
    "state": StateConfig,
    "limits": LimitsConfig,
    "log": LogConfig,
}
"""The tables of the file that are there once."""
SINK_KEYS = ("type", "name", "kinds", "delivery")
"""The keys that every ``[[sinks]]`` may have; the others are its type's own."""

_ORDER = (
    "server",
    "apps",
    "zoom",
    "rtms",
    "media",
    "sinks",
    "notifications",
    "api",
    "consent",
    "encryption",
    "state",
    "limits",
    "log",
)
_PROBES = ("/healthz", "/readyz")
_SOON_MS = 20
_DEFAULT_SINK = {"type": "recording"}


class Loaded(msgspec.Struct, frozen=True):
    """A configuration and how it came about."""

    config: Config
    settings: Mapping[str, Setting]
    """The effective value and the source of every key (``server.port``, ``apps.NAME.client_id``,
    ``sinks.NAME.type``), in the order of the example file."""
    notes: Sequence[str]
    """What was given and is not used."""


def load_config(
    path: Path | str | None,
    *,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read the configuration.

    Args:
        path: a TOML file; None if there is none.
        overrides: from the command line, by dotted key (``server.port``).
        environ: environment variables.

    Raises:
        ConfigError: with every problem.
    """
    return load(path, overrides=overrides, environ=environ).config


def load(
    path: Path | str | None,
    *,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """As `load_config`, with the source of every value. Raises ConfigError."""
    path = Path(path) if path else None
    document = _document(path)
    command_line = {key: Setting(text, "command line") for key, text in (overrides or {}).items()}
    report = Report(str(path or "configuration"))
    config = _config(
        document, environment.settings(environ) | command_line, environment.credentials(environ), report
    )
    if report.problems:
        raise ConfigError(report.problems)
    in_order = sorted(report.settings.items(), key=lambda item: _ORDER.index(item[0].partition(".")[0]))
    return Loaded(config, dict(in_order), report.notes)


def load_keys(
    path: Path | str | None,
    *,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """A configuration of nothing but ``[encryption]`` and ``[state]``, for who only reads what was stored.

    Raises ConfigError.
    """
    path = Path(path) if path else None
    document = {key: table for key, table in _document(path).items() if isinstance(table, dict)}
    command_line = {key: Setting(text, "command line") for key, text in (overrides or {}).items()}
    given = environment.settings(environ) | command_line
    report = Report(str(path or "configuration"))
    encryption = _section("encryption", EncryptionConfig, document, given, report)
    state = _section("state", StateConfig, document, given, report)
    _refuse_unusable_keys(encryption, state, report)
    if report.problems:
        raise ConfigError(report.problems)
    return Config(apps=(), encryption=encryption, state=state)


def _document(path: Path | None) -> _Table:
    try:
        return tomllib.loads(path.read_text("utf-8")) if path else {}
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{path}: is not TOML: nested too deeply"]) from error


def _config(
    document: _Table, given: Mapping[str, Setting], credentials: Mapping[str, Setting], report: Report
) -> Config:
    document = _well_formed(document, report)
    _refuse_unknown_given(given, report)

    def section(name: str, kind: type[_S]) -> _S:
        return _section(name, kind, document, given, report)

    sinks, live = _sinks(document.get("sinks", []), report)
    audio, video = section("media.audio", AudioParams), section("media.video", VideoSection)
    media = MediaParams(
        audio=audio,
        video=msgspec.convert(video, VideoParams, from_attributes=True),
        share=section("media.share", ShareParams),
        transcript=section("media.transcript", TranscriptParams),
        chat=section("media.chat", ChatParams),
    )
    config = Config(
        server=section("server", ServerConfig),
        apps=read_apps(document.get("apps", []), credentials, report),
        zoom=section("zoom", ZoomConfig),
        rtms=section("rtms", RtmsConfig),
        media=_suited(media, report, live=live),
        follow=video.follow,
        sinks=sinks,
        notifications=_notifications(document.get("notifications", []), report),
        api=section("api", ApiConfig),
        consent=section("consent", ConsentConfig),
        encryption=section("encryption", EncryptionConfig),
        state=section("state", StateConfig),
        limits=section("limits", LimitsConfig),
        log=section("log", LogConfig),
    )
    _refuse_unusable(config, report)
    return config


# --- the document ---


def _well_formed(document: _Table, report: Report) -> _Table:
    """The document without what is not known or not a table, with a problem for each."""
    sections = [name.split(".") for name in SECTIONS]
    top = {"apps": list, "sinks": list, "notifications": list, **{name[0]: dict for name in sections}}
    formed = _of_types("", document, top, report)
    media = {name[1]: dict for name in sections if name[0] == "media"}
    return formed | {"media": _of_types("media.", formed.get("media", {}), media, report)}


def _of_types(prefix: str, table: _Table, types: Mapping[str, type], report: Report) -> dict[str, Any]:
    report.refuse_unknown(prefix, table, types)
    formed = {key: value for key, value in table.items() if key in types and _is_formed(value, types[key])}
    for key in table:
        if key in types and key not in formed:
            header = f"[[{prefix}{key}]]" if types[key] is list else f"[{prefix}{key}]"
            report.problem(f"{prefix}{key}", f"must be written as {header}")
    return formed


def _is_formed(value: Any, kind: type[dict[str, Any]] | type[list[Any]]) -> bool:
    return isinstance(value, kind) and (kind is dict or all(isinstance(table, dict) for table in value))


def _refuse_unknown_given(given: Mapping[str, Setting], report: Report) -> None:
    known = [f"{name}.{key}" for name, kind in SECTIONS.items() for key in kind.__struct_fields__]
    for key, setting in given.items():
        if key not in known:
            report.problem(key, f"is not known{schema.nearest(key, known)}", setting.source)


# --- sections ---


def _section(name: str, kind: type[_S], document: _Table, given: Mapping[str, Setting], report: Report) -> _S:
    said = {key: Setting(value, report.file) for key, value in _table(document, name).items()}
    for field in schema.fields_of(kind):
        if setting := given.get(f"{name}.{field.name}"):
            said[field.name] = setting._replace(value=_listed(setting.value, field.default))
    table = {key: setting.value for key, setting in said.items()}
    problems = schema.problems(kind, table)
    for key, why in problems.items():
        report.problem(f"{name}.{key}", why, said[key].source)
    section = kind() if problems else schema.convert(kind, table)
    for key in kind.__struct_fields__:
        report.record(f"{name}.{key}", getattr(section, key), said, key)
    return section


def _table(document: _Table, name: str) -> _Table:
    for part in name.split("."):
        document = document.get(part, {})
    return document


def _listed(text: str, default: object) -> str | list[str]:
    """A list is spelled with commas where TOML's brackets are not to be had."""
    return text.split(",") if isinstance(default, tuple) else text


def _suited(media: MediaParams, report: Report, *, live: bool) -> MediaParams:
    """With the send rate that suits codec and sinks, unless somebody has set it (V1.md §4.2.1)."""
    key = "media.audio.send_rate_ms"
    if report.settings[key].source != DEFAULT or not (live or media.audio.codec == "opus"):
        return media
    report.settings[key] = Setting(_SOON_MS, DEFAULT)
    audio = msgspec.structs.replace(media.audio, send_rate_ms=_SOON_MS)
    return msgspec.structs.replace(media, audio=audio)


def _refuse_unusable(config: Config, report: Report) -> None:
    """What no single value shows."""
    if config.server.path in _PROBES:
        report.problem("server.path", f"must not be {' or '.join(_PROBES)}")
    if config.rtms.ca_file and not config.rtms.ca_file.is_file():
        report.problem("rtms.ca_file", "there is no such file")
    if config.notifications and not config.state.directory:
        report.problem("notifications", "need [state] directory, where they wait until they are delivered")
    _refuse_unusable_keys(config.encryption, config.state, report)
    for key, why in media_params.check(config.media).items():
        report.problem(f"media.{key}", why)
    consent = config.consent
    if config.rtms.capture and (consent.url or consent.function or consent.exclude):
        report.problem("rtms.capture", "holds all that the wire says, so it cannot be used with [consent]")
    if consent.exclude and config.media.audio.mode == "mixed":
        report.problem(
            "consent.exclude", 'needs media.audio.mode "per_participant": mixed sound holds everybody'
        )
    try:
        hook(consent.url, consent.function, allow_private=consent.allow_private, timeout_s=consent.timeout_s)
    except ConfigError as error:
        report.problems.extend(f"{report.file}: {problem}" for problem in error.problems)
    if not report.problems:
        _note_retention(config, report)
        _note_plain(config, report)


def _refuse_unusable_keys(encryption: EncryptionConfig, state: StateConfig, report: Report) -> None:
    try:
        masters = encryption.masters()
    except ValueError as error:
        key = "encryption.key_file" if encryption.key_file and not encryption.key else "encryption.key"
        report.problem(key, str(error))
        return
    if masters and not (encryption.directory or state.directory):
        report.problem("encryption.directory", "must be set if [state] directory is empty")


def _note_plain(config: Config, report: Report) -> None:
    """What encryption does not reach."""
    if config.encryption.masters():
        report.notes += [
            f"sinks.{sink.name} writes to {sink.directory} in plain: [encryption] does not reach it"
            for sink in map(registry.build, config.sinks)
            if sink.writes_to_disk and not sink.spec.encrypts
        ]


def _note_retention(config: Config, report: Report) -> None:
    """What an app's retention does to sinks, where its owner may not expect it."""
    stored = {
        sink.name or sink.type: registry.find(sink.type)
        for sink in config.sinks
        if registry.build(sink).writes_to_disk
    }
    for app in config.apps:
        if app.retention.stores_nothing and stored:
            left_out = ", ".join(stored)
            report.notes.append(f'not used for app {app.name}, whose retention is "none": {left_out}')
        elif app.retention.days is not None:
            report.notes += [
                f"the retention of app {app.name} does not reach sinks.{name}: delete its files yourself"
                for name, spec in stored.items()
                if spec.store is None
            ]


# --- notifications ---


def _notifications(tables: Sequence[_Table], report: Report) -> tuple[NotificationConfig, ...]:
    wanted = []
    for number, table in enumerate(tables, 1):
        prefix = f"notifications.{number}"
        if problems := schema.problems(NotificationConfig, table):
            for key, why in problems.items():
                report.problem(f"{prefix}{key and '.'}{key}", why)
            continue
        one = schema.convert(NotificationConfig, table)
        said = {key: Setting(value, report.file) for key, value in table.items()}
        for key in NotificationConfig.__struct_fields__:
            report.record(f"{prefix}.{key}", getattr(one, key), said, key)
        wanted.append(one)
    return tuple(wanted)


# --- sinks ---


def _sinks(tables: Sequence[_Table], report: Report) -> tuple[tuple[SinkConfig, ...], bool]:
    """The sinks, and whether one of them wants sound as soon as possible."""
    sinks = [_sink(table, report.file, report) for table in tables] or [_sink(_DEFAULT_SINK, DEFAULT, report)]
    report.refuse_twice("sinks", [sink.name for sink, _ in sinks])
    return tuple(sink for sink, _ in sinks), any(live for _, live in sinks)


def _sink(table: _Table, source: str, report: Report) -> tuple[SinkConfig, bool]:
    name = str(table.get("name") or table.get("type") or "unnamed")
    common = {key: value for key, value in table.items() if key in SINK_KEYS}
    options = {key: value for key, value in table.items() if key not in SINK_KEYS}
    problems = schema.problems(SinkConfig, common)
    for key, why in problems.items():
        report.problem(f"sinks.{name}.{key}", why)
    if problems:
        return SinkConfig(type="null", name=name), False
    sink = schema.convert(SinkConfig, {**common, "name": name, "options": options})
    try:
        ready = registry.build(sink)
    except ConfigError as error:
        report.problems.extend(f"{report.file}: {problem}" for problem in error.problems)
        return sink, False
    common = {"type": sink.type, "name": name, "kinds": ready.kinds}
    effective = common | msgspec.structs.asdict(ready.config)
    said = {key: Setting(value, source) for key, value in table.items()}
    for key, value in effective.items():
        report.record(f"sinks.{name}.{key}", value, said, key)
    said = {key: Setting(value, source) for key, value in sink.delivery.items()}
    for key, value in msgspec.to_builtins(ready.delivery).items():
        report.record(f"sinks.{name}.delivery.{key}", value, said, key)
    return sink, ready.live
