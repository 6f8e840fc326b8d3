"""Garments between their record and the bytes that lie in Redis.

A garment's vectors are one string, cut into one block per attribute: D float16, the norm and the
visibility as float32, little endian. Those of its images lie one behind the other. A script cuts
out the attributes that a search asks for.
"""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.catalog.rows import unpack
from service.catalog.store import GarmentRecord, StoreError, Variant

LENGTH = struct.Struct("<I")
LENGTHS = struct.Struct("<III")


def block_type(dimension: int) -> np.dtype[Any]:
    """One attribute of one garment."""
    return np.dtype([("vector", "<f2", dimension), ("norm", "<f4"), ("visible", "<f4")])


def as_bytes(variant: Variant) -> bytes:
    """All attributes of a garment's P images: (P, A, D), (P, A), (P, A)."""
    blocks = np.empty(variant.norms.shape, block_type(variant.vectors.shape[-1]))
    blocks["vector"], blocks["norm"], blocks["visible"] = (
        variant.vectors,
        variant.norms,
        variant.visible,
    )
    return blocks.tobytes()


def as_record(row: Sequence[Any], shape: tuple[int, int]) -> GarmentRecord:
    """A garment from its parts: id, metadata, sha256s, created, updated, vectors, images.

    Raises:
        StoreError: the vectors have another shape than the model's, or are of other images.
    """
    id, metadata, sha256s, created, updated = ((part or b"").decode() for part in row[:5])
    vectors, images = row[5:]
    arrays: Sequence[bytes] = (b"", b"", b"")
    kind = block_type(shape[1])
    if vectors is not None:
        if len(vectors) % kind.itemsize:
            raise StoreError(f"vectors of {id!r} are not {shape[0]} x {shape[1]} float16")
        blocks = np.frombuffer(vectors, kind)
        arrays = [blocks[name].tobytes() for name in ("vector", "norm", "visible")]
    columns = (id, metadata, *arrays, sha256s, created, updated)
    return unpack(columns, shape, stale=vectors is None, images=images)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """N garments with M images in all, as a search reads them.

    Attributes:
        ids: N ids.
        metadata: N JSON texts.
        counts: N numbers of images, M together; none has any where no attribute is asked for.
        vectors: (M, A', D) float16 of the attributes asked for, a garment's images in order.
        visible: (M, A') float32.
    """

    ids: list[str]
    metadata: list[str]
    counts: list[int]
    vectors: NDArray[np.float16]
    visible: NDArray[np.float32]

    @classmethod
    def read(cls, data: bytes, attributes: int, dimension: int) -> "ScoredRows":
        """Rows as the scripts pack them.

        Raises:
            StoreError: they hold other vectors than the model's.
        """
        kind = block_type(dimension)
        size = attributes * kind.itemsize
        ids, metadata, counts, blocks, at = [], [], [], [], 0
        try:
            while at < len(data):
                named, described, count = LENGTHS.unpack_from(data, at)
                start = at + LENGTHS.size
                middle, end = start + named, start + named + described
                at = end + count * size
                ids.append(data[start:middle].decode())
                metadata.append(data[middle:end].decode())
                counts.append(count)
                blocks.append(data[end:at])
        except (struct.error, UnicodeDecodeError):
            at = -1  # one before it was cut short
        if at != len(data):
            raise StoreError(f"vectors are not {dimension} float16 per attribute")
        array = np.frombuffer(b"".join(blocks), kind).reshape(sum(counts), attributes)
        return cls(ids, metadata, counts, array["vector"], array["visible"])

    @classmethod
    def joined(cls, parts: "Sequence[ScoredRows]") -> "ScoredRows":
        """All rows of several readings; at least one."""
        return cls(
            [id for part in parts for id in part.ids],
            [text for part in parts for text in part.metadata],
            [count for part in parts for count in part.counts],
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.visible for part in parts]),
        )

    @property
    def starts(self) -> list[int]:
        """N places in `vectors` where the garments' images begin."""
        return list(itertools.accumulate(self.counts, initial=0))[:-1]


def texts(data: bytes) -> Iterator[str]:
    """Texts that a script packed one behind the other."""
    at = 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        start = at + LENGTH.size
        at = start + length
        yield data[start:at].decode()
