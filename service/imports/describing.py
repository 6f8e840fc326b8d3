"""A product's metadata as its garment has them: the reader's own, and five names beside them.

`image` is the address that the stored image came from, and `stored_images` those of several. They
are written with the images in one commit and are all that an import remembers: the same address in
the feed means the same image.
"""

import itertools
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from api_schemas.bases import check_metadata
from service.feeds.records import Product

TITLE = "title"
GROUP = "group"
IMAGES = "images"
IMAGE = "image"
STORED_IMAGES = "stored_images"
NAMES = (TITLE, GROUP, IMAGES, IMAGE, STORED_IMAGES)
SHOP_ID = "shop_id"

MAX_IMAGES = 32
MAX_IMAGES_CHARS = 16_384
"""Addresses kept of one product, and their length: a garment's metadata have room for 65,536."""


class ReservedNameError(ValueError):
    """A reader gives metadata under a name that is the import's own."""


def describe(
    product: Product,
    image: str,
    stored: Mapping[str, JsonValue],
    *,
    further: Sequence[str] = (),
) -> dict[str, JsonValue]:
    """The metadata of a garment.

    Args:
        product: as its feed has it.
        image: the address that its main image comes from.
        stored: its metadata so far. Its `shop_id` is kept where the feed has none: Shopify's
            webhooks name it and its CSV does not.
        further: the addresses of its other stored images, in order.

    Raises:
        ReservedNameError: the product has metadata under one of `NAMES`.
        ValueError: they are too much for one garment.
    """
    if taken := [name for name in NAMES if name in product.metadata]:
        raise ReservedNameError(
            f"the feed's metadata hold {', '.join(taken)}; {', '.join(NAMES)} are the import's own"
        )
    metadata: dict[str, JsonValue] = dict(product.metadata)
    if product.title:
        metadata[TITLE] = product.title
    if product.group is not None:
        metadata[GROUP] = product.group
    metadata[IMAGES] = _kept(product.images)
    metadata[IMAGE] = image
    if further:
        metadata[STORED_IMAGES] = [image, *further]
    if SHOP_ID in stored:
        metadata.setdefault(SHOP_ID, stored[SHOP_ID])
    return check_metadata(metadata)


def _kept(images: tuple[str, ...]) -> list[JsonValue]:
    lengths = itertools.accumulate(map(len, images[:MAX_IMAGES]))
    return [url for url, length in zip(images, lengths, strict=False) if length <= MAX_IMAGES_CHARS]


def stored_addresses(metadata: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Where the stored images came from, in order."""
    several = metadata.get(STORED_IMAGES)
    return several if isinstance(several, list) else [metadata.get(IMAGE)]


def is_imported(metadata: Mapping[str, JsonValue]) -> bool:
    """Whether an import or a webhook stored the garment."""
    return IMAGES in metadata and IMAGE in metadata
