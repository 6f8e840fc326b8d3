"""A feed file of any format the package reads, recognised by what it holds.

Names only break ties: shops call tab-separated files .txt and gzip files .csv.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from service.feeds import google, schema_org, shopify, woocommerce
from service.feeds.markup import ROOTS, read_elements, root_of
from service.feeds.records import Entry, FeedError, Problem
from service.feeds.row import Row, renamed
from service.feeds.table import DELIMITERS, header_of, read_records
from service.feeds.text import CHUNK_CHARS, FeedText

FeedFormat = Literal[
    "shopify-csv", "google-text", "google-xml", "woocommerce-csv", "schema-org-json"
]

_KNOWN = (
    "a Shopify product CSV (URL handle or Handle, Title, Product image URL or Image Src), "
    "a Google Merchant Center file (id, title, image_link) or RSS/Atom document, "
    "a WooCommerce product CSV (ID or SKU, Name, Images), or schema.org JSON-LD"
)
_TABLES: tuple[tuple[FeedFormat, Callable[[list[str]], bool]], ...] = (
    ("shopify-csv", shopify.is_shopify),
    ("google-text", google.is_google),
    ("woocommerce-csv", woocommerce.is_woocommerce),
)


class Feed:
    """An opened feed: iterate once for its products and problems.

    The same file gives the same entries in the same order, so a reader that stopped can go on by
    skipping as many. Iterating raises `FeedError` where the rest cannot be read.

    Attributes:
        format: what was recognised.
    """

    def __init__(self, text: FeedText, format_: FeedFormat, entries: Iterator[Entry]) -> None:
        self.format = format_
        self._text = text
        self._entries = entries

    @property
    def progress(self) -> float:
        """How much of the file has been read, 0 to 1."""
        return self._text.progress

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        close = getattr(self._entries, "close", None)
        if close is not None:
            close()
        self._text.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_feed(path: Path, *, currency: str | None = None, encoding: str | None = None) -> Feed:
    """Open a feed.

    Args:
        path: the file, gzip or not.
        currency: ISO 4217 code for prices that name none, as in all of Shopify's and WooCommerce's.
        encoding: where the file is neither UTF-8, nor UTF-16, nor says what it is.

    Raises:
        FeedError: the file cannot be opened, or is no feed of a known format.
    """
    with FeedText(path, encoding) as beginning:
        head = beginning.read(CHUNK_CHARS)
    start = head.lstrip("\ufeff \t\r\n")[:1]
    if not start:
        raise FeedError(f"{path.name}: the file is empty; a feed is {_KNOWN}")
    if start == "<":
        return _open_markup(path, head, currency, encoding)
    if start in "{[":
        text = FeedText(path, encoding)
        return Feed(text, "schema-org-json", schema_org.read_products(text, head, currency))
    return _open_table(path, head, currency, encoding)


def _open_markup(path: Path, head: str, currency: str | None, encoding: str | None) -> Feed:
    if root_of(head) not in ROOTS:
        raise FeedError(f"{path.name}: <{root_of(head)[:40]}> begins no RSS or Atom feed")
    text = FeedText(path, encoding)
    rows = _renamed(read_elements(text), google.common_name)
    return Feed(text, "google-xml", google.read_items(rows, currency))


def _open_table(path: Path, head: str, currency: str | None, encoding: str | None) -> Feed:
    for delimiter in DELIMITERS:
        header = header_of(head, delimiter)
        for format_, recognised in _TABLES:
            if recognised(header):
                text = FeedText(path, encoding)
                entries = _table_entries(format_, text, delimiter, currency)
                return Feed(text, format_, entries)
    raise FeedError(f"{path.name}: the columns are of no known feed; one is {_KNOWN}")


def _table_entries(
    format_: FeedFormat, text: FeedText, delimiter: str, currency: str | None
) -> Iterator[Entry]:
    rows = _table_rows(text, delimiter)
    if format_ == "shopify-csv":
        return shopify.read_rows(_renamed(rows, shopify.common_name), currency)
    if format_ == "woocommerce-csv":
        return woocommerce.read_rows(_renamed(rows, woocommerce.common_name), currency)
    return google.read_items(_text_items(_renamed(rows, google.common_name)), currency)


def _table_rows(text: FeedText, delimiter: str) -> Iterator[Row | Problem]:
    header: list[str] = []
    for record in read_records(text, delimiter):
        if isinstance(record, Problem):
            if not header:
                raise FeedError(f"the header cannot be read: {record.message}")
            yield record
        elif not header:
            header = record.cells
        else:
            cells: dict[str, list[str]] = {}
            for column, cell in zip(header, record.cells, strict=True):
                if cell:
                    cells.setdefault(column, []).append(cell)
            yield Row(record.number, cells)


def _renamed(
    rows: Iterator[Row | Problem], common_name: Callable[[str], str | None]
) -> Iterator[Row | Problem]:
    return (row if isinstance(row, Problem) else renamed(row, common_name) for row in rows)


def _text_items(rows: Iterator[Row | Problem]) -> Iterator[Row | Problem]:
    for row in rows:
        if isinstance(row, Row):
            google.unescape_commas(row)
        yield row
