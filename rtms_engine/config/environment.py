"""What environment variables say, by the keys of the file. Pure.

Two families of names are in use for the credentials of an app: those of Zoom's SDK and those of
its samples. Both are read, the SDK's first.
"""

from collections.abc import Mapping

from .report import Setting

PREFIX = "RTMS_ENGINE__"

CREDENTIALS = {
    "client_id": ("ZM_RTMS_CLIENT", "ZOOM_CLIENT_ID"),
    "client_secret": ("ZM_RTMS_SECRET", "ZOOM_CLIENT_SECRET"),
    "secret_token": ("ZM_RTMS_WEBHOOK_SECRET", "ZOOM_SECRET_TOKEN"),
}
"""Names of the fields of an app; each also with ``_FILE``."""
API_CREDENTIALS = {
    "account_id": ("ZOOM_ACCOUNT_ID",),
    "api_client_id": ("ZOOM_S2S_CLIENT_ID",),
    "api_client_secret": ("ZOOM_S2S_CLIENT_SECRET",),
}
"""The same for those that nobody needs who does not use Zoom's REST API."""

SDK_NAMES = {
    "ZM_RTMS_PORT": "server.port",
    "ZM_RTMS_PATH": "server.path",
    "ZM_RTMS_CA": "rtms.ca_file",
    "ZM_RTMS_LOG_LEVEL": "log.level",
    "ZM_RTMS_LOG_FORMAT": "log.format",
}
_SDK_VALUES = {
    "log.level": {"warn": "warning", "trace": "debug"},
    "log.format": {"progressive": "console"},
}
"""Words of the SDK for ours, in lower case."""


def settings(environ: Mapping[str, str]) -> dict[str, Setting]:
    """The keys of sections that are set, ``RTMS_ENGINE__…`` going before the SDK's names."""
    keys = SDK_NAMES | {name: _key(name) for name in sorted(environ) if name.startswith(PREFIX)}
    said = [(name, key, environ[name]) for name, key in keys.items() if environ.get(name)]
    return {key: _setting(name, _ours(key, text)) for name, key, text in said}


def credentials(environ: Mapping[str, str]) -> dict[str, Setting]:
    """The fields of an app that are set, named as in the file (``client_id`` or ``client_id_file``)."""
    found = {}
    for field, names in (CREDENTIALS | API_CREDENTIALS).items():
        spellings = {**dict.fromkeys(names, field), **{f"{name}_FILE": f"{field}_file" for name in names}}
        name = next((name for name in spellings if environ.get(name)), None)
        if name is not None:
            found[spellings[name]] = _setting(name, environ[name])
    return found


def _key(name: str) -> str:
    return name.removeprefix(PREFIX).lower().replace("__", ".")


def _ours(key: str, text: str) -> str:
    words = _SDK_VALUES.get(key)
    return words.get(text.lower(), text.lower()) if words else text


def _setting(name: str, text: str) -> Setting:
    return Setting(text, f"environment variable {name}")
