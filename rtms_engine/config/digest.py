"""What can be said of a configuration without saying anything in it: a digest, and which keys differ."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..model.secret import Secret
from ..sinks import registry
from ..sinks.registry import SinkConfig
from .values import Config


def digest(config: Config) -> str:
    """SHA-256 over every key and value, in hexadecimal; of a secret, over the fact that there is one."""
    lines = [f"{key}={value!r}" for key, value in sorted(_flat(config).items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()


def differing(before: Config, after: Config) -> list[str]:
    """The keys whose values differ, secrets among them."""
    old, new = _flat(before), _flat(after)
    nothing = object()
    return sorted(key for key in old.keys() | new.keys() if old.get(key, nothing) != new.get(key, nothing))


def set_keys(config: Config) -> list[str]:
    """The keys that are not at their default."""
    return differing(Config(apps=()), config)


def _flat(config: Config) -> dict[str, Any]:
    return dict(_leaves("", config))


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case SinkConfig():
            typed = registry.build(value).config  # secrets are plain text in `options`
            for name in ("type", "kinds", "delivery"):
                yield from _leaves(f"{key}.{name}", getattr(value, name))
            yield from _leaves(key, typed)
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from _leaves(f"{key}.{name}" if key else name, getattr(value, name))
        case Mapping():
            for name, item in value.items():
                yield from _leaves(f"{key}.{name}", item)
        case list() | tuple() if any(isinstance(item, msgspec.Struct) for item in value):
            for number, item in enumerate(value, 1):
                yield from _leaves(f"{key}.{_name_of(item) or number}", item)
        case frozenset():
            yield key, sorted(value)
        case _:
            yield key, _plain(value)


def _name_of(item: Any) -> str:
    return getattr(item, "name", "") or getattr(item, "type", "")


def _plain(value: Any) -> Any:
    """A list is a list, however it came."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [item if isinstance(item, Secret) else _plain(item) for item in value]
    return value
