"""The catalog's protocol, the records that cross it, and its errors.

A garment whose vectors were made by another model is *stale*: it is kept with its metadata and its
image, but its vectors never leave the store. Its record has zero vectors and nothing visible, so
that no caller can compare it with the present model's vectors by mistake.
"""

# ruff: noqa: N818  -- named for what is the matter, like the API's errors
import builtins
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.catalog.where import Where

NOT_VISIBLE_SIMILARITY = -1.0
"""What an attribute that a garment does not show counts in a score: the lowest cosine."""
MAX_FURTHER = 7
"""Images of a garment beside its main one."""


class CatalogError(Exception):
    """The catalog cannot serve; nothing is wrong with the request."""


class StoreError(CatalogError):
    """The disk or the database file refused an operation."""


class StoreLocked(CatalogError):
    """Another process has the folder open."""


class StoreClosed(CatalogError):
    """The catalog was closed before the operation began."""


class UnknownSchema(CatalogError):
    """The folder was written by a version of the program that this one does not know."""


class InvalidGarment(ValueError):
    """A garment cannot be stored as given."""


class InvalidQuery(ValueError):
    """A search cannot be carried out as given."""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """What another model makes of a garment's image.

    Attributes:
        vectors: (A, D) float16 of that model.
        norms: (A,) float32.
        visible: (A,) float32.
    """

    vectors: NDArray[np.float16]
    norms: NDArray[np.float32]
    visible: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image of a garment beside its main one.

    Attributes:
        vectors: (A, D) float16, unit length, one per attribute of the model.
        norms: (A,) float32, lengths before normalisation.
        visible: (A,) float32, probability that the attribute can be seen.
        image_sha256: of the original bytes, hexadecimal.
        image: the original bytes, as in `GarmentRecord`.
        variants: as in `GarmentRecord`.
    """

    vectors: NDArray[np.float16]
    norms: NDArray[np.float32]
    visible: NDArray[np.float32]
    image_sha256: str
    image: bytes | None = None
    variants: Mapping[str, Variant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class GarmentRecord:
    """One garment. Of a model it has vectors of all its images, or of none.

    Attributes:
        id: unique within its catalog.
        metadata: a JSON object.
        vectors: (A, D) float16, unit length, one per attribute of the model.
        norms: (A,) float32, lengths before normalisation.
        visible: (A,) float32, probability that the attribute can be seen.
        image_sha256: of the original bytes of the main image, hexadecimal.
        image: the original bytes. When writing, None keeps the bytes that the garment has stored
            of any image of this sha256; what no image needs any more is forgotten. When reading,
            filled by `stale_garments` only.
        updated_at: ISO 8601 UTC. When writing, the empty string means now.
        created_at: ISO 8601 UTC, set by the catalog.
        stale: another model made the vectors: they read as zeros, with nothing visible.
        variants: when writing, what other models make of the same image, by fingerprint; those of
            models that the store does not keep, or that some image lacks, are left behind. Empty
            when reading.
        further: images 1, 2, ..., at most `MAX_FURTHER`; the fields above are of image 0.
    """

    id: str
    metadata: dict[str, JsonValue]
    vectors: NDArray[np.float16]
    norms: NDArray[np.float32]
    visible: NDArray[np.float32]
    image_sha256: str
    image: bytes | None = None
    updated_at: str = ""
    created_at: str = ""
    stale: bool = False
    variants: Mapping[str, Variant] = field(default_factory=dict)
    further: tuple[Picture, ...] = ()

    @property
    def sha256s(self) -> tuple[str, ...]:
        """Of all images, in order."""
        return (self.image_sha256, *(one.image_sha256 for one in self.further))

    @property
    def images(self) -> tuple[bytes | None, ...]:
        """The original bytes of all images, in order."""
        return (self.image, *(one.image for one in self.further))


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What to look for.

    Attributes:
        vectors: (A', D) float32, one per attribute asked for; their direction alone counts.
        attributes: A' different indices into the model's attributes.
        weights: A' finite numbers, none negative, not all zero.
        where: condition on the metadata; None lets every garment pass.
        limit: hits wanted, at least 1.
        offset: hits to skip.
        exclude: ids to leave out, of the hits and of the total.

    Raises:
        InvalidQuery: when the parts contradict each other or the above.
    """

    vectors: NDArray[np.float32]
    attributes: tuple[int, ...]
    weights: tuple[float, ...]
    where: Where | None = None
    limit: int = 20
    offset: int = 0
    exclude: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        count = len(self.attributes)
        if count == 0 or len(set(self.attributes)) != count:
            raise InvalidQuery(f"attributes must be one or more, each once; got {self.attributes}")
        if len(self.weights) != count or self.vectors.ndim != 2 or len(self.vectors) != count:
            raise InvalidQuery(
                f"{count} attributes need {count} weights and vectors; got "
                f"{len(self.weights)} weights and vectors of shape {self.vectors.shape}"
            )
        if min(self.weights) < 0 or not 0 < sum(self.weights) < math.inf:
            raise InvalidQuery(
                f"weights must be finite, none negative, not all zero; got {self.weights}"
            )
        if not np.all(np.isfinite(self.vectors)) or not np.all(np.any(self.vectors, axis=1)):
            raise InvalidQuery("query vectors must be finite and not zero")
        if self.limit < 1 or self.offset < 0:
            raise InvalidQuery(
                f"limit must be at least 1 and offset at least 0; got {self.limit}, {self.offset}"
            )


