"""Shopify: the product CSV in its current and its earlier form, and the product of a webhook.

The rows of one handle are one product: each may bring a variant, a further image, or both. The CSV
has no product id, so garments are named by handle and, apart from the main picture, by the option
values that tell them apart.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from service.feeds.pictures import MAX_VARIANTS, Key, Listing, Variant, garments
from service.feeds.records import Entry, Problem
from service.feeds.row import Row, describe, option_name
from service.feeds.values import distinct, split_list

COLUMNS: Mapping[str, str] = {
    "url handle": "handle",
    "handle": "handle",
    "title": "title",
    "vendor": "brand",
    "product category": "category",
    "type": "type",
    "tags": "tags",
    "published on online store": "published",
    "published": "published",
    "status": "status",
    "sku": "sku",
    "variant sku": "sku",
    "price": "price",
    "variant price": "price",
    "compare-at price": "compare_price",
    "variant compare at price": "compare_price",
    "inventory tracker": "tracker",
    "variant inventory tracker": "tracker",
    "inventory quantity": "quantity",
    "variant inventory qty": "quantity",
    "continue selling when out of stock": "policy",
    "variant inventory policy": "policy",
    "product image url": "image",
    "image src": "image",
    "image position": "position",
    "variant image url": "variant_image",
    "variant image": "variant_image",
    "google shopping / gender": "gender",
    "google shopping / age group": "age_group",
    "google shopping / condition": "condition",
    **{f"option{n} name": f"option{n}" for n in (1, 2, 3)},
    **{f"option{n} value": f"value{n}" for n in (1, 2, 3)},
}
# Columns of Shopify's own metafields, as "Color (product.metafields.shopify.color-pattern)".
METAFIELDS: Mapping[str, str] = {
    "color-pattern": "color",
    "fabric": "material",
    "target-gender": "gender",
    "age-group": "age_group",
}
_METAFIELD = re.compile(r"\(product\.metafields\.shopify\.([a-z-]+)\)$")
_VARIANT = ("sku", "price", "compare_price", "tracker", "quantity", "policy")


def _one(text: str) -> list[str]:
    return [text]


def _split_metafield(text: str) -> list[str]:
    return [part.strip() for part in text.split(";")]


# What stands in a product's first row only, and how several values are written there.
_PRODUCT: Mapping[str, Callable[[str], list[str]]] = {
    **dict.fromkeys(("title", "brand", "category", "type", "published", "status"), _one),
    **dict.fromkeys(("gender", "age_group", "condition", "color", "material"), _split_metafield),
    "tags": split_list,
}
_DEFAULT_OPTION = (("Title", "Default Title"),)


@dataclass(slots=True)
class ShopProduct:
    """A product as both sources give it, before it is split into garments.

    Attributes:
        row: what holds for the whole product.
        images: position and address; the lowest position is the main image.
        variants: a row and an image ("" for none) for each, with its option names and values.
    """

    row: Row
    images: list[tuple[int, str]] = field(default_factory=list)
    variants: list[tuple[Row, str, tuple[tuple[str, str], ...]]] = field(default_factory=list)


def is_shopify(header: Iterable[str]) -> bool:
    """Whether columns, named as `table.plain_name` does, are those of a product CSV."""
    names = {COLUMNS.get(name) for name in header}
    return {"handle", "title"} <= names and bool({"image", "variant_image"} & names)


def common_name(column: str) -> str | None:
    """The common name of a column, or None for one that is not read."""
    metafield = _METAFIELD.search(column)
    return METAFIELDS.get(metafield.group(1)) if metafield else COLUMNS.get(column)


def read_rows(rows: Iterable[Row | Problem], currency: str | None) -> Iterator[Entry]:
    """The garments of a product CSV, holding one product at a time."""
    gathered: list[Row] = []
    for row in rows:
        if isinstance(row, Problem):
            yield row
            continue
        handle = row.first("handle")
        if not handle:
            yield row.lost("no handle; every row of a product needs it")
            continue
        if gathered and gathered[0].first("handle") != handle:
            yield from _product_of(gathered, currency)
            gathered = []
        if len(gathered) < 2 * MAX_VARIANTS:
            gathered.append(row)
        else:
            yield row.lost(f"more than {2 * MAX_VARIANTS} rows of handle {handle[:60]}")
    if gathered:
        yield from _product_of(gathered, currency)


def product_entries(product: ShopProduct, currency: str | None) -> Iterator[Entry]:
    """The garments of one product, and what could not be read of it."""
    row = product.row
    images = distinct(url for _, url in sorted(product.images, key=lambda image: image[0]))
    metadata = describe(row, currency, "current")
    variants = []
    for variant, image, options in product.variants[:MAX_VARIANTS]:
        for name, value in options:
            variant.add(option_name(name), [value])
        own = describe(variant, currency, "current")
        key = (row.first("handle"), *(value for _, value in options))
        variants.append(Variant(key, "", (image,) if image else (), own, options, variant.number))
    if len(variants) == 1 and not variants[0].options:
        # "Default Title": the product has no variants that a customer could choose.
        only = variants.pop()
        metadata |= only.metadata
        images = distinct([*images, *only.images])
    listing = Listing(
        (row.first("handle"),),
        row.first("title"),
        tuple(images),
        metadata,
        tuple(variants),
        row.number,
    )
    yield from garments(listing, _name)
    yield from row.problems
    for variant, _, _ in product.variants:
        yield from variant.problems


def availability(row: Row) -> str:
    """Whether a variant can be bought, from what is tracked of its stock; "" where not known."""
    quantity = row.first("quantity")
    if not row.first("tracker"):
        return "in stock" if quantity or row.first("policy") else ""
    if row.first("policy").casefold() in ("continue", "true"):
        return "in stock"
    try:
        return "in stock" if int(quantity[:20]) > 0 else "out of stock"
    except ValueError:
        row.note("quantity", f'"{quantity[:60]}" is no whole number')
        return ""


def _product_of(rows: Sequence[Row], currency: str | None) -> Iterator[Entry]:
    """The garments that the rows of one handle are."""
    whole = Row(rows[0].number, {"handle": rows[0].cells["handle"]}, rows[0].columns)
    for name, split in _PRODUCT.items():
        text = next(filter(None, (row.first(name) for row in rows)), "")
        whole.add(name, split(text))
    if not whole.first("title"):
        handle = whole.first("handle")[:60]
        yield whole.lost(f"{handle}: no title; the rows of a handle follow each other")
        return
    whole.cells["status"] = [_status(whole)]
    product = ShopProduct(whole)
    names = [next(filter(None, (row.first(f"option{n}") for row in rows)), "") for n in (1, 2, 3)]
    for row in rows:
        images = row.images("image", _one)
        product.images += [(_position(row, len(product.images)), url) for url in images]
        if options := _options(row, names):
            _add_variant(product, row, () if options == _DEFAULT_OPTION else options)
        elif any(row.first(name) for name in _VARIANT):
            _add_variant(product, row, ())
        whole.problems += row.problems
    yield from product_entries(product, currency)


def _add_variant(product: ShopProduct, row: Row, options: tuple[tuple[str, str], ...]) -> None:
    image = row.images("variant_image", _one)
    variant = Row(
        row.number, {name: row.cells[name] for name in _VARIANT if name in row.cells}, row.columns
    )
    variant.add("availability", [availability(variant)])
    product.variants.append((variant, image[0] if image else "", options))


def _options(row: Row, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    values = (row.first(f"value{n}") for n in (1, 2, 3))
    return tuple(
        (name or f"Option{n}", value)
        for n, (name, value) in enumerate(zip(names, values, strict=True), 1)
        if value
    )


def _position(row: Row, default: int) -> int:
    text = row.first("position")
    if text:
        try:
            return int(text[:10])
        except ValueError:
            row.note("position", f'"{text[:60]}" is no whole number')
    return default + 1


def _status(row: Row) -> str:
    status = row.first("status").casefold()
    if status or not row.first("published"):
        return status
    return "active" if row.first("published").casefold() == "true" else "draft"


def _name(listing: Listing, variants: Sequence[Variant]) -> Key:
    """The handle and the one option value that these variants share and no other has.

    A colour outlasts a size that is sold out, so it is asked first. Where no single value tells
    them apart, the first variant's are taken.
    """
    here = {id(variant) for variant in variants}
    others = {o for v in listing.variants if id(v) not in here for o in v.options}
    shared = set.intersection(*(set(variant.options) for variant in variants)) - others
    telling = [option for option in variants[0].options if option in shared]
    if not telling:
        return variants[0].key
    return (*listing.key, min(telling, key=_lasting)[1])


def _lasting(option: tuple[str, str]) -> int:
    return {"color": 0, "size": 2}.get(option_name(option[0]), 1)
