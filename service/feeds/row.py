"""One row, element or object of a feed under names common to all formats, and its metadata.

Every format's reader renames its columns to these names; that is why one filter works on all of
them. A name with one value becomes a text, with several a list: `where` treats them alike.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from service.feeds.records import Problem
from service.feeds.table import plain_name
from service.feeds.values import (
    distinct,
    one_line,
    read_address,
    read_availability,
    read_price,
)

FACETS = (
    "brand",
    "type",
    "category",
    "color",
    "size",
    "gender",
    "age_group",
    "material",
    "pattern",
    "condition",
    "link",
    "sku",
    "status",
    "shop_id",
)
OPTION_PREFIX = "option_"
MAX_FACET_CHARS = 1_000
"""Longer texts are no values to filter by; addresses may have twice as many."""

# What shops call the options that Google has a name for.
_OPTIONS = {
    "colour": "color",
    "farbe": "color",
    "couleur": "color",
    "colore": "color",
    "kleur": "color",
    "cor": "color",
    "größe": "size",
    "groesse": "size",
    "taille": "size",
    "talla": "size",
    "taglia": "size",
    "maat": "size",
    "tamanho": "size",
    "fabric": "material",
}
_NAMED = ("color", "size", "material", "pattern", "gender", "age_group")

_LOWER = ("gender", "age_group", "condition", "status")

PriceMeaning = Literal["current", "list"]


class Row:
    """Texts of one product or variant.

    Args:
        number: where in the feed.
        cells: by common name.
        columns: common name to the column's name as the feed writes it, for problems.
    """

    __slots__ = ("cells", "columns", "number", "problems")

    def __init__(
        self,
        number: int,
        cells: Mapping[str, Sequence[str]],
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self.number = number
        self.cells = {name: list(values) for name, values in cells.items()}
        self.columns = columns or {}
        self.problems: list[Problem] = []

    def first(self, name: str) -> str:
        """The first value as one line, empty where there is none."""
        return next(filter(None, map(one_line, self.cells.get(name, ()))), "")

    def all(self, name: str) -> list[str]:
        """The values as lines, each once."""
        return distinct(map(one_line, self.cells.get(name, ())))

    def add(self, name: str, values: Iterable[str]) -> None:
        """More values of a name."""
        self.cells.setdefault(name, []).extend(values)

    def note(self, name: str, message: str) -> None:
        """A value that cannot be used; the row is kept."""
        self.problems.append(Problem(self.number, self.columns.get(name, name), message, kept=True))

    def lost(self, message: str) -> Problem:
        """The problem of a row that cannot be used at all."""
        return Problem(self.number, None, message)

    def images(self, name: str, split: Callable[[str], list[str]]) -> list[str]:
        """The addresses under a name, without duplicates; what is none is noted."""
        addresses = []
        for text in self.cells.get(name, ()):
            for part in split(text):
                try:
                    addresses.append(read_address(part))
                except ValueError as exc:
                    self.note(name, str(exc))
        return distinct(addresses)


def renamed(row: Row, common_name: Callable[[str], str | None]) -> Row:
    """The row under common names; what has none is left out."""
    cells: dict[str, list[str]] = {}
    columns: dict[str, str] = {}
    for column, values in row.cells.items():
        if (name := common_name(plain_name(column))) is not None:
            cells.setdefault(name, []).extend(values)
            columns.setdefault(name, column)
    return Row(row.number, cells, columns)


def option_name(name: str) -> str:
    """The metadata key of a shop's option: ``color`` for "Colour", ``option_fit`` for "Fit"."""
    plain = re.sub(r"\W+", "_", one_line(name).casefold()).strip("_")
    plain = _OPTIONS.get(plain, plain)
    return plain if plain in _NAMED else f"{OPTION_PREFIX}{plain or 'unnamed'}"


def describe(row: Row, currency: str | None, price: PriceMeaning) -> dict[str, JsonValue]:
    """The row's metadata.

    Args:
        row: under common names.
        currency: where a price names none; None leaves it out.
        price: whether the price is what is paid now (Shopify) or what was before a sale (Google,
            WooCommerce).
    """
    found: dict[str, JsonValue] = {}
    options = [name for name in row.cells if name.startswith(OPTION_PREFIX)]
    for name in (*FACETS, *options):
        limit = 4 * MAX_FACET_CHARS if name == "link" else MAX_FACET_CHARS
        values = [value for value in row.all(name) if len(value) <= limit]
        if name in _LOWER:
            values = distinct(map(str.casefold, values))
        if values:
            found[name] = values[0] if len(values) == 1 else list(values)
    if tags := row.all("tags"):
        found["tags"] = list(tags)
    if availability := row.first("availability"):
        try:
            found["availability"] = read_availability(availability)
        except ValueError as exc:
            row.note("availability", str(exc))
    return found | _prices(row, currency, price)


def _prices(row: Row, currency: str | None, meaning: PriceMeaning) -> dict[str, JsonValue]:
    amount, named = _price(row, "price")
    sale, named_sale = _price(row, "sale_price")
    compare, named_compare = _price(row, "compare_price")
    found: dict[str, JsonValue] = {}
    if meaning == "current":
        regular = compare if amount is not None and compare is not None else None
    elif sale is not None and not row.first("sale_dates"):
        amount, regular = sale, amount
    else:
        regular = None
        if sale is not None:
            # Whether it counts depends on the day of the search: both prices are given.
            found |= {"sale_price": sale, "sale_dates": row.first("sale_dates")}
    if amount is not None:
        found["price"] = amount
        if regular is not None and regular > amount:
            found["regular_price"] = regular
    named = named or named_sale or named_compare or row.first("currency").upper() or currency
    if named and ("price" in found or "sale_price" in found):
        found["currency"] = named
    return found


def _price(row: Row, name: str) -> tuple[float | None, str | None]:
    text = row.first(name)
    if not text:
        return None, None
    try:
        return read_price(text)
    except ValueError as exc:
        row.note(name, str(exc))
        return None, None
