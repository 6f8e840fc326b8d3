"""Garments between their record, their columns on disk and the arrays the index takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.catalog.store import (
    MAX_FURTHER,
    GarmentRecord,
    InvalidGarment,
    Picture,
    StoreError,
    Variant,
)

PLACE_SEPARATOR = "\x1f"
"""Stands in no id, so that a name for one of its images may hold it."""
MAX_METADATA_DEPTH = 64
"""Far from the interpreter's recursion limit, wherever the metadata are read again."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """N garments with M images in all, as a model's index takes them.

    Attributes:
        fingerprint, catalog: the model's, and where the garments are.
        ids: N of them.
        counts: N numbers of images, M together.
        vectors: (M, A, D) float16, a garment's images in order, one garment after the other.
        visible: (M, A) float32.
        metadata: N JSON texts.
    """

    fingerprint: str
    catalog: str
    ids: list[str]
    counts: list[int]
    vectors: NDArray[np.float16]
    visible: NDArray[np.float32]
    metadata: list[str]


@dataclass(frozen=True, slots=True)
class Removal:
    """Garments that an index has to forget; every model's where the fingerprint is empty."""

    fingerprint: str
    catalog: str
    ids: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A garment's columns, checked.

    Attributes:
        metadata: as JSON.
        by_model: what each model makes of its P images, by fingerprint: vectors (P, A, D), norms
            and visible (P, A).
    """

    metadata: str
    by_model: Mapping[str, Variant]


def pack(garment: GarmentRecord, fingerprint: str, shape: tuple[int, int]) -> Packed:
    """Check a garment and bring its parts into the form they have on disk.

    Args:
        garment: as a caller made it.
        fingerprint: of the model in use.
        shape: (A, D) of the model in use.

    Raises:
        InvalidGarment: naming the part, what was received and what is allowed.
    """
    check_text("id", garment.id)
    if PLACE_SEPARATOR in garment.id:
        raise InvalidGarment(f"id must not hold {PLACE_SEPARATOR!r}, got {garment.id!r}")
    if not isinstance(garment.metadata, dict) or _deeper(garment.metadata, MAX_METADATA_DEPTH):
        raise InvalidGarment(
            f"metadata of {garment.id!r} must be an object of at most {MAX_METADATA_DEPTH} levels"
        )
    try:
        metadata = json.dumps(garment.metadata, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as exc:
        raise InvalidGarment(f"metadata of {garment.id!r} is not JSON: {exc}") from exc
    if len(garment.further) > MAX_FURTHER:
        raise InvalidGarment(
            f"{garment.id!r} may have {1 + MAX_FURTHER} images, got {1 + len(garment.further)}"
        )
    if garment.further and not all(one.isalnum() for one in garment.sha256s):
        raise InvalidGarment(f"sha256 of images of {garment.id!r} must be hexadecimal")
    pictures: list[GarmentRecord | Picture] = [garment, *garment.further]
    shared = set(garment.variants).intersection(*(one.variants for one in garment.further))
    by_model = {name: _stacked(garment.id, [p.variants[name] for p in pictures]) for name in shared}
    return Packed(metadata, {**by_model, fingerprint: _stacked(garment.id, pictures, shape)})


def unpack(
    columns: Sequence[Any],
    shape: tuple[int, int],
    *,
    stale: bool,
    images: Sequence[bytes | None] = (),
) -> GarmentRecord:
    """A garment from its columns.

    Args:
        columns: id, metadata, vectors, norms and visible of its images one behind the other (they
            are not looked at where it is stale), sha256 of its images parted by spaces, created,
            updated.
        shape: (A, D) of the model.
        stale: the model has made no vectors.
        images: bytes of its images, where they are wanted.

    Raises:
        StoreError: there are vectors of more images or of fewer, or of another shape.
    """
    id, metadata, vectors, norms, visible, sha256s, created_at, updated_at = columns
    main, *others = sha256s.split(" ")
    count = 1 + len(others)
    if stale:
        size = count * shape[0]
        vectors, norms, visible = bytes(2 * size * shape[1]), *[bytes(4 * size)] * 2
    if len(vectors) != 2 * count * shape[0] * shape[1]:
        raise StoreError(
            f"vectors of {id!r} are not {shape[0]} x {shape[1]} float16 for each of {count} images"
        )
    of_images = [
        Variant(own, lengths, seen)
        for own, lengths, seen in zip(
            np.frombuffer(vectors, "<f2").reshape(count, *shape).copy(),
            np.frombuffer(norms, "<f4").reshape(count, -1).copy(),
            np.frombuffer(visible, "<f4").reshape(count, -1).copy(),
            strict=True,
        )
    ]
    kept = images or [None] * count
    return GarmentRecord(
        id=id,
        metadata=json.loads(metadata),
        vectors=of_images[0].vectors,
        norms=of_images[0].norms,
        visible=of_images[0].visible,
        image_sha256=main,
        image=kept[0],
        updated_at=updated_at,
        created_at=created_at,
        stale=stale,
        further=tuple(
            Picture(own.vectors, own.norms, own.visible, sha256, image)
            for own, sha256, image in zip(of_images[1:], others, kept[1:], strict=True)
        ),
    )


def check_text(what: str, text: str) -> None:
    """Refuse what cannot be a name on disk.

    Raises:
        InvalidGarment: the text is empty or is_text denies it.
    """
    if not text or not is_text(text):
        raise InvalidGarment(f"{what} must be text of at least one character, got {text!r}")


def is_text(text: str) -> bool:
    """False for a string with half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(one, levels - 1) for one in inner)


def _stacked(
    id: str,
    pictures: Sequence[GarmentRecord | Picture | Variant],
    shape: tuple[int, ...] | None = None,
) -> Variant:
    """What a model makes of all images; the first says the shape where none is given."""
    shape = np.shape(pictures[0].vectors) if shape is None else shape
    if len(shape) != 2:
        raise InvalidGarment(f"vectors of {id!r} must have two axes, got shape {shape}")
    return Variant(
        np.stack([_array(id, "vectors", one.vectors, "<f2", shape) for one in pictures]),
        np.stack([_array(id, "norms", one.norms, "<f4", shape[:1]) for one in pictures]),
        np.stack([_array(id, "visible", one.visible, "<f4", shape[:1]) for one in pictures]),
    )


def _array(
    id: str, name: str, given: NDArray[Any], dtype: str, shape: tuple[int, ...]
) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # too large becomes infinite, which is refused below
        array = np.ascontiguousarray(given, dtype)
    if array.shape != shape:
        raise InvalidGarment(f"{name} of {id!r} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidGarment(f"{name} of {id!r} must be finite")
    return array
