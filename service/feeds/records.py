"""What a feed yields: products to store as garments, and problems for what could not be read.

A problem never ends a feed. `FeedError` does: it says that the rest cannot be read at all, so a
caller must not conclude that products it has not seen are gone from the shop.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from api_schemas.bases import check_metadata
from service.feeds.identity import garment_id

MAX_TITLE_CHARS = 1_000
"""Longer titles are cut; Google allows 150 and Shopify 255."""


class FeedError(Exception):
    """A feed, or the rest of it, cannot be read; the message says why and what is read."""


@dataclass(frozen=True, slots=True)
class Product:
    """One garment of a feed: a product, or those of its variants that share a picture.

    Attributes:
        id: fits a garment's id; stays the same as long as the shop's own id does.
        group: id of the parent product where the feed speaks of variants, else None.
        title: one line of text; empty only where the feed has none.
        images: absolute http(s) addresses without duplicates, the main one first; at least one.
        metadata: flat; texts, numbers, or lists of texts, as `where` filters read them.
        number: line of a table or of NDJSON, ordinal of an XML or JSON element, from 1; 0 for a
            webhook.
    """

    id: str
    group: str | None
    title: str
    images: tuple[str, ...]
    metadata: Mapping[str, JsonValue]
    number: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read.

    Attributes:
        number: as in `Product`.
        column: the column or element at fault, as the feed writes it; None for the whole row.
        message: the value received and the values allowed.
        kept: the row is still read, without that value.
    """

    number: int
    column: str | None
    message: str
    kept: bool = False


Entry = Product | Problem


def finish(
    key: tuple[str, ...],
    group: tuple[str, ...] | None,
    title: str,
    images: tuple[str, ...],
    metadata: dict[str, JsonValue],
    number: int,
) -> Entry:
    """A product that the catalog will take, or the problem that keeps it out.

    Args:
        key: the shop's id, in as many parts as it has.
        group: the parent's, or None.
        title: as the feed writes it.
        images: checked addresses.
        metadata: what `where` filters will read.
        number: where in the feed.
    """
    if not images:
        return Problem(number, None, f"{_shown(title or ':'.join(key))}: no image to show it by")
    try:
        check_metadata(metadata)
        product = Product(
            id=garment_id(*key),
            group=None if group is None else garment_id(*group),
            title=title[:MAX_TITLE_CHARS],
            images=images,
            metadata=metadata,
            number=number,
        )
        _check_text(title, *images, *metadata, *_texts(metadata))
    except ValueError as exc:
        return Problem(number, None, f"{_shown(title or ':'.join(key))}: {_reason(exc)}")
    return product


def _texts(metadata: Mapping[str, JsonValue]) -> list[str]:
    values = [one for v in metadata.values() for one in (v if isinstance(v, list) else [v])]
    return [value for value in values if isinstance(value, str)]


def _check_text(*texts: str) -> None:
    for text in texts:
        if not text.isascii():
            text.encode()


def _reason(exc: ValueError) -> str:
    if isinstance(exc, UnicodeError):
        return "holds bytes that are no characters; save the feed as UTF-8"
    return str(exc)


def _shown(text: str) -> str:
    printable = text.encode("utf-8", "replace").decode()
    return printable if len(printable) <= 60 else f"{printable[:57]}..."
