"""The products of Zoom that stream over RTMS, one row each (V1.md §0.4).

A new product is a new row and a webhook fixture, never a branch.
"""

import msgspec

ID_FIELDS = ("meeting_uuid", "webinar_uuid", "session_id", "engagement_id", "call_id")
"""Where a payload may carry the entity's id, in the order in which they are looked for (V1.md §1.9.1)."""


class Product(msgspec.Struct, frozen=True):
    """One product of Zoom."""

    name: str
    """Our name of it, as in logs and manifests."""
    event_prefix: str
    """What stands before ``rtms_started`` in webhook events."""
    id_field: str
    """The id's own key in webhooks; also sent in handshakes beside ``meeting_uuid``."""
    aliases: tuple[str, ...] = ()
    """Older spellings of ``event_prefix``."""
    contact_center_events: bool = False
    """Event numbers mean those of Contact Center, not those of meetings (V1.md §9.3)."""
    audio_before_all: bool = False
    """A medium without a server of its own comes from that of audio rather than from ``all`` (V1.md §3.2)."""
    pre_release: bool = False
    """Zoom has not published this product for protocol V1 (V1.md §1.10)."""


MEETING = Product("meeting", "meeting.", "meeting_uuid")
WEBINAR = Product("webinar", "webinar.", "webinar_uuid")
SESSION = Product("session", "session.", "session_id")
CONTACT_CENTER_VOICE = Product(
    "contact_center.voice",
    "contact_center.voice_",
    "engagement_id",
    aliases=("contactcenter.", "contact_center.", "contactcenter.voice_"),
    contact_center_events=True,
    audio_before_all=True,
)
PHONE = Product("phone", "phone.", "call_id", aliases=("phone.call_",), pre_release=True)

PRODUCTS = (MEETING, WEBINAR, SESSION, CONTACT_CENTER_VOICE, PHONE)

_BY_PREFIX = {prefix: product for product in PRODUCTS for prefix in (product.event_prefix, *product.aliases)}
_BY_NAME = {product.name: product for product in PRODUCTS}


def product_of_prefix(prefix: str) -> Product | None:
    """The product whose webhook events begin with ``prefix`` (``"meeting."``), or None."""
    return _BY_PREFIX.get(prefix)


def product_named(name: str) -> Product:
    """The product of that name. Raises KeyError if there is none."""
    return _BY_NAME[name]
