"""Garments between their record, their columns on disk and the arrays the index takes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.catalog.store import GarmentRecord, InvalidGarment

MAX_METADATA_DEPTH = 64
"""Far from the interpreter's recursion limit, wherever the metadata are read again."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Garments as the index takes them: N ids, (N, A, D) float16, (N, A) float32, N JSON texts."""

    catalog: str
    ids: list[str]
    vectors: NDArray[np.float16]
    visible: NDArray[np.float32]
    metadata: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A garment's columns, checked."""

    vectors: NDArray[np.float16]
    norms: NDArray[np.float32]
    visible: NDArray[np.float32]
    metadata: str


def pack(garment: GarmentRecord, shape: tuple[int, int]) -> Packed:
    """Check a garment and bring its parts into the form they have on disk.

    Args:
        garment: as a caller made it.
        shape: (A, D) of the model in use.

    Raises:
        InvalidGarment: naming the part, what was received and what is allowed.
    """
    check_text("id", garment.id)
    if not isinstance(garment.metadata, dict) or _deeper(garment.metadata, MAX_METADATA_DEPTH):
        raise InvalidGarment(
            f"metadata of {garment.id!r} must be an object of at most {MAX_METADATA_DEPTH} levels"
        )
    try:
        metadata = json.dumps(garment.metadata, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as exc:
        raise InvalidGarment(f"metadata of {garment.id!r} is not JSON: {exc}") from exc
    return Packed(
        _array(garment, "vectors", "<f2", shape),
        _array(garment, "norms", "<f4", shape[:1]),
        _array(garment, "visible", "<f4", shape[:1]),
        metadata,
    )


def unpack(
    columns: Sequence[Any], shape: tuple[int, int], *, image: bytes | None, stale: bool
) -> GarmentRecord:
    """A garment from its columns; the vectors of a stale one are left behind."""
    id, metadata, vectors, norms, visible, sha256, created_at, updated_at = columns
    if stale:
        vectors, norms, visible = bytes(2 * shape[0] * shape[1]), *[bytes(4 * shape[0])] * 2
    return GarmentRecord(
        id=id,
        metadata=json.loads(metadata),
        vectors=np.frombuffer(vectors, "<f2").reshape(shape).copy(),
        norms=np.frombuffer(norms, "<f4").copy(),
        visible=np.frombuffer(visible, "<f4").copy(),
        image_sha256=sha256,
        image=image,
        updated_at=updated_at,
        created_at=created_at,
        stale=stale,
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


def _array(garment: GarmentRecord, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # too large becomes infinite, which is refused below
        array = np.ascontiguousarray(getattr(garment, name), dtype)
    if array.shape != shape:
        raise InvalidGarment(f"{name} of {garment.id!r} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidGarment(f"{name} of {garment.id!r} must be finite")
    return array
