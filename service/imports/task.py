"""One product on its way to a garment: the images that it is to have, and those that it has."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from api_schemas.images import ImageReference
from service.catalog.store import GarmentRecord
from service.errors import (
    ImageTooLarge,
    ImageUrlNotAllowed,
    ImageUrlTimeout,
    ImageUrlUnreachable,
    InvalidImage,
    ServiceError,
)
from service.feeds.records import Product
from service.imports.describing import IMAGES, describe, stored_addresses
from service.imports.records import Fault
from service.new_garment import KeptImage, Source

IMAGE_FAULTS = (
    ImageTooLarge,
    ImageUrlNotAllowed,
    ImageUrlTimeout,
    ImageUrlUnreachable,
    InvalidImage,
)


@dataclass(slots=True, eq=False)
class Task:
    """One product; the images before `tries` have failed, those in `left_out` too."""

    product: Product
    known: GarmentRecord | None
    most: int | None
    tries: int = 0
    left_out: Mapping[int, ServiceError] = field(default_factory=dict)

    @property
    def wanted(self) -> list[str]:
        """Addresses of the images to store, the main one first."""
        most = len(self.held) or 1 if self.most is None else self.most
        return list(dict.fromkeys(self.product.images[self.tries :]))[:most]

    @property
    def addresses(self) -> list[str]:
        """Those of them that can be had, as far as is known."""
        return [url for place, url in enumerate(self.wanted) if place not in self.left_out]

    @property
    def stored(self) -> dict[str, JsonValue]:
        """The garment's metadata so far."""
        return self.known.metadata if self.known else {}

    @property
    def held(self) -> dict[str, str]:
        """The sha256 of the stored images by their addresses, in order."""
        if self.known is None:
            return {}
        addresses, sha256s = stored_addresses(self.stored), self.known.sha256s
        if len(addresses) != len(sha256s):  # images that no import has stored
            return {}
        pairs = zip(addresses, sha256s, strict=True)
        return {url: sha256 for url, sha256 in pairs if isinstance(url, str)}

    @property
    def keeps_images(self) -> bool:
        """Whether the images to store are the stored ones."""
        return self.addresses == list(self.held)

    @property
    def became(self) -> str:
        """What becomes of a garment whose images stay."""
        if self.known is None or self.known.stale:
            return "replaced"
        return "unchanged" if self.metadata() == self.stored else "updated"

    def sources(self, refetch: bool) -> list[Source]:
        """The images to store; those at hand are not fetched."""
        held = {} if refetch or self.known is None or self.known.stale else self.held
        return [
            KeptImage(held[url]) if url in held else ImageReference(url=url) for url in self.wanted
        ]

    def metadata(self) -> dict[str, JsonValue]:
        """The garment's metadata as they shall be.

        Raises:
            ValueError: see `describe`.
        """
        main, *further = self.addresses
        return describe(self.product, main, self.stored, further=further)

    def without(self, errors: Mapping[int, ServiceError]) -> dict[str, JsonValue]:
        """The metadata when further images cannot be had; see `NewGarment`."""
        self.left_out = errors
        return self.metadata()

    def find_stored(self, most: int) -> None:
        """Leave out those of the first images that had to be when the garment was stored."""
        places = range(min(most, len(self.product.images)))
        stands = (p for p in places if dataclasses.replace(self, tries=p).keeps_images)
        self.tries = next(stands, 0)

    def next_main(self) -> None:
        """The main image cannot be had: try the one behind it."""
        self.tries += 1
        self.left_out = {}

    def fault(self, code: str, message: str, column: str | None = None) -> Fault:
        """Something about the product that could not be done."""
        return Fault(self.product.number, self.product.id, column, code, message)

    def fault_of(self, error: ServiceError, place: int = 0) -> Fault:
        """Of an image, where it is at fault."""
        at_fault = isinstance(error, IMAGE_FAULTS)
        message = f"{self.wanted[place]}: {error.detail}" if at_fault else error.detail
        return self.fault(error.code, message, IMAGES if at_fault else None)
