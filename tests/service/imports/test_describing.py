import pytest

from service.feeds.records import Product
from service.imports.describing import (
    MAX_IMAGES,
    NAMES,
    ReservedNameError,
    describe,
    is_imported,
    stored_addresses,
)

PRODUCT = Product(
    "a", "g", "Shirt", ("https://x.example/1", "https://x.example/2"), {"price": 1}, 1
)


def product(**changes: object) -> Product:
    fields = {name: getattr(PRODUCT, name) for name in Product.__slots__}
    return Product(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_garment_has_the_feeds_metadata_and_its_own_names_beside_them():
    described = describe(PRODUCT, PRODUCT.images[1], {})
    assert described == {
        "price": 1,
        "title": "Shirt",
        "group": "g",
        "images": list(PRODUCT.images),
        "image": PRODUCT.images[1],
    }
    both = describe(PRODUCT, PRODUCT.images[1], {}, further=PRODUCT.images[:1])
    assert both == described | {"stored_images": list(PRODUCT.images[::-1])}
    assert stored_addresses(both) == list(PRODUCT.images[::-1])
    assert stored_addresses(described) == [PRODUCT.images[1]]
    assert is_imported(described)
    assert not is_imported({"image": "https://x.example/1", "title": "by hand"})


def test_a_product_without_title_and_group_has_neither():
    assert describe(product(title="", group=None), "u", {}).keys() == {"price", "images", "image"}


@pytest.mark.parametrize("name", NAMES)
def test_a_feed_whose_metadata_take_one_of_the_names_is_refused(name: str):
    with pytest.raises(ReservedNameError, match=name):
        describe(product(metadata={name: "x"}), "u", {})


def test_the_shops_number_outlives_a_feed_that_does_not_name_it():
    assert describe(PRODUCT, "u", {"shop_id": "7", "brand": "old"})["shop_id"] == "7"
    assert "brand" not in describe(PRODUCT, "u", {"brand": "old"})
    own = product(metadata={"shop_id": "8"})
    assert describe(own, "u", {"shop_id": "7"})["shop_id"] == "8"


def test_more_images_than_there_is_room_for_are_left_out():
    many = tuple(f"https://x.example/{n}" for n in range(MAX_IMAGES + 5))
    assert describe(product(images=many), many[0], {})["images"] == list(many[:MAX_IMAGES])
    long = tuple(f"https://x.example/{n}".ljust(4_096, "x") for n in range(MAX_IMAGES))
    assert describe(product(images=long), long[0], {})["images"] == list(long[:4])


def test_more_metadata_than_there_is_room_for_is_refused():
    with pytest.raises(ValueError, match="characters"):
        describe(product(metadata={"size": ["x" * 999] * 66}), "u", {})
