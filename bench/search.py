"""Search latency beside a plain numpy scan of the same vectors.

The garments are random unit vectors, which is the hard case for an approximate index and all the
same to an exact one. The baseline does the least that gives the same answer: a float32 product per
attribute, the passing rows known beforehand where there is a filter, a partition, a short sort.
"""

import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.report import Report
from bench.timing import Progress, Spread, interleaved, milliseconds
from model.encoder import SHIPPED_MODEL, Encoder
from service.catalog.scan import ScanIndex
from service.catalog.store import Query
from service.catalog.where import Where, parse_where

SIZES = (10_000, 100_000, 1_000_000)
ATTRIBUTE_COUNTS = (1, 3)
LIMIT = 20
BRANDS = 10
BRAND = 3
CHUNK = 5_000

Floats = NDArray[np.float32]


def measure(progress: Progress, *, quick: bool, sizes: Sequence[int] = ()) -> Report:
    """Time the index against numpy, one size after the other."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for size in sizes or (SIZES[:1] if quick else SIZES):
        collection = _Collection(size, progress)
        first_ms = collection.first_filter_ms()
        for count in ATTRIBUTE_COUNTS:
            for where in (None, collection.where):
                compared = collection.compare(count, where, quick, progress)
                rows.append((f"{size:,}", str(count), "10 %" if where else "none", *compared))
        notes.append(
            f"{size:,} garments: the first filter on a field took {first_ms:,.0f} ms, "
            "once in the life of the process"
        )
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    notes.append(
        f"peak memory of the process up to here, index and baseline together: {peak_gib:.1f} GiB"
    )
    return Report(
        name="search",
        title="Search",
        method=f"Milliseconds for the best {LIMIT} of N garments, weighted over one or three "
        "attributes, with and without a filter that one garment in ten passes; beside it, in turn, "
        "a plain numpy scan. Ratio: time of the index over time of numpy, pair by pair.",
        columns=(
            "garments",
            "attributes",
            "filter",
            "p50 ms",
            "p95 ms",
            "numpy p50 ms",
            "numpy p95 ms",
            "ratio",
        ),
        rows=rows,
        notes=notes,
    )


@dataclass(frozen=True)
class _Request:
    query: Query
    passing: NDArray[np.intp] | None


class _Collection:
    """An index of so many garments, and the baseline's own copy of what it needs of them."""

    def __init__(self, size: int, progress: Progress) -> None:
        card = Encoder.load(SHIPPED_MODEL).card
        self._shape = (len(card.attributes), card.embedding_dimension)
        self._index = ScanIndex(*self._shape)
        self._index.reserve(size)
        scanned = max(ATTRIBUTE_COUNTS)
        self._matrices = np.empty((scanned, size, self._shape[1]), np.float32)
        self._rng = np.random.default_rng(size)
        for start, vectors in self._vectors(size):
            progress(f"{size:,} garments, inserting {start:,}")
            end = start + len(vectors)
            self._matrices[:, start:end] = vectors[:, :scanned].transpose(1, 0, 2)
            self._index.put(
                [_id(number) for number in range(start, end)],
                vectors,
                np.ones(vectors.shape[:2], np.float32),
                [_metadata(number) for number in range(start, end)],
            )
        self._passing = np.arange(BRAND, size, BRANDS)
        self.where = parse_where({"brand": f"brand-{BRAND}"})

    def first_filter_ms(self) -> float:
        """The filter's first use, which reads every garment's metadata."""
        request = self._request(1, self.where)
        return milliseconds(lambda: self._index.search(request.query))

    def compare(
        self, count: int, where: Where | None, quick: bool, progress: Progress
    ) -> tuple[str, ...]:
        """Percentiles of both, and the ratio, as text."""
        size = len(self._index)
        rounds_wanted = 5 if quick else int(np.clip(40_000_000 // size, 40, 400))
        requests = iter([self._request(count, where) for _ in range(2 * (rounds_wanted + 1))])
        self._check(self._request(count, where))
        rounds = interleaved(
            {
                "index": lambda: milliseconds(self._asked(next(requests))),
                "numpy": lambda: milliseconds(self._scanned(next(requests))),
            },
            rounds_wanted,
            lambda what: progress(f"{size:,} garments, {count} attributes, {what}"),
        )
        figures = [
            f"{rounds.percentile(name, percent):.2f}"
            for name in ("index", "numpy")
            for percent in (50, 95)
        ]
        ratio: Spread = rounds.ratio("index", "numpy")
        return (*figures, str(ratio))

    def _vectors(self, size: int) -> Iterator[tuple[int, NDArray[np.float16]]]:
        for start in range(0, size, CHUNK):
            count = min(CHUNK, size - start)
            vectors = self._rng.standard_normal((count, *self._shape), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
            yield start, vectors.astype(np.float16)

    def _request(self, count: int, where: Where | None) -> _Request:
        vectors = self._rng.standard_normal((count, self._shape[1]), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        weights = tuple(1.0 / (place + 1) for place in range(count))
        query = Query(vectors, tuple(range(count)), weights, where, limit=LIMIT)
        return _Request(query, None if where is None else self._passing)

    def _asked(self, request: _Request) -> Callable[[], object]:
        return lambda: self._index.search(request.query)

    def _scanned(self, request: _Request) -> Callable[[], object]:
        return lambda: self._scan(request)

    def _scan(self, request: _Request) -> tuple[NDArray[np.intp], Floats]:
        """Rows and scores of the best, best first."""
        query = request.query
        shares = np.array(query.weights, np.float32) / np.float32(sum(query.weights))
        scores = np.zeros(self._matrices.shape[1], np.float32)
        for attribute, vector, share in zip(query.attributes, query.vectors, shares, strict=True):
            scores += self._matrices[attribute] @ (share * vector)
        rows = request.passing
        if rows is not None:
            scores = scores[rows]
        best = np.argpartition(scores, len(scores) - LIMIT)[len(scores) - LIMIT :]
        best = best[np.argsort(-scores[best])]
        return best if rows is None else rows[best], scores[best]

    def _check(self, request: _Request) -> None:
        """A figure for a wrong answer would be worth nothing."""
        found = self._index.search(request.query).hits
        rows, scores = self._scan(request)
        # float16 in the index's door and float32 here differ by rounding alone.
        if not np.allclose([hit.score for hit in found], scores, atol=1e-3):
            raise RuntimeError("index and numpy disagree on the best scores")
        if found[0].id != _id(int(rows[0])) and scores[0] - scores[1] > 1e-3:
            raise RuntimeError("index and numpy disagree on the best garment")


def _id(number: int) -> str:
    return f"garment-{number:07d}"


def _metadata(number: int) -> str:
    return f'{{"brand":"brand-{number % BRANDS}","price":{number % 200},"in_stock":true}}'
