"""The body of a webhook as what it changes in the catalog.

A delivery tells a product's state as a whole, so garments of it that are no longer among its
products are gone. A WooCommerce product names its variations without describing them: those stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.feeds import woocommerce
from service.feeds.documents import parse
from service.feeds.identity import garment_id
from service.feeds.pictures import MAX_VARIANTS
from service.feeds.records import Entry, FeedError, Problem, Product
from service.feeds.row import Row, option_name
from service.feeds.shopify import ShopProduct, availability, product_entries
from service.feeds.signatures import Shop
from service.feeds.values import one_line, split_list

TOPICS: Mapping[Shop, tuple[str, ...]] = {
    "shopify": ("products/create", "products/update", "products/delete"),
    "woocommerce": (
        "product.created",
        "product.updated",
        "product.deleted",
        "product.restored",
    ),
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a delivery asks for: store `products`, then delete what else there is of the product.

    Of the product are the garments whose metadata has this `shop_id`, and those whose id or group
    is `garment`. Those named in `keep` stay. When `problems` is not empty and `products` is, the
    delivery could not be understood and nothing should be deleted.

    Attributes:
        shop_id: the shop's number of the product.
        garment: the product's garment id; None where the delivery does not tell (Shopify's delete).
        products: its garments now; none after a deletion.
        problems: what could not be read.
        keep: ids of garments that the delivery names without describing them.
        deleted: the product is gone.
    """

    shop_id: str
    garment: str | None
    products: tuple[Product, ...] = ()
    problems: tuple[Problem, ...] = ()
    keep: frozenset[str] = frozenset()
    deleted: bool = False


def read_change(shop: Shop, topic: str, body: bytes, *, currency: str | None = None) -> Change:
    """Read a delivery whose signature has been checked.

    Args:
        shop: who sent it.
        topic: one of `TOPICS`.
        body: JSON.
        currency: of the shop's prices, which no body names.

    Raises:
        FeedError: the topic is another one, or the body is not what the topic sends.
    """
    if topic not in TOPICS[shop]:
        raise FeedError(f"topic {topic[:60]!r}; allowed are {', '.join(TOPICS[shop])}")
    try:
        product = parse(body.decode())
    except ValueError as exc:
        raise FeedError(f"the body is no JSON: {exc}") from exc
    if not isinstance(product, Mapping):
        raise FeedError(f"the body is a {type(product).__name__}; an object is needed")
    shop_id = _text(product.get("id"))
    if not shop_id:
        raise FeedError("the product has no id")
    if shop == "woocommerce":
        return _woocommerce(product, shop_id, topic, currency)
    if topic == "products/delete":
        return Change(shop_id, None, deleted=True)
    return _shopify(product, shop_id, currency)


def _shopify(product: Mapping[str, Any], shop_id: str, currency: str | None) -> Change:
    handle = _text(product.get("handle"))
    if not handle:
        raise FeedError(f"product {shop_id} has no handle")
    row = Row(
        0,
        {
            "handle": [handle],
            "shop_id": [shop_id],
            "title": [_text(product.get("title"))],
            "brand": [_text(product.get("vendor"))],
            "type": [_text(product.get("product_type"))],
            "status": [_text(product.get("status"))],
            "tags": _tags(product.get("tags")),
        },
    )
    category = product.get("category")
    if isinstance(category, Mapping):
        row.add("category", [_text(category.get("full_name")) or _text(category.get("name"))])
    shop_product = ShopProduct(row)
    images = _shopify_images(product, row)
    shop_product.images = [(position, url) for position, url in images.values()]
    names = [_text(option.get("name")) for option in _objects(product.get("options"))]
    for variant in _objects(product.get("variants"))[:MAX_VARIANTS]:
        _add_variant(shop_product, variant, names, images)
    return _change(shop_id, handle, product_entries(shop_product, currency))


def _shopify_images(product: Mapping[str, Any], row: Row) -> dict[str, tuple[int, str]]:
    """Position and address by the image's id."""
    found: dict[str, tuple[int, str]] = {}
    pictures = _objects(product.get("images")) or _objects([product.get("image")])
    for place, image in enumerate(pictures, 1):
        position = image.get("position")
        row.cells["image"] = [_text(image.get("src"))]
        for url in row.images("image", lambda text: [text]):
            order = position if isinstance(position, int) else place
            found[_text(image.get("id")) or f"#{place}"] = (order, url)
    return found


