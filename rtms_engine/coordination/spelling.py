"""Signals as the JSON that is stored: their fields, ``type``, and the product by its name. Pure."""

from typing import Any, TypeVar

import msgspec

from ..model.products import product_named
from ..model.signals import AccountSignal, StreamSignal, StreamStarted, StreamStopped

_Stored = TypeVar("_Stored", StreamStarted, StreamStopped)


def spelled(signal: StreamSignal | AccountSignal) -> str:
    """The signal as JSON."""
    fields: dict[str, Any] = {"type": type(signal).__name__, **msgspec.structs.asdict(signal)}
    if product := fields.get("product"):
        fields["product"] = product.name
    return msgspec.json.encode(fields).decode()


def read(text: str, kind: type[_Stored]) -> _Stored:
    """The signal of that JSON; fields that this version does not know are left out.

    Raises:
        ValueError: it is not such a signal.
    """
    fields = msgspec.json.decode(text, type=dict[str, Any])
    try:
        fields["product"] = msgspec.structs.asdict(product_named(fields["product"]))
    except KeyError as error:
        raise ValueError(f"no such product: {error}") from error
    return msgspec.convert(fields, kind)
