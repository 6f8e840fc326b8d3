"""schema.org Product and ProductGroup as JSON-LD: one object, an array, @graph, or NDJSON.

Lists of items (ItemList) and pages (mainEntity) are looked through; nodes of other types, such as
an organisation, are left out without a word.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.feeds.documents import is_lines, read_document, read_lines
from service.feeds.nodes import Nodes, kind_of, listed, reference
from service.feeds.pictures import MAX_VARIANTS, Key, Listing, Variant, garments
from service.feeds.records import Entry, FeedError, Problem
from service.feeds.row import Row, describe, option_name
from service.feeds.text import FeedText
from service.feeds.values import one_line

MAX_DEPTH = 8
"""Lists within lists, and references to references, that are followed."""
_IDENTITIES = ("sku", "productID", "gtin13", "gtin", "mpn", "@id", "url")
_GROUP_IDENTITIES = ("productGroupID", *_IDENTITIES)
_TEXTS = {
    "color": "color",
    "size": "size",
    "material": "material",
    "pattern": "pattern",
    "category": "type",
    "brand": "brand",
    "url": "link",
    "sku": "sku",
    "itemCondition": "condition",
}
_OFFERS = ("price", "lowPrice")
_Plain = str | int | float


def read_products(text: FeedText, head: str, currency: str | None) -> Iterator[Entry]:
    """The garments of a JSON-LD feed.

    Args:
        text: the feed.
        head: its beginning, which tells NDJSON from one document.
        currency: where a price names none.
    """
    nodes = Nodes()
    try:
        if is_lines(head):
            for item in read_lines(text):
                if isinstance(item, Problem):
                    yield item
                    continue
                nodes.clear()
                yield from _of_values([(0, item[1])], nodes, currency, line=item[0])
        else:
            yield from _of_values(read_document(text), nodes, currency)
    finally:
        nodes.close()


def _of_values(
    values: Iterable[tuple[int, Any]], nodes: Nodes, currency: str | None, line: int | None = None
) -> Iterator[Entry]:
    """The garments of one document; `line` numbers all that stands on one."""
    place = 0
    numbers: dict[int, int] = {}
    for number, value in values:
        if not isinstance(value, list | Mapping):
            yield Problem(line or number, None, f"{type(value).__name__}: an object is needed")
        for node in _nodes(value, MAX_DEPTH):
            place += 1
            nodes.add(place, node)
            if place != number:
                numbers[place] = number
    if line is None and not nodes.any_products():
        raise FeedError("the document holds no schema.org Product")
    for place, node in nodes.products():
        yield from _entries(line or numbers.get(place, place), node, nodes, currency)


def _nodes(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The objects of a value that may be products, or be referred to."""
    if not depth:
        return
    if isinstance(value, list):
        for one in value:
            yield from _nodes(one, depth - 1)
    elif isinstance(value, Mapping):
        inner = [value[name] for name in ("@graph", "mainEntity") if name in value]
        inner += [
            one.get("item", one) if isinstance(one, Mapping) else one
            for one in listed(value.get("itemListElement"))
        ]
        if "@graph" not in value:
            yield value
        for one in inner:
            yield from _nodes(one, depth - 1)


def _entries(
    number: int, node: Mapping[str, Any], nodes: Nodes, currency: str | None
) -> Iterator[Entry]:
    row = _row(number, node, nodes)
    if kind_of(node) != "ProductGroup":
        yield from _product(row, node, currency)
        return
    key = _key(node, _GROUP_IDENTITIES)
    if not key:
        yield row.lost(f"no identity; one of {', '.join(_GROUP_IDENTITIES)} is needed")
        return
    inline = [nodes.resolve(variant) for variant in listed(node.get("hasVariant"))]
    found = [one for one in inline if isinstance(one, Mapping) and reference(one) is None]
    variants = []
    problems: list[Problem] = []
    for one in [*found, *nodes.variants(node)][:MAX_VARIANTS]:
        variant = _row(number, one, nodes)
        identity = _key(one, _IDENTITIES)
        if not identity:
            yield variant.lost(f"a variant without identity; give {', '.join(_IDENTITIES)}")
            continue
        described = describe(variant, currency, "current")
        described["variant_ids"] = [identity[-1]]
        images = tuple(variant.images("image", _one))
        problems += variant.problems
        title = variant.first("title")
        variants.append(Variant(identity, title, images, described, (), number))
    images = tuple(row.images("image", _one))
    metadata = describe(row, currency, "current")
    listing = Listing(key, row.first("title"), images, metadata, tuple(variants), number)
    yield from garments(listing)
    yield from row.problems
    yield from problems