def _add_variant(
    product: ShopProduct,
    variant: Mapping[str, Any],
    names: list[str],
    images: Mapping[str, tuple[int, str]],
) -> None:
    cells = {
        "sku": [_text(variant.get("sku"))],
        "price": [_text(variant.get("price"))],
        "compare_price": [_text(variant.get("compare_at_price"))],
        "tracker": [_text(variant.get("inventory_management"))],
        "quantity": [_text(variant.get("inventory_quantity"))],
        "policy": [_text(variant.get("inventory_policy"))],
    }
    row = Row(0, cells)
    row.add("availability", [availability(row)])
    values = [one_line(_text(variant.get(f"option{n}"))) for n in (1, 2, 3)]
    padded = [*names, "", "", ""]
    options = tuple(
        (one_line(name) or f"Option{n}", value)
        for n, (name, value) in enumerate(zip(padded, values, strict=False), 1)
        if value
    )
    if options == (("Title", "Default Title"),):
        options = ()
    image = images.get(_text(variant.get("image_id")), (0, ""))[1]
    product.variants.append((row, image, options))


def _woocommerce(
    product: Mapping[str, Any], shop_id: str, topic: str, currency: str | None
) -> Change:
    garment = garment_id(shop_id)
    if topic == "product.deleted":
        return Change(shop_id, garment, deleted=True)
    if "images" not in product:
        raise FeedError(f"product {shop_id} has no images; the body is no product")
    row = _woocommerce_row(product, shop_id)
    parent = _text(product.get("parent_id"))
    if parent not in ("", "0") and _text(product.get("type")) == "variation":
        if not row.all("image"):
            return Change(shop_id, garment)  # it shows its parent's picture
        head = Row(0, {"id": [parent]})
        entries = woocommerce.product_entries(head, [row], currency)
        return _change(shop_id, shop_id, entries)
    variations = [one for one in map(_text, _listed(product.get("variations"))) if one]
    change = _change(shop_id, shop_id, woocommerce.product_entries(row, (), currency))
    group = garment if variations else None
    return replace(
        change,
        products=tuple(replace(one, group=group) for one in change.products),
        keep=frozenset(map(garment_id, variations)),
    )


def _woocommerce_row(product: Mapping[str, Any], shop_id: str) -> Row:
    def names(property_: str) -> list[str]:
        return [
            _text(one.get("name")).replace(",", "\\,") for one in _objects(product.get(property_))
        ]

    row = Row(
        0,
        {
            "id": [shop_id],
            "sku": [_text(product.get("sku"))],
            "title": [_text(product.get("name"))],
            "link": [_text(product.get("permalink"))],
            "price": [_text(product.get("regular_price")) or _text(product.get("price"))],
            "sale_price": [_text(product.get("sale_price"))],
            "sale_starts": [_text(product.get("date_on_sale_from"))],
            "sale_ends": [_text(product.get("date_on_sale_to"))],
            "availability": [_text(product.get("stock_status"))],
            "published": [_text(product.get("status"))],
            "type": names("categories"),
            "tags": names("tags"),
            "brand": [name.replace("\\,", ",") for name in names("brands")],
            "image": [_text(image.get("src")) for image in _objects(product.get("images"))],
        },
    )
    for attribute in _objects(product.get("attributes")):
        if name := _text(attribute.get("name")):
            values = _listed(attribute.get("options")) or [attribute.get("option")]
            row.add(option_name(name), [_text(value) for value in values])
    return row


def _change(shop_id: str, key: str, entries: Iterable[Entry]) -> Change:
    found = list(entries)
    return Change(
        shop_id,
        garment_id(key),
        tuple(entry for entry in found if isinstance(entry, Product)),
        tuple(entry for entry in found if isinstance(entry, Problem)),
    )


def _tags(value: Any) -> list[str]:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return split_list(_text(value))


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in _listed(value) if isinstance(one, Mapping)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A plain value as text; nothing of any other."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()
