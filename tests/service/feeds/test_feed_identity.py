import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from api_schemas.bases import GarmentId
from service.feeds.identity import garment_id, shop_id

GARMENT_ID = TypeAdapter(GarmentId)
ANY_TEXT = st.text(st.characters(), min_size=1, max_size=300)
PARTS = st.lists(ANY_TEXT, min_size=1, max_size=4).map(tuple)
NEAR = st.lists(st.text("a~:/.2EF\x7f", min_size=1, max_size=4), min_size=1, max_size=3).map(tuple)


@settings(max_examples=60, deadline=None)
@given(PARTS)
@example((".",))
@example(("..",))
@example(("~2E",))
@example(("x" * 5000,))
@example(("a\ud800",))
def test_every_shop_id_becomes_a_garment_id(parts):
    assert GARMENT_ID.validate_python(garment_id(*parts)) == garment_id(*parts)


@settings(max_examples=60, deadline=None)
@given(PARTS | NEAR)
def test_a_garment_id_gives_the_shop_id_back_unless_it_was_too_long(parts):
    found = shop_id(garment_id(*parts))
    assert found == parts or (found is None and len("".join(parts)) * 12 > 190)


@settings(max_examples=60, deadline=None)
@given(NEAR, NEAR)
def test_different_shop_ids_never_share_a_garment_id(one, other):
    assert (garment_id(*one) == garment_id(*other)) == (one == other)


def test_long_ids_that_differ_in_their_last_character_stay_apart():
    one, other = garment_id("x" * 999 + "a"), garment_id("x" * 999 + "b")
    assert one != other
    assert len(one) == len(other) == 256


def test_common_ids_stay_as_they_are():
    assert [garment_id(one) for one in ("SKU-17", "linen-shirt", "7 b", "Ä%2F")] == [
        "SKU-17",
        "linen-shirt",
        "7 b",
        "Ä%2F",
    ]


@pytest.mark.parametrize("parts", [(), ("",), ("a", "")])
def test_an_empty_id_is_refused(parts):
    with pytest.raises(ValueError, match="empty"):
        garment_id(*parts)
