"""Garments between their record and the bytes that lie in Redis.

A garment's vectors are one string, cut into one block per attribute: D float16, the norm and the
visibility as float32, little endian. A script cuts out the attributes that a search asks for.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.catalog.rows import Packed, unpack
from service.catalog.store import GarmentRecord, StoreError

LENGTH = struct.Struct("<I")
LENGTHS = struct.Struct("<II")


def block_type(dimension: int) -> np.dtype[Any]:
    """One attribute of one garment."""
    return np.dtype([("vector", "<f2", dimension), ("norm", "<f4"), ("visible", "<f4")])


def as_bytes(packed: Packed) -> bytes:
    """All attributes of one garment."""
    blocks = np.empty(len(packed.norms), block_type(packed.vectors.shape[1]))
    blocks["vector"], blocks["norm"], blocks["visible"] = (
        packed.vectors,
        packed.norms,
        packed.visible,
    )
    return blocks.tobytes()


def as_record(row: Sequence[bytes | None], shape: tuple[int, int]) -> GarmentRecord:
    """A garment from its parts: id, metadata, sha256, created, updated, vectors, image.

    Raises:
        StoreError: the vectors have another shape than the model's.
    """
    id, metadata, sha256, created, updated = ((part or b"").decode() for part in row[:5])
    vectors, image = row[5:]
    arrays: Sequence[bytes] = (b"", b"", b"")
    if vectors is not None:
        if len(vectors) != shape[0] * block_type(shape[1]).itemsize:
            raise StoreError(f"vectors of {id!r} are not {shape[0]} x {shape[1]} float16")
        blocks = np.frombuffer(vectors, block_type(shape[1]))
        arrays = [blocks[name].tobytes() for name in ("vector", "norm", "visible")]
    columns = (id, metadata, *arrays, sha256, created, updated)
    return unpack(columns, shape, image=image, stale=vectors is None)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """N garments as a search reads them.

    Attributes:
        ids: N ids.
        metadata: N JSON texts.
        vectors: (N, A', D) float16 of the attributes asked for.
        visible: (N, A') float32.
    """

    ids: list[str]
    metadata: list[str]
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
        ids, metadata, blocks, at = [], [], [], 0
        while at < len(data):
            named, described = LENGTHS.unpack_from(data, at)
            start = at + LENGTHS.size
            middle, end = start + named, start + named + described
            ids.append(data[start:middle].decode())
            metadata.append(data[middle:end].decode())
            blocks.append(data[end : end + size])
            at = end + size
        if at != len(data):
            raise StoreError(f"vectors are not {dimension} float16 per attribute")
        array = np.frombuffer(b"".join(blocks), kind).reshape(len(ids), attributes)
        return cls(ids, metadata, array["vector"], array["visible"])

    @classmethod
    def joined(cls, parts: "Sequence[ScoredRows]") -> "ScoredRows":
        """All rows of several readings; at least one."""
        return cls(
            [id for part in parts for id in part.ids],
            [text for part in parts for text in part.metadata],
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.visible for part in parts]),
        )


def texts(data: bytes) -> Iterator[str]:
    """Texts that a script packed one behind the other."""
    at = 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        start = at + LENGTH.size
        at = start + length
        yield data[start:at].decode()
