"""What may stand for an image, and how it is sent.

A plain text is never a path: garment ids are texts as well, and one in place of the other would
only be noticed by the service.
"""

import base64
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredGarment:
    """A garment that the service holds: its vectors are used, no image is sent.

    Attributes:
        garment_id: its id.
        catalog: where it is; None for the catalog of the call.
    """

    garment_id: str
    catalog: str | None = None


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An image that the service fetches, where its operator allows that."""

    url: str


Image = bytes | Path | StoredGarment | ImageUrl
"""The bytes of an image file, where such a file is, a stored garment, or an address."""

Document = dict[str, object]


def reference(image: Image) -> Document:
    """The image as a JSON request names it.

    Raises:
        OSError: the file cannot be read.
        TypeError: it is nothing that stands for an image.
    """
    if isinstance(image, StoredGarment):
        place = {"garment_id": image.garment_id, "catalog": image.catalog}
        return {name: value for name, value in place.items() if value is not None}
    if isinstance(image, ImageUrl):
        return {"url": image.url}
    return {"base64": base64.b64encode(_file_bytes(image)).decode("ascii")}


def _file_bytes(image: bytes | Path) -> bytes:
    if isinstance(image, Path):
        return image.read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    raise TypeError(
        f"{type(image).__name__} is no image; give bytes, a pathlib.Path, StoredGarment or ImageUrl"
    )
