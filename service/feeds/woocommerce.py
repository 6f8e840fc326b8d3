"""WooCommerce: the product CSV of its own exporter, and the product of a webhook.

A variation may stand anywhere before or after its parent and names it by ``id:12`` or by SKU.
Variable products therefore wait on disk until the file is read, then follow the simple ones.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from service.feeds.pictures import MAX_VARIANTS, Key, Listing, Variant, garments
from service.feeds.records import Entry, Problem
from service.feeds.row import Row, describe, option_name
from service.feeds.values import split_addresses, split_list

_NAMES = {
    "id": "id",
    "type": "kind",
    "sku": "sku",
    "name": "title",
    "published": "published",
    "in stock?": "stock",
    "regular price": "price",
    "sale price": "sale_price",
    "date sale price starts": "sale_starts",
    "date sale price ends": "sale_ends",
    "categories": "type",
    "tags": "tags",
    "images": "image",
    "parent": "parent",
    "brands": "brand",
}
_ATTRIBUTE = re.compile(r"attribute (\d{1,3}) (name|value\(s\))")
_STOCK = {"1": "in stock", "0": "out of stock", "backorder": "backorder"}
_STATUS = {"1": "active", "0": "private", "-1": "draft", "publish": "active"}
_SPOOL = """
CREATE TABLE row(line INTEGER PRIMARY KEY, id TEXT, sku TEXT, parent TEXT, cells TEXT);
CREATE INDEX parent ON row(parent) WHERE parent IS NOT NULL;
"""


def is_woocommerce(header: Iterable[str]) -> bool:
    """Whether columns, named as `table.plain_name` does, are those of WooCommerce's exporter."""
    names = set(header)
    return {"name", "images"} <= names and bool({"id", "sku"} & names)


def common_name(column: str) -> str | None:
    """The common name of a column, or None for one that is not read."""
    attribute = _ATTRIBUTE.fullmatch(column)
    if attribute:
        return f"{'name' if attribute.group(2) == 'name' else 'value'}{attribute.group(1)}"
    return _NAMES.get(column)


def read_rows(rows: Iterable[Row | Problem], currency: str | None) -> Iterator[Entry]:
    """The garments of a product CSV: simple products as they come, then variable ones."""
    # An empty name is a private file on disk that SQLite removes by itself. An iterator may be
    # continued by another thread, never by two at once.
    with _Spool() as spool:
        columns: Mapping[str, str] = {}
        for row in rows:
            if isinstance(row, Problem):
                yield row
                continue
            columns = row.columns
            kinds = split_list(row.first("kind").casefold())
            if not product_key(row):
                yield row.lost("neither ID nor SKU; one is needed")
            elif "variation" in kinds and not row.first("parent"):
                yield row.lost("a variation without a parent; it names one by id:ID or SKU")
            elif "variation" in kinds or "variable" in kinds:
                spool.add(row, row.first("parent") if "variation" in kinds else None)
            else:
                yield from product_entries(row, (), currency)
        for parent, variations in spool.products(columns):
            yield from product_entries(parent, variations, currency)


def product_entries(row: Row, variations: Iterable[Row], currency: str | None) -> Iterator[Entry]:
    """The garments of one product, and what could not be read of it."""
    key = product_key(row)
    if row.first("id"):
        row.cells["shop_id"] = [row.first("id")]
    _prepare(row)
    images = tuple(row.images("image", split_addresses))
    metadata = describe(row, currency, "list")
    problems = row.problems
    variants = []
    for variation in variations:
        _prepare(variation)
        own = tuple(variation.images("image", split_addresses))
        described = describe(variation, currency, "list")
        problems = problems + variation.problems
        title = variation.first("title")
        name = product_key(variation)
        described["variant_ids"] = [name[-1]]
        variants.append(Variant(name, title, own, described, (), variation.number))
    listing = Listing(key, row.first("title"), images, metadata, tuple(variants), row.number)
    yield from garments(listing)
    yield from problems


def product_key(row: Row) -> Key:
    """The product's id; without one, ``sku`` and its SKU; empty without either.

    >>> product_key(Row(1, {"id": ["12"], "sku": ["HOODIE"]}))
    ('12',)
    """
    if row.first("id"):
        return (row.first("id"),)
    return ("sku", row.first("sku")) if row.first("sku") else ()


def _prepare(row: Row) -> None:
    """Cells that hold several values, or a number for a word."""
    for name in ("type", "tags"):
        row.cells[name] = [part for text in row.cells.get(name, ()) for part in split_list(text)]
    for number in range(1, 100):
        name = row.first(f"name{number}")
        if not name:
            break
        for text in row.cells.get(f"value{number}", ()):
            row.add(option_name(name), split_list(text))
    dates = [row.first("sale_starts"), row.first("sale_ends")]
    row.cells["sale_dates"] = ["/".join(dates)] if any(dates) else []
    if stock := row.first("stock"):
        row.cells["availability"] = [_STOCK.get(stock.casefold(), stock)]
    if published := row.first("published"):
        row.cells["status"] = [_STATUS.get(published, published)]


class _Spool:
    """Rows of variable products and variations, on disk."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.executescript(_SPOOL)

    def __enter__(self) -> "_Spool":
        self._rows.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def add(self, row: Row, parent: str | None) -> None:
        """Keep a row; `parent` is what a variation calls its parent."""
        cells = json.dumps(row.cells)
        record = (row.number, row.first("id"), row.first("sku"), parent, cells)
        self._rows.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?)", _storable(record))

    def products(self, columns: Mapping[str, str]) -> Iterator[tuple[Row, list[Row]]]:
        """Variable products with their variations, then variations of products not in the file."""
        parents = self._rows.execute(
            "SELECT line, id, sku, cells FROM row WHERE parent IS NULL ORDER BY line"
        )
        for line, shop_id, sku, cells in parents:
            names = [f"id:{shop_id}"] if shop_id else []
            names += [sku] if sku else []
            yield _row(line, cells, columns), self._variations(names, columns)
        orphans = self._rows.execute(
            "SELECT parent, min(line) FROM row WHERE parent NOT IN ("
            " SELECT 'id:' || id FROM row WHERE parent IS NULL AND id <> ''"
            " UNION SELECT sku FROM row WHERE parent IS NULL AND sku <> '')"
            " GROUP BY parent ORDER BY min(line)"
        )
        for parent, line in orphans:
            shop_id = parent.removeprefix("id:")
            cells = {"id": [shop_id]} if shop_id != parent else {"sku": [parent]}
            yield Row(line, cells, columns), self._variations([parent], columns)

    def _variations(self, names: list[str], columns: Mapping[str, str]) -> list[Row]:
        found = self._rows.execute(
            f"SELECT line, cells FROM row WHERE parent IN ({','.join('?' * len(names))})"
            " ORDER BY line LIMIT ?",
            (*names, MAX_VARIANTS),
        )
        return [_row(line, cells, columns) for line, cells in found]


def _row(line: int, cells: str, columns: Mapping[str, str]) -> Row:
    return Row(line, json.loads(cells), columns)


def _storable(record: tuple[object, ...]) -> tuple[object, ...]:
    """SQLite refuses lone surrogates; what holds them is refused later, by `records.finish`."""
    return tuple(
        value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for value in record
    )
