"""The configuration: one frozen value, made once, complete and checked.

`load_config` reads it from a TOML file, environment variables and the command line; a program that
embeds the engine may as well build a `Config` in code. Precedence: command line, environment, file,
default. All problems are found at once and come as one `ConfigError`, each with the place, the key
and what is allowed. `load` also tells where each value came from, for ``rtms-engine check``.

Environment variables, an empty one being the same as none:

* ``RTMS_ENGINE__SECTION__KEY`` (``RTMS_ENGINE__MEDIA__AUDIO__SAMPLE_RATE``) for every key that is
  not in ``[[apps]]`` or ``[[sinks]]``; lists with commas;
* the names of Zoom's SDK and of its samples for the credentials of an app, each also with ``_FILE``
  for the path of a file that holds the value;
* some other names of Zoom's SDK (`rtms_engine.config.environment`).
"""

from ..model.secret import Secret
from ..sinks.registry import SinkConfig
from .loading import Loaded, load, load_config, load_keys
from .report import Setting
from .values import (
    ApiConfig,
    AppConfig,
    Config,
    ConsentConfig,
    EncryptionConfig,
    LimitsConfig,
    LogConfig,
    NotificationConfig,
    RtmsConfig,
    ServerConfig,
    StateConfig,
    ZoomConfig,
)

__all__ = [
    "ApiConfig",
    "AppConfig",
    "Config",
    "ConsentConfig",
    "EncryptionConfig",
    "LimitsConfig",
    "Loaded",
    "LogConfig",
    "NotificationConfig",
    "RtmsConfig",
    "Secret",
    "ServerConfig",
    "Setting",
    "SinkConfig",
    "StateConfig",
    "ZoomConfig",
    "load",
    "load_config",
    "load_keys",
]
