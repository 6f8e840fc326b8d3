"""What a client sends for one garment, and the records that are made of images and embeddings."""

import copy
import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from model.encoder import ImageEmbedding
from service.catalog.store import GarmentRecord, Picture, Variant
from service.errors import ImageNotStored, ServiceError
from service.images import ImageSource


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that the garment has already: its vectors and bytes stay as they are stored."""

    sha256: str


Source = ImageSource | KeptImage
Metadata = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, eq=False)
class NewGarment:
    """What a client sends for one garment.

    Attributes:
        id: its name.
        image: the main image.
        metadata: a JSON object.
        further: the other images, in order.
        without: where given, a further image that cannot be had is left out: it is told which,
            from 1, and why, and says what the metadata then are. Otherwise the garment fails.
    """

    id: str
    image: Source
    metadata: Metadata
    further: Sequence[Source] = ()
    without: Callable[[Mapping[int, ServiceError]], Metadata] | None = None

    @property
    def images(self) -> tuple[Source, ...]:
        """All of them, the main one first."""
        return (self.image, *self.further)


def with_vectors(record: GarmentRecord, embedded: Sequence[ImageEmbedding]) -> GarmentRecord:
    """A stored garment with what a model makes of each of its images, their bytes left out."""
    own, *others = map(as_variant, embedded)
    further = (
        Picture(one.vectors, one.norms, one.visible, picture.image_sha256)
        for picture, one in zip(record.further, others, strict=True)
    )
    return dataclasses.replace(
        record,
        vectors=own.vectors,
        norms=own.norms,
        visible=own.visible,
        image=None,
        stale=False,
        further=tuple(further),
    )


def as_variant(embedded: ImageEmbedding) -> Variant:
    """What the catalog stores of an embedding."""
    return Variant(embedded.vectors.astype(np.float16), embedded.norms, embedded.visible)


def failing(garment: NewGarment, images: Sequence[object]) -> ServiceError | None:
    """Why the garment cannot be stored, if it cannot."""
    for place, error in enumerate(images):
        if not isinstance(error, ServiceError):
            continue
        if place == 0 or garment.without is None or error.retry:
            return _of_image(place, error) if garment.further and not garment.without else error
    return None


def _of_image(place: int, error: ServiceError) -> ServiceError:
    """The same error, saying which of several images it is of."""
    told = copy.copy(error)
    told.detail = f"image {place}: {error.detail}"
    return told


def unchanged(
    garment: NewGarment,
    images: Sequence[bytes | KeptImage | ServiceError],
    known: GarmentRecord | None,
) -> GarmentRecord | None:
    """The garment with its stored vectors, when they were made from these very images."""
    if known is None or known.stale or len(images) != len(known.sha256s):
        return None
    for image, sha256 in zip(images, known.sha256s, strict=True):
        if isinstance(image, ServiceError) or _sha256(image) != sha256:
            return None
    main, *others = (image if isinstance(image, bytes) else None for image in images)
    further = zip(known.further, others, strict=True)
    return dataclasses.replace(
        known,
        metadata=dict(garment.metadata),
        image=main,
        further=tuple(dataclasses.replace(one, image=image) for one, image in further),
        updated_at="",
    )


def record_of(
    garment: NewGarment,
    images: Sequence[Picture | KeptImage | ServiceError],
    known: GarmentRecord | None,
) -> GarmentRecord | ServiceError:
    """The garment as the catalog takes it, or why it cannot be stored."""
    pictures = [
        _kept(garment.id, one, known) if isinstance(one, KeptImage) else one for one in images
    ]
    if (error := failing(garment, pictures)) is not None:
        return error
    left_out = {p: one for p, one in enumerate(pictures) if isinstance(one, ServiceError)}
    metadata = garment.metadata
    if left_out and garment.without is not None:
        metadata = garment.without(left_out)
    main, *further = (one for one in pictures if isinstance(one, Picture))
    return GarmentRecord(
        id=garment.id,
        metadata=dict(metadata),
        vectors=main.vectors,
        norms=main.norms,
        visible=main.visible,
        variants=main.variants,
        image_sha256=main.image_sha256,
        image=main.image,
        further=tuple(further),
    )


def _kept(id: str, image: KeptImage, known: GarmentRecord | None) -> Picture | ServiceError:
    """An image as it is stored."""
    stored: list[GarmentRecord | Picture] = []
    if known is not None and not known.stale:
        stored = [known, *known.further]
    for one in stored:
        if one.image_sha256 == image.sha256:
            return Picture(one.vectors, one.norms, one.visible, one.image_sha256)
    return ImageNotStored(f"garment {id!r} has no image {image.sha256} any more")


def picture_of(image: bytes, embedded: ImageEmbedding, variants: Mapping[str, Variant]) -> Picture:
    """A new image, with what the model and others make of it."""
    own = as_variant(embedded)
    return Picture(own.vectors, own.norms, own.visible, _sha256(image), image, variants)


def _sha256(image: bytes | KeptImage) -> str:
    return image.sha256 if isinstance(image, KeptImage) else hashlib.sha256(image).hexdigest()
