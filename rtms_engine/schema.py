"""Untyped tables to typed Structs, with every misfit named at once.

`msgspec.convert` stops at the first; a person who mends a configuration wants to see them all, with
what is allowed. Numbers and booleans may be spelled as text, as environment variables must. Nothing
here repeats a value: it might be a secret.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from .model.secret import Secret

_S = TypeVar("_S", bound=msgspec.Struct)

_SPELLED_AS_TEXT: dict[type, str] = {Path: "a path", Secret: "a text"}
"""The types that TOML does not have, and how people call what they are made from."""


def problems(kind: type[msgspec.Struct], table: Mapping[str, Any]) -> dict[str, str]:
    """What keeps ``table`` from being a ``kind``, by key, with what is allowed; empty if nothing.

    A problem of no single key (of ``__post_init__``) stands under the key ``""``.
    """
    fields = {field.encode_name: field for field in fields_of(kind)}
    found = {key: f"is not known{nearest(key, fields)}" for key in table if key not in fields}
    for key, field in fields.items():
        if key not in table:
            if field.required:
                found[key] = "is missing"
        elif _misfit(field.type, table[key]):
            found[key] = f"must be {_allowed(inspect.type_info(field.type))}"
    return found or _misfit_of_whole(kind, table)


@cache
def fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a Struct; to work them out takes longer than all the rest."""
    return msgspec.structs.fields(kind)


def convert(kind: type[_S], table: Mapping[str, Any]) -> _S:
    """The ``kind`` that ``table`` spells. Raises msgspec.ValidationError; ask `problems` first."""
    return msgspec.convert(dict(table), kind, strict=False, dec_hook=_decode)


def allowed(kind: Any) -> str:
    """What a value of a field's type may be, for people."""
    return _allowed(inspect.type_info(kind))


def nearest(word: str, known: Iterable[str]) -> str:
    """What somebody who wrote ``word`` may have meant, as the end of a sentence."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if known else "; nothing can be set here"


def _misfit(kind: Any, value: Any) -> str:
    try:
        msgspec.convert(value, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _misfit_of_whole(kind: type[msgspec.Struct], table: Mapping[str, Any]) -> dict[str, str]:
    misfit = _misfit(kind, dict(table))
    return {"": misfit} if misfit else {}


def _decode(kind: type, value: Any) -> Any:
    if kind in _SPELLED_AS_TEXT and isinstance(value, str):
        return kind(value)
    if isinstance(value, kind):
        return value
    raise TypeError(f"expected {kind.__name__}")


def _allowed(kind: inspect.Type) -> str:
    """What a value of this type may be, for people."""
    return _DESCRIBED.get(type(kind), lambda _: "of another type")(kind)


def _described(kind: Any) -> str:
    return (kind.extra_json_schema or {}).get("description") or _allowed(kind.type)


def _number(kind: Any) -> str:
    what = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    bounds = {"from": kind.ge, "above": kind.gt, "to": kind.le, "below": kind.lt}
    return " ".join([what, *(f"{word} {bound}" for word, bound in bounds.items() if bound is not None)])


def _one_of(values: Iterable[Any]) -> str:
    return f"one of {', '.join(map(str, values))}"


def _either(kinds: Iterable[inspect.Type]) -> str:
    return " or ".join(_allowed(kind) for kind in kinds if not isinstance(kind, inspect.NoneType))


_DESCRIBED: dict[type, Callable[[Any], str]] = {
    inspect.Metadata: _described,
    inspect.BoolType: lambda _: "true or false",
    inspect.IntType: _number,
    inspect.FloatType: _number,
    inspect.StrType: lambda _: "a text",
    inspect.CustomType: lambda kind: _SPELLED_AS_TEXT[kind.cls],
    inspect.DictType: lambda _: "a table",
    inspect.StructType: lambda _: "a table",
    inspect.LiteralType: lambda kind: _one_of(kind.values),
    inspect.EnumType: lambda kind: _one_of(member.value for member in kind.cls),
    inspect.UnionType: lambda kind: _either(kind.types),
    **dict.fromkeys(
        (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType),
        lambda kind: f"a list, each {_allowed(kind.item_type)}",
    ),
}
