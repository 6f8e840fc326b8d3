"""A product's metadata as its garment has them: the reader's own, and four names beside them.

`image` is the address that the stored image came from. It is written with the image in one commit
and is all that an import remembers: the same address in the feed means the same image.
"""

import itertools
from collections.abc import Mapping

from pydantic import JsonValue

from api_schemas.bases import check_metadata
from service.feeds.records import Product

TITLE = "title"
GROUP = "group"
IMAGES = "images"
IMAGE = "image"
NAMES = (TITLE, GROUP, IMAGES, IMAGE)
SHOP_ID = "shop_id"

MAX_IMAGES = 32
MAX_IMAGES_CHARS = 16_384
"""Addresses kept of one product, and their length: a garment's metadata have room for 65,536."""


class ReservedNameError(ValueError):
    """A reader gives metadata under a name that is the import's own."""


def describe(product: Product, image: str, stored: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The metadata of a garment.

    Args:
        product: as its feed has it.
        image: the address that its image comes from.
        stored: its metadata so far. Its `shop_id` is kept where the feed has none: Shopify's
            webhooks name it and its CSV does not.

    Raises:
        ReservedNameError: the product has metadata called title, group, images or image.
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
    if SHOP_ID in stored:
        metadata.setdefault(SHOP_ID, stored[SHOP_ID])
    return check_metadata(metadata)


def _kept(images: tuple[str, ...]) -> list[JsonValue]:
    lengths = itertools.accumulate(map(len, images[:MAX_IMAGES]))
    return [url for url, length in zip(images, lengths, strict=False) if length <= MAX_IMAGES_CHARS]


def is_imported(metadata: Mapping[str, JsonValue]) -> bool:
    """Whether an import or a webhook stored the garment."""
    return IMAGES in metadata and IMAGE in metadata
