"""Which garments a product is: one for itself, and one for each other picture of its variants.

Search compares pictures, so six sizes of one picture are one garment, and two colours are two where
each has its picture. What the variants of a garment have in common or apart becomes its metadata.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from service.feeds.records import Entry, Problem, finish

Key = tuple[str, ...]

MAX_VARIANTS = 4_096
"""Of one product; Shopify allows 2,048. More are a problem, so that memory stays bounded."""
_BEST_FIRST = ("in_stock", "preorder", "backorder", "out_of_stock")
_PRICES = ("price", "regular_price", "sale_price", "sale_dates", "currency")


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of a product.

    Attributes:
        key: the shop's id of it.
        title: empty where it has none of its own.
        images: its own, the main one first; empty where it shows the product's.
        metadata: what it says beyond the product.
        options: names and values that tell it apart.
        number: where in the feed.
    """

    key: Key
    title: str
    images: tuple[str, ...]
    metadata: Mapping[str, JsonValue]
    options: tuple[tuple[str, str], ...]
    number: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A product with its variants.

    Attributes:
        key: the shop's id of it.
        title: its title.
        images: its own pictures, the main one first; empty where only its variants have some.
        metadata: what holds for all variants.
        variants: empty for a product without.
        number: where in the feed.
    """

    key: Key
    title: str
    images: tuple[str, ...]
    metadata: Mapping[str, JsonValue]
    variants: tuple[Variant, ...]
    number: int


def garments(
    listing: Listing, name: Callable[[Listing, Sequence[Variant]], Key] | None = None
) -> Iterator[Entry]:
    """The garments of a product, its own first.

    Args:
        listing: the product.
        name: the id of a garment that some variants share; without one, the first variant's.

    Yields:
        Products, or the one problem that nothing of it has a picture.
    """
    group = listing.key if listing.variants else None
    main = listing.images[:1]
    apart = by_picture([v for v in listing.variants if v.images[:1] not in ((), main)])
    shared = [v for v in listing.variants if v.images[:1] in ((), main)]
    gallery = tuple(url for url in listing.images if url not in apart)
    if gallery or not apart:
        # A product whose variants all look otherwise still stands for all of them.
        metadata = {**listing.metadata, **merged([v.metadata for v in shared or listing.variants])}
        yield finish(listing.key, group, listing.title, gallery, metadata, listing.number)
    taken = {listing.key}
    for variants in apart.values():
        key = name(listing, variants) if name else variants[0].key
        if key in taken:
            key = variants[0].key
        if key in taken:
            text = f"{':'.join(key)[:60]}: another variant of this id has another picture"
            yield Problem(variants[0].number, None, text)
            continue
        taken.add(key)
        yield of_variants(listing, variants, key)


def of_variants(listing: Listing | None, variants: Sequence[Variant], key: Key) -> Entry:
    """The garment of variants that share a picture; without a listing they have no parent."""
    first = variants[0]
    images = tuple(dict.fromkeys(url for variant in variants for url in variant.images))
    metadata = merged([variant.metadata for variant in variants])
    if listing is None:
        return finish(key, None, first.title, images, metadata, first.number)
    return finish(
        key,
        listing.key,
        first.title or listing.title,
        images,
        {**listing.metadata, **metadata},
        first.number,
    )


def by_picture(variants: Sequence[Variant]) -> dict[str, list[Variant]]:
    """Variants by their main image, in order."""
    found: dict[str, list[Variant]] = {}
    for variant in variants:
        found.setdefault(variant.images[0], []).append(variant)
    return found


def merged(parts: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """The metadata of variants as one garment's.

    Texts that differ become a list; the price is the lowest, `price_max` the highest where it
    differs; the availability is the best.
    """
    if len(parts) == 1:
        return dict(parts[0])
    found: dict[str, JsonValue] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        if name not in _PRICES:
            values = [part[name] for part in parts if name in part]
            found[name] = _best(values) if name == "availability" else _union(values)
    priced = [part for part in parts if isinstance(part.get("price"), float)]
    if priced:
        cheapest = min(priced, key=_amount)
        found |= {name: cheapest[name] for name in _PRICES if name in cheapest}
        highest = max(map(_amount, priced))
        if highest > _amount(cheapest):
            found["price_max"] = highest
    return found


def _amount(part: Mapping[str, JsonValue]) -> float:
    amount = part["price"]
    assert isinstance(amount, float)
    return amount


def _best(values: Sequence[JsonValue]) -> JsonValue:
    return next((one for one in _BEST_FIRST if one in values), values[0])


def _union(values: Sequence[JsonValue]) -> JsonValue:
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    each = [one for place, one in enumerate(flat) if one not in flat[:place]]
    return each[0] if len(each) == 1 and not any(isinstance(v, list) for v in values) else each