@dataclass(frozen=True, slots=True)
class Hit:
    """One garment found, by that of its images that scores highest.

    Attributes:
        score: weighted mean of the image's similarities, -1 standing in where it does not show the
            attribute.
        similarities: cosine per attribute of the query, in its order; None where not visible.
        image: which of the garment's images it is; of several alike, the earliest.
    """

    id: str
    score: float
    similarities: tuple[float | None, ...]
    metadata: dict[str, JsonValue]
    image: int = 0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One page of hits, best first, and how many garments passed the filter in all."""

    hits: list[Hit]
    total: int


class Catalog(Protocol):
    """Garments in named catalogs. Every method may raise `CatalogError`.

    A write has reached the disk, and is seen by every later call, once its method returns.
    """

    @property
    def version(self) -> int:
        """Grows with every commit, before the write is answered.

        What was read is still true while the version is what it was before the reading.
        """
        ...

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> builtins.list[bool]:
        """Write all of the garments or none; for each, say whether it is new.

        What other models made of a garment is forgotten, unless the store keeps the model (see
        `models.Roles`) and the images stay the same, in the same order.

        Raises:
            InvalidGarment: when one of them cannot be stored; none is.
        """
        ...

    async def complete(
        self, catalog: str, garments: Sequence[GarmentRecord]
    ) -> builtins.list[bool]:
        """Add this model's vectors to garments that are there, leaving all else as it is.

        Returns:
            For each, whether it was done: not where the garment is gone or has other images.

        Raises:
            InvalidGarment: when one of them cannot be stored; none is.
        """
        ...

    async def get(self, catalog: str, id: str) -> GarmentRecord | None:
        """One garment, without its images."""
        ...

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """The garments that exist among `ids`, by id, without their images."""
        ...

    async def image(self, catalog: str, id: str, index: int = 0) -> bytes | None:
        """The original bytes of one image, from 0, if there is such a one and it was kept."""
        ...

    async def delete(self, catalog: str, id: str) -> bool:
        """Remove one garment; False when there was none."""
        ...

    async def list(
        self, catalog: str, after: str | None, limit: int
    ) -> builtins.list[GarmentRecord]:
        """Up to `limit` garments ordered by id, from the one behind `after`, without images."""
        ...

    async def catalogs(self) -> dict[str, int]:
        """Number of garments per catalog, stale ones included."""
        ...

    async def search(self, catalog: str, query: Query) -> SearchResult:
        """Exact search, ordered by falling score, then by id. Stale garments are not found.

        A garment is found by its best image, once.

        Raises:
            InvalidQuery: when the query does not fit the model's attributes or dimension.
        """
        ...

    async def stale(self) -> int:
        """How many garments were embedded by another model."""
        ...

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None = None
    ) -> builtins.list[tuple[str, GarmentRecord]]:
        """Up to `limit` stale (catalog, garment with images) ordered by catalog and id.

        Args:
            limit: at most this many.
            after: (catalog, id) of the last one seen.
        """
        ...

    async def close(self) -> None:
        """Finish the writes already asked for, then let go of everything."""
        ...
