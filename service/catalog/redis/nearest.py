"""Vector sets: what they hold, how they are written and asked.

A garment has an entry for each of its images: its id for the main one, and for the others the id,
a separator and the place. A set per attribute holds the images that show it; one set holds all
images with all attributes one behind the other, so that a weighted search is one question to it.
Every attribute has places of its own for "not visible", which the question counts as -1, and one
for a vector of zeros; so all entries are equally long and the cosine puts them in the order of the
score.

The sets are asked with TRUTH: Redis compares the question with every entry, in a thread of its
own. Walking the graph instead finds less the less the attributes depend on each other, and the
graph of good links that it needs costs ten times as long to write; see docs/redis.md.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.similarity import VISIBLE_THRESHOLD
from service.catalog.redis.keys import Part
from service.catalog.rows import PLACE_SEPARATOR
from service.catalog.store import MAX_FURTHER, Query
from service.redis_server import Server

HIDDEN_PLACES = 8
"""One place would have to hold a 1 beside a vector's eighths, and Q8 has one scale for all."""
FLAT = ("Q8", "EF", 1, "M", 4)
"""The least that VADD does for links that nobody follows."""

Floats = NDArray[np.float32]


class VectorSets:
    """The vector sets of one model."""

    def __init__(self, server: Server, shape: tuple[int, int], fingerprint: str) -> None:
        self._server = server
        self._attributes, self._dimension = shape
        self._fingerprint = fingerprint

    def additions(
        self,
        part: Part,
        catalog: str,
        id: str,
        vectors: NDArray[np.float16],
        visible: Floats,
        *,
        several: bool,
    ) -> list[tuple[Any, ...]]:
        """Commands that make the sets know a garment as it is.

        Args:
            part: where it belongs.
            catalog: where it is.
            id: which one.
            vectors: (P, A, D) float16 of its images.
            visible: (P, A) float32.
            several: it may have had more images than now.
        """
        commands = [
            command
            for place, (own, seen) in enumerate(zip(vectors, visible, strict=True))
            for command in self._addition(part, catalog, _entry(id, place), own, seen)
        ]
        return commands + self._removals(part, catalog, id, len(vectors)) * several

    def removals(
        self, part: Part, catalog: str, id: str, *, several: bool
    ) -> list[tuple[Any, ...]]:
        """Commands that make the sets forget a garment; `several` as in `additions`."""
        removals = self._removals(part, catalog, id, 0)
        return removals if several else removals[: 1 + self._attributes]

    async def nearest(
        self, part: Part, catalog: str, query: Query, count: int
    ) -> tuple[dict[str, float], int]:
        """Of so many nearest images, the garments' ids with the scores of their best.

        Best first, both about right. Images that do not show the only attribute asked for are not
        among them.

        Returns:
            Also how many images there were: fewer than `count` when there are no more.
        """
        if len(query.attributes) == 1:
            key, asked, scale = self._single(part, catalog, query)
        else:
            key, asked, scale = self._weighted(part, catalog, query)
        command = ("VSIM", key, "FP32", asked.tobytes(), "WITHSCORES", "COUNT", count, "TRUTH")
        answer = await self._server.run(*command)
        near: dict[str, float] = {}
        for entry, half in zip(answer[::2], answer[1::2], strict=True):
            # Redis says (1 + cosine) / 2.
            near.setdefault(_garment_of(entry), scale * (2 * float(half) - 1))
        return near, len(answer) // 2

    def _addition(
        self, part: Part, catalog: str, entry: str, vectors: NDArray[np.float16], visible: Floats
    ) -> list[tuple[Any, ...]]:
        """Commands for one image: (A, D) float16, (A,) float32."""
        seen = visible >= VISIBLE_THRESHOLD
        places = self._places(vectors, seen)
        commands: list[tuple[Any, ...]] = [
            ("VADD", self._key(part, catalog, None), "FP32", places.tobytes(), entry, *FLAT)
        ]
        for attribute in range(self._attributes):
            key = self._key(part, catalog, attribute)
            if seen[attribute]:
                single = places[attribute, : self._dimension + 1]
                commands.append(("VADD", key, "FP32", single.tobytes(), entry, *FLAT))
            else:
                commands.append(("VREM", key, entry))
        return commands

    def _removals(self, part: Part, catalog: str, id: str, first: int) -> list[tuple[Any, ...]]:
        """Commands that take out the images from the `first` on."""
        keys = [self._key(part, catalog, one) for one in (None, *range(self._attributes))]
        entries = [_entry(id, place) for place in range(first, MAX_FURTHER + 1)]
        return [("VREM", key, entry) for entry in entries for key in keys]

    def _single(self, part: Part, catalog: str, query: Query) -> tuple[str, Floats, float]:
        asked = np.zeros(self._dimension + 1, np.float32)
        asked[: self._dimension] = _unit(query.vectors)[0]
        return self._key(part, catalog, query.attributes[0]), asked, 1.0

    def _weighted(self, part: Part, catalog: str, query: Query) -> tuple[str, Floats, float]:
        asked = np.zeros((self._attributes, self._width), np.float32)
        shares = _shares(query.weights)
        for attribute, direction, share in zip(
            query.attributes, _unit(query.vectors), shares, strict=True
        ):
            asked[attribute, : self._dimension] = share * direction
            asked[attribute, self._dimension + 1 :] = -share / math.sqrt(HIDDEN_PLACES)
        scale = math.sqrt(self._attributes) * float(np.linalg.norm(asked))
        return self._key(part, catalog, None), asked, scale

    @property
    def _width(self) -> int:
        return self._dimension + 1 + HIDDEN_PLACES

    def _places(self, vectors: NDArray[np.float16], seen: NDArray[np.bool_]) -> Floats:
        """(A, width): the direction, 1 where there is none, and where it is hidden."""
        places = np.zeros((self._attributes, self._width), np.float32)
        places[:, : self._dimension] = _unit(vectors.astype(np.float32))
        places[:, self._dimension] = ~vectors.any(axis=1)
        places[~seen] = 0
        places[~seen, self._dimension + 1 :] = 1 / math.sqrt(HIDDEN_PLACES)
        return places

    def _key(self, part: Part, catalog: str, attribute: int | None) -> str:
        return part.near(self._fingerprint, catalog, attribute)


def _entry(id: str, place: int) -> str:
    return f"{id}{PLACE_SEPARATOR}{place}" if place else id


def _garment_of(entry: bytes) -> str:
    return entry.decode().partition(PLACE_SEPARATOR)[0]


def _shares(weights: Sequence[float]) -> list[float]:
    # By the largest first: the sum of two huge weights may be infinite.
    largest = max(weights)
    total = sum(weight / largest for weight in weights)
    return [weight / largest / total for weight in weights]


def _unit(vectors: NDArray[np.float32]) -> Floats:
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    unit: Floats = (wide / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit
