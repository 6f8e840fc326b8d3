"""Exact weighted search over all garments of one catalog, in memory.

A garment's images have a row each; it is found by the best of them.

A first pass in float32 finds every row that could belong to the answer; those few are scored again
in float64, each row by itself. BLAS may round the same vector differently in different rows, so
without the second pass equal garments would not tie, and the order would change with the slots.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.similarity import VISIBLE_THRESHOLD
from service.catalog.columns import Columns, FreshColumns
from service.catalog.store import NOT_VISIBLE_SIMILARITY, Hit, InvalidQuery, Query, SearchResult
from service.catalog.where import Where

FIRST_CAPACITY = 256
SELECTIVE = 8
"""A filter that leaves fewer than one row in so many is applied before the scan."""
EXACT_ROWS = 8192
"""Rows scored in float64 at a time: 4 MiB at D = 64."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]
Real = TypeVar("Real", bound=np.floating[Any])
Entry = TypeVar("Entry", bound=np.generic)


class ScanIndex:
    """The garments of one catalog, each image in a slot that is used again after a deletion.

    `search` may run in several threads at once; `put`, `delete` and `install` must run alone.
    `reserve` may run beside searches, since the arrays it brings hold the same rows as those it
    replaces; `build` may run beside everything.
    """

    def __init__(self, attributes: int, dimension: int) -> None:
        """Hold vectors of shape (attributes, dimension)."""
        self._vectors = [np.empty((0, dimension), np.float32) for _ in range(attributes)]
        self._visible = np.empty((attributes, 0), np.bool_)
        self._live = np.empty(0, np.bool_)
        self._places = np.empty(0, np.int8)
        self._ids: list[str] = []
        self._metadata: list[str] = []
        self._slot_of: dict[str, int] = {}
        self._further_of: dict[str, list[int]] = {}
        self._most = 1
        self._free: list[int] = []
        self._columns = Columns(self._metadata)

    def __len__(self) -> int:
        return len(self._slot_of)

    @property
    def capacity(self) -> int:
        """Images there is memory for."""
        return len(self._live)

    def put(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float16],
        visible: Floats,
        metadata: Sequence[str],
        counts: Sequence[int] | None = None,
    ) -> None:
        """Add garments or replace those of the same id.

        Args:
            ids: N different ones.
            vectors: (M, A, D) float16, a garment's images in order, one garment after the other;
                kept at unit length, undoing what rounding did to it.
            visible: (M, A) float32, probabilities.
            metadata: N JSON objects, as text.
            counts: N numbers of images, M together; one each when left out.
        """
        counts = [1] * len(ids) if counts is None else counts
        self.reserve(len(vectors))
        slots: list[int] = []
        places: list[int] = []
        for id, text, count in zip(ids, metadata, counts, strict=True):
            own = self._slots(id, count)
            for slot in own:
                self._metadata[slot] = text
            slots += own
            places += range(count)
        self._most = max(self._most, *counts, 1)
        unit = _unit(vectors.astype(np.float32))
        self._visible[:, slots] = (visible >= VISIBLE_THRESHOLD).T
        for attribute, matrix in enumerate(self._vectors):
            matrix[slots] = unit[:, attribute]
        self._places[slots] = places
        self._live[slots] = True
        self._columns.put(slots)

    def delete(self, id: str) -> None:
        """Forget a garment; nothing happens when it is not there."""
        slot = self._slot_of.pop(id, None)
        if slot is not None:
            self._give_back([slot, *self._further_of.pop(id, [])])

    def reserve(self, extra: int) -> None:
        """Make room for `extra` new images, at least doubling when there is none.

        Raises:
            MemoryError: leaving everything as it was.
        """
        used, capacity = len(self._ids), len(self._live)
        wanted = used + max(0, extra - len(self._free))
        if wanted <= capacity:
            return
        capacity = max(wanted, 2 * capacity, FIRST_CAPACITY)
        vectors = [_grown(matrix, (capacity, matrix.shape[1]), used) for matrix in self._vectors]
        visible = np.zeros((len(vectors), capacity), np.bool_)
        visible[:, :used] = self._visible[:, :used]
        live = _grown(self._live, (capacity,), used)
        places = _grown(self._places, (capacity,), used)
        self._vectors, self._visible, self._live, self._places = vectors, visible, live, places

    def build(self, where: Where, install: Callable[[FreshColumns], None]) -> None:
        """Read the fields that no filter asked for before; `install` is to call ours, alone."""
        self._columns.build(where, install)

    def install(self, fresh: FreshColumns) -> None:
        """Take over what `build` read."""
        self._columns.install(fresh)

    def search(self, query: Query) -> SearchResult:
        """Find the best garments; see `Catalog.search`.

        Raises:
            InvalidQuery: when an attribute or the dimension is not the index's.
        """
        self._check(query)
        rows = self._passing(query)
        directions = _unit(query.vectors.astype(np.float64))
        best = self._candidates(rows, directions, query)
        similarities, visible = self._exact(best, directions, query)
        scores = _weighted(np.where(visible, similarities, NOT_VISIBLE_SIMILARITY), query.weights)
        hits = [
            Hit(
                id=self._ids[best[i]],
                score=float(scores[i]),
                similarities=tuple(
                    float(similarity) if seen else None
                    for similarity, seen in zip(similarities[:, i], visible[:, i], strict=True)
                ),
                metadata=json.loads(self._metadata[best[i]]),
                image=int(self._places[best[i]]),
            )
            for i in self._in_order(best, scores)[query.offset : query.offset + query.limit]
        ]
        return SearchResult(hits, total=self._garments(rows))

    def _in_order(self, rows: Rows, scores: Doubles) -> list[int]:
        """Places in `rows` by falling score, then id; of each garment its best image alone."""
        order = sorted(
            range(len(rows)),
            key=lambda i: (-scores[i], self._ids[rows[i]], self._places[rows[i]]),
        )
        if self._most == 1:
            return order
        first: dict[str, int] = {}
        for i in order:
            first.setdefault(self._ids[rows[i]], i)
        return list(first.values())

    def _garments(self, rows: Rows) -> int:
        """How many garments these are, all of whose images are among them."""
        return len(rows) if self._most == 1 else int(np.count_nonzero(self._places[rows] == 0))

    def _slots(self, id: str, count: int) -> list[int]:
        """As many slots as the garment has images, those that it had first."""
        held = [self._slot_of[id], *self._further_of.pop(id, [])] if id in self._slot_of else []
        slots = [*held[:count], *(self._new_slot(id) for _ in range(count - len(held)))]
        self._give_back(held[count:])
        self._slot_of[id] = slots[0]
        if count > 1:
            self._further_of[id] = slots[1:]
        return slots

    def _new_slot(self, id: str) -> int:
        if self._free:
            slot = self._free.pop()
            self._ids[slot] = id
            return slot
        self._ids.append(id)
        self._metadata.append("")
        return len(self._ids) - 1

    def _give_back(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self._live[slot] = False
            self._ids[slot] = self._metadata[slot] = ""
            self._free.append(slot)

    def _check(self, query: Query) -> None:
        count, dimension = len(self._vectors), self._vectors[0].shape[1]
        if not all(0 <= attribute < count for attribute in query.attributes):
            raise InvalidQuery(f"attributes must be 0..{count - 1}, got {query.attributes}")
        if query.vectors.shape[1] != dimension:
            raise InvalidQuery(
                f"vectors must have {dimension} dimensions, got {query.vectors.shape[1]}"
            )

    def _passing(self, query: Query) -> Rows:
        mask = self._live[: len(self._ids)]
        if query.where is not None:
            mask = mask & self._columns.mask(query.where)
        excluded = [self._slot_of[id] for id in query.exclude if id in self._slot_of]
        excluded += [slot for id in query.exclude for slot in self._further_of.get(id, ())]
        if excluded:
            mask = mask.copy()
            mask[excluded] = False
        return np.flatnonzero(mask)

    def _candidates(self, rows: Rows, directions: Doubles, query: Query) -> Rows:
        """The rows among which the best images of the first offset + limit garments surely are."""
        # So many images are of at least offset + limit garments, each as good as the last of them.
        wanted = (query.offset + query.limit) * self._most
        if len(rows) <= wanted:
            return rows
        few = len(rows) * SELECTIVE < len(self._ids)
        taken: Rows | slice = rows if few else slice(len(self._ids))
        similarities = np.empty((len(query.attributes), len(rows)), np.float32)
        for i, attribute in enumerate(query.attributes):
            direction = directions[i].astype(np.float32)
            cosine = self._vectors[attribute][taken] @ direction
            cosine = np.where(
                self._visible[attribute][taken], cosine, np.float32(NOT_VISIBLE_SIMILARITY)
            )
            similarities[i] = cosine if few else cosine[rows]
        scores = _weighted(similarities, query.weights)
        last = np.partition(scores, len(rows) - wanted)[len(rows) - wanted]
        # A float32 dot product of unit vectors is off by less than D roundings; 8 more cover
        # normalising both and taking the mean, and twice that separates two scores surely.
        margin = 2 * (directions.shape[1] + 8) * float(np.finfo(np.float32).eps)
        near: Rows = rows[scores >= last - margin]
        return near

    def _exact(
        self, rows: Rows, directions: Doubles, query: Query
    ) -> tuple[Doubles, NDArray[np.bool_]]:
        """Cosines (A', rows) that depend on nothing but the two vectors, and what is visible."""
        similarities = np.empty((len(query.attributes), len(rows)))
        for i, attribute in enumerate(query.attributes):
            for start in range(0, len(rows), EXACT_ROWS):
                chunk = slice(start, start + EXACT_ROWS)
                unit = self._vectors[attribute][rows[chunk]].astype(np.float64)
                similarities[i, chunk] = (unit * directions[i]).sum(axis=-1)
        np.clip(similarities, -1.0, 1.0, out=similarities)
        return similarities, self._visible[np.array(query.attributes)[:, None], rows]


def _weighted(similarities: NDArray[np.floating[Any]], weights: Sequence[float]) -> Doubles:
    """(A', rows) -> (rows,): sum(w * s) / sum(w), added up in the attributes' order."""
    largest = max(weights)
    shares = [weight / largest for weight in weights]
    total = np.zeros(similarities.shape[1])
    for share, row in zip(shares, similarities, strict=True):
        total += share * row.astype(np.float64)
    return total / sum(shares)


def _unit(vectors: NDArray[Real]) -> NDArray[Real]:
    """The same directions with length 1, a row of zeros left as it is."""
    lengths = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    lengths[lengths == 0] = 1
    unit: NDArray[Real] = np.divide(vectors, lengths, dtype=vectors.dtype)
    return unit


def _grown(array: NDArray[Entry], shape: tuple[int, ...], used: int) -> NDArray[Entry]:
    grown = np.zeros(shape, array.dtype)
    grown[:used] = array[:used]
    return grown
