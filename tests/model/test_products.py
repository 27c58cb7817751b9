"""The products, one row each (V1.md §0.4)."""

import pytest

from rtms_engine.model.products import (
    CONTACT_CENTER_VOICE,
    ID_FIELDS,
    MEETING,
    PHONE,
    PRODUCTS,
    SESSION,
    WEBINAR,
    product_named,
    product_of_prefix,
)


@pytest.mark.parametrize(
    ("prefix", "product"),
    [
        ("meeting.", MEETING),
        ("webinar.", WEBINAR),
        ("session.", SESSION),
        ("contact_center.voice_", CONTACT_CENTER_VOICE),
        ("contactcenter.", CONTACT_CENTER_VOICE),
        ("phone.", PHONE),
        ("phone.call_", PHONE),
        ("", None),
        ("recording.", None),
    ],
)
def test_the_product_of_an_event(prefix, product):
    """Old spellings included (V1.md §1.8, §1.10)."""
    assert product_of_prefix(prefix) is product


def test_names_and_prefixes_are_unique():
    prefixes = [prefix for product in PRODUCTS for prefix in (product.event_prefix, *product.aliases)]
    assert len(set(prefixes)) == len(prefixes)
    assert [product_named(product.name) for product in PRODUCTS] == list(PRODUCTS)


def test_every_product_has_an_id_field_of_its_own():
    assert sorted(product.id_field for product in PRODUCTS) == sorted(ID_FIELDS)


def test_an_unknown_name():
    with pytest.raises(KeyError):
        product_named("cinema")
