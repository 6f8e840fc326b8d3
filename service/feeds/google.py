"""Google Merchant Center: items of a TSV, RSS 2.0 or Atom feed.

Each item is one size of one colour. Items of one item_group_id that follow each other and have the
same main image are one garment, named by the first item's id; `variant_ids` holds them
all.
"""

from collections.abc import Iterable, Iterator

from service.feeds.pictures import MAX_VARIANTS, Listing, Variant, by_picture, of_variants
from service.feeds.records import Entry, Problem
from service.feeds.row import Row, describe
from service.feeds.values import distinct, split_addresses

_NAMES = {
    "id": "id",
    "item group id": "group",
    "title": "title",
    "link": "link",
    "image link": "image",
    "additional image link": "more_images",
    "price": "price",
    "sale price": "sale_price",
    "sale price effective date": "sale_dates",
    "availability": "availability",
    "brand": "brand",
    "color": "color",
    "size": "size",
    "gender": "gender",
    "age group": "age_group",
    "material": "material",
    "pattern": "pattern",
    "condition": "condition",
    "product type": "type",
    "google product category": "category",
}
# Up to three colours, or a mix of materials, are joined by slashes.
_SLASHED = ("color", "material")


def is_google(header: Iterable[str]) -> bool:
    """Whether columns, named as `table.plain_name` does, are those of a Merchant Center feed."""
    return {"id", "title", "image link"} <= set(header)


def common_name(column: str) -> str | None:
    """The common name of a column or element, or None for one that is not read."""
    return _NAMES.get(column)


def read_items(rows: Iterable[Row | Problem], currency: str | None) -> Iterator[Entry]:
    """The garments of a feed, holding one group at a time."""
    group = ""
    gathered: list[Variant] = []
    for row in rows:
        if isinstance(row, Problem):
            yield row
            continue
        item = _item(row, currency)
        yield from row.problems
        if isinstance(item, Problem):
            yield item
            continue
        if row.first("group") != group or not group or len(gathered) >= MAX_VARIANTS:
            yield from _garments(group, gathered)
            group, gathered = row.first("group"), []
        gathered.append(item)
    yield from _garments(group, gathered)


def unescape_commas(row: Row) -> None:
    """A text feed joins addresses by commas and writes %2C for a comma within one."""
    row.cells["more_images"] = [
        address.replace("%2C", ",").replace("%2c", ",")
        for text in row.cells.get("more_images", ())
        for address in text.split(",")
    ]


def _item(row: Row, currency: str | None) -> Variant | Problem:
    key = row.first("id")
    if not key:
        return row.lost("no id; every item needs one")
    images = [
        *row.images("image", lambda text: [text]),
        *row.images("more_images", split_addresses),
    ]
    if not images:
        return row.lost(f"{key[:60]}: no image to show it by")
    for name in _SLASHED:
        row.cells[name] = [part for text in row.all(name) for part in text.split("/")]
    metadata = describe(row, currency, "list")
    if row.first("group"):
        metadata["variant_ids"] = [key]
    return Variant((key,), row.first("title"), tuple(distinct(images)), metadata, (), row.number)


def _garments(group: str, items: list[Variant]) -> Iterator[Entry]:
    if not items:
        return
    listing = Listing((group,), "", (), {}, tuple(items), items[0].number) if group else None
    for shared in by_picture(items).values():
        yield of_variants(listing, shared, shared[0].key)
