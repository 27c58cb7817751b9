"""``[[apps]]`` and the environment's credentials, to `AppConfig`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model.retention import Retention
from .environment import API_CREDENTIALS, CREDENTIALS
from .report import Report, Setting
from .values import AppConfig

_FIELDS = CREDENTIALS | API_CREDENTIALS

KEYS = ("name", "retention", *_FIELDS, *(f"{field}_file" for field in _FIELDS))
"""The keys of ``[[apps]]``. A ``…_file`` is the path of a file that holds the value."""

_MOST = {**dict.fromkeys(_FIELDS, 1), "secret_token": 2}
_API_PAIR = ("api_client_id", "api_client_secret")
_WORD = re.compile(r"[!-~]+")
_ALLOWED = {
    1: "must be a text without spaces",
    2: "must be a text without spaces, or two of them while one replaces the other",
}


def read_apps(
    tables: Sequence[Mapping[str, Any]], credentials: Mapping[str, Setting], report: Report
) -> tuple[AppConfig, ...]:
    """The apps of the file; the environment's credentials go before those of a single app, or make one.

    Args:
        tables: of the file.
        credentials: of the environment, by the keys of ``[[apps]]``.
        report: takes what is wrong.
    """
    if len(tables) > 1 and credentials:
        unused = ", ".join(setting.source for setting in credentials.values())
        report.notes.append(f"not used, since {report.file} has several apps: {unused}")
        credentials = {}
    if not tables and not {key.removesuffix("_file") for key in credentials} & CREDENTIALS.keys():
        names = ", ".join(names[0] for names in CREDENTIALS.values())
        report.problem("apps", f"there is none; add [[apps]], or set {names}")
        return ()
    apps = tuple(_app(table, credentials, report) for table in tables or [{}])
    report.refuse_twice("apps", [app.name for app in apps])
    _refuse_shared_tokens(apps, report)
    return apps


def _app(table: Mapping[str, Any], credentials: Mapping[str, Setting], report: Report) -> AppConfig:
    name = str(table.get("name") or "default")
    prefix = f"apps.{name}."
    report.refuse_unknown(prefix, table, KEYS)
    overridden = {field for field in _FIELDS if {field, f"{field}_file"} & credentials.keys()}
    said = {
        key: Setting(value, report.file)
        for key, value in table.items()
        if key.removesuffix("_file") not in overridden
    } | dict(credentials)
    texts = {field: _texts(prefix, field, said, report) for field in CREDENTIALS}
    api_texts = {
        field: _texts(prefix, field, said, report)[0] for field in API_CREDENTIALS if _spelled(field, said)
    }
    if api_texts:
        for field in _API_PAIR:
            if field not in api_texts:
                needs = "needs" if len(api_texts) == 1 else "need"
                report.problem(f"{prefix}{field}", f"is missing; {' and '.join(api_texts)} {needs} it")
    app = AppConfig.of(
        texts["client_id"][0],
        texts["client_secret"][0],
        *texts["secret_token"],
        name=name,
        retention=_retention(table, prefix, report),
        **api_texts,
    )
    for field in ("name", "retention", *_FIELDS):
        said_key = field if field in said else f"{field}_file"
        report.record(f"{prefix}{field}", getattr(app, field), said, said_key)
    return app


def _retention(table: Mapping[str, Any], prefix: str, report: Report) -> Retention:
    retention = Retention.spelled(table.get("retention", "forever"))
    if retention is None:
        report.problem(
            f"{prefix}retention", 'must be "forever", "none", or a number of days such as 30 or "30d"'
        )
    return retention or Retention()


def _texts(prefix: str, field: str, said: Mapping[str, Setting], report: Report) -> Sequence[str]:
    """The values of a credential, one or for a rotation two; an empty one if there is a problem."""
    spelled = _spelled(field, said)
    if len(spelled) != 1:
        names = " or ".join(_FIELDS[field])
        why = "give it or its _file, not both" if spelled else f"is missing; set it, {field}_file, or {names}"
        report.problem(f"{prefix}{field}", why)
        return [""]
    [key] = spelled
    setting = said[key]
    try:
        texts = setting.value if key == field else Path(str(setting.value)).read_text("utf-8").split()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "is not a text file"
        report.problem(f"{prefix}{key}", f"cannot be read: {why}", setting.source)
        return [""]
    texts = [texts] if isinstance(texts, str) else texts
    if not _fits(texts, _MOST[field]):
        report.problem(f"{prefix}{key}", _ALLOWED[_MOST[field]], setting.source)
        return [""]
    return list(texts)


def _spelled(field: str, said: Mapping[str, Setting]) -> list[str]:
    return [key for key in (field, f"{field}_file") if key in said]


def _fits(texts: Any, most: int) -> bool:
    return (
        isinstance(texts, list)
        and 1 <= len(texts) <= most
        and all(isinstance(text, str) and _WORD.fullmatch(text) for text in texts)
    )


def _refuse_shared_tokens(apps: Sequence[AppConfig], report: Report) -> None:
    """A token says whose a webhook is (V1.md §1.3), so no two apps may have the same."""
    owner: dict[str, str] = {}
    for app in apps:
        for token in filter(None, (secret.reveal() for secret in app.secret_token)):
            if owner.setdefault(token, app.name) != app.name:
                report.problem(f"apps.{app.name}.secret_token", f"is also that of app {owner[token]}")
