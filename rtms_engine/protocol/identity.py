"""How a stream is named and signed in handshakes (V1.md §0.4, §2)."""

import msgspec

from ..model.ids import StreamId
from ..model.products import Product


class StreamIdentity(msgspec.Struct, frozen=True):
    """What every handshake of a stream carries."""

    product: Product
    entity_id: str
    stream_id: StreamId
    signature: str

    def entity_fields(self, variant: int = 0) -> dict[str, str]:
        """The id under its keys.

        Official clients disagree on the key: the SDK sends ``meeting_uuid`` for every product, the
        samples the product's own. Variant 0 sends both; if Zoom then says INVALID_PAYLOAD, 1 sends
        only ``meeting_uuid`` and 2 only the product's own (V1.md §0.4).
        """
        keys = (("meeting_uuid", self.product.id_field), ("meeting_uuid",), (self.product.id_field,))
        return dict.fromkeys(keys[variant], self.entity_id)

    @property
    def variants(self) -> int:
        """How many ways there are to send the id."""
        return 1 if self.product.id_field == "meeting_uuid" else 3