def _product(row: Row, node: Mapping[str, Any], currency: str | None) -> Iterator[Entry]:
    key = _key(node, _IDENTITIES)
    if not key:
        yield row.lost(f"no identity; one of {', '.join(_IDENTITIES)} is needed")
        return
    images = tuple(row.images("image", _one))
    metadata = describe(row, currency, "current")
    parents = [one for one in listed(node.get("isVariantOf")) if isinstance(one, Mapping)]
    group = _key(parents[0], _GROUP_IDENTITIES) if parents else ()
    if name := one_line(str(node.get("inProductGroupWithID") or "")):
        group = (name,)
    title = row.first("title")
    if group:
        # The group itself is not in the document: it has no garment, but still joins its variants.
        variant = Variant(key, title, images, metadata | {"variant_ids": [key[-1]]}, (), row.number)
        yield from garments(Listing(group, "", (), {}, (variant,), row.number))
    else:
        yield from garments(Listing(key, title, images, metadata, (), row.number))
    yield from row.problems


def _one(text: str) -> list[str]:
    return [text]


def _key(node: Mapping[str, Any], names: Iterable[str]) -> Key:
    for name in names:
        for value in listed(node.get(name)):
            if isinstance(value, _Plain) and one_line(str(value)):
                return (one_line(str(value)),)
    return ()


def _row(number: int, node: Mapping[str, Any], nodes: Nodes) -> Row:
    """A product's properties as texts under common names."""
    row = Row(number, {"title": _texts(node.get("name"), nodes)}, {"price": "offers.price"})
    for property_, name in _TEXTS.items():
        row.add(name, _texts(node.get(property_), nodes))
    row.add("image", _texts(node.get("image"), nodes, ("contentUrl", "url")))
    for audience in listed(node.get("audience")):
        if isinstance(audience := nodes.resolve(audience), Mapping):
            row.add("gender", map(_segment, _texts(audience.get("suggestedGender"), nodes)))
            row.add("age_group", _texts(audience.get("audienceType"), nodes))
    row.cells["condition"] = [_segment(text) for text in row.cells["condition"]]
    for text in _texts(node.get("keywords"), nodes):
        row.add("tags", text.split(","))
    for extra in listed(node.get("additionalProperty")):
        if isinstance(extra := nodes.resolve(extra), Mapping):
            for name in _texts(extra.get("name"), nodes):
                row.add(option_name(name), _texts(extra.get("value"), nodes))
    _add_offer(row, node, nodes)
    return row


def _add_offer(row: Row, node: Mapping[str, Any], nodes: Nodes) -> None:
    """The first offer that has a price; availability and currency are its own."""
    offers = [nodes.resolve(offer) for offer in listed(node.get("offers"))]
    priced: list[tuple[list[str], Mapping[str, Any], Mapping[str, Any]]] = []
    for offer in offers:
        if not isinstance(offer, Mapping):
            continue
        details = [nodes.resolve(one) for one in listed(offer.get("priceSpecification"))]
        details = [one for one in details if isinstance(one, Mapping)]
        for source in (offer, *details):
            price = [text for name in _OFFERS for text in _texts(source.get(name), nodes)]
            if price:
                priced.append((price, source, offer))
        row.add("availability", _texts(offer.get("availability"), nodes))
    if priced:
        price, source, offer = priced[0]
        row.add("price", price[:1])
        for one in (source, offer):
            row.add("currency", _texts(one.get("priceCurrency"), nodes))


def _texts(
    value: Any, nodes: Nodes, names: tuple[str, ...] = ("name",), depth: int = MAX_DEPTH
) -> list[str]:
    """The texts of a property: as written, or from the named properties of an object."""
    if isinstance(value, bool) or value is None or not depth:
        return []
    if isinstance(value, _Plain):
        return [str(value)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one, nodes, names, depth - 1)]
    if not isinstance(value, Mapping):
        return []
    whole = nodes.resolve(value)
    for name in (*names, "@value"):
        if found := _texts(whole.get(name), nodes, names, depth - 1):
            return found
    # A picture or a page may be known by nothing but its address.
    identity = whole.get("@id")
    return [identity] if "url" in names and isinstance(identity, str) else []


def _segment(text: str) -> str:
    return text.rstrip("/").rpartition("/")[2].removesuffix("Condition") or text
