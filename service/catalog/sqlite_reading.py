"""Garments read back from SQLite: by id, page by page, those without vectors, and all for an index.

Which images a garment has is read in the same statement as its vectors: a commit may come between
two.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from service.catalog.connections import Connections
from service.catalog.models import Model
from service.catalog.rows import Rows, is_text, unpack
from service.catalog.sqlite_models import STALE
from service.catalog.store import GarmentRecord, StoreError

LOAD_ROWS = 8192
"""Garments read at a time when opening."""
IDS_PER_STATEMENT = 500

COLUMNS = (
    "id, metadata, vectors, norms, visible, garments.image_sha256, created_at, updated_at, "
    "(SELECT group_concat(place || further.image_sha256, ' ') FROM further "
    "WHERE further.number = garments.number)"
)
"""The last is of the images beside the main one, each behind its place, in any order."""
OF_MODEL = (
    "garments LEFT JOIN vectors ON vectors.number = garments.number AND vectors.fingerprint = ?"
)
"""Every garment, with nothing in place of the vectors where the model has made none."""

IndexRow = tuple[str, bytes, bytes, str]
"""Id, vectors, visible, metadata."""


class Reading:
    """Reads in any thread what was committed before it began."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._read = connections.read

    def get_many(self, model: Model, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """Those of the garments that exist, by id, without images."""
        found: dict[str, GarmentRecord] = {}
        possible = [id for id in ids if is_text(id)]
        for start in range(0, len(possible), IDS_PER_STATEMENT):
            part = possible[start : start + IDS_PER_STATEMENT]
            for row in self._read(
                f"SELECT {COLUMNS} FROM {OF_MODEL} WHERE catalog = ? AND id IN ({marks(part)})",
                (model.fingerprint, catalog, *part),
            ):
                found[row[0]] = _record(model, row)
        return found

    def image(self, catalog: str, id: str, index: int) -> bytes | None:
        """The original bytes of one image, if they were kept."""
        rows = self._read(
            "SELECT bytes FROM garments JOIN images USING (number) WHERE catalog = ? AND id = ?"
            if index == 0
            else "SELECT bytes FROM garments JOIN further USING (number) "
            "WHERE catalog = ? AND id = ? AND place = ?",
            (catalog, id, index)[: 2 if index == 0 else 3],
        )
        return rows[0][0] if rows else None

    def page(
        self, model: Model, catalog: str, after: str | None, limit: int
    ) -> list[GarmentRecord]:
        """Up to `limit` garments behind `after`, ordered by id, without images."""
        rows = self._read(
            f"SELECT {COLUMNS} FROM {OF_MODEL} WHERE catalog = ? AND id > ? ORDER BY id LIMIT ?",
            (model.fingerprint, catalog, after or "", limit),
        )
        return [_record(model, row) for row in rows]

    def catalogs(self) -> dict[str, int]:
        """Garments per catalog."""
        return dict(self._read("SELECT catalog, count(*) FROM garments GROUP BY catalog"))

    def stale(self, model: Model) -> int:
        """Garments without vectors of the model."""
        ((count,),) = self._read(STALE, (model.fingerprint,))
        return int(count)

    def stale_garments(
        self, model: Model, limit: int, after: tuple[str, str] | None
    ) -> list[tuple[str, GarmentRecord]]:
        """Up to `limit` stale (catalog, garment with images) behind `after`, in that order."""
        with self._connections.snapshot():
            rows = self._read(
                f"SELECT {COLUMNS}, bytes, catalog, garments.number FROM {OF_MODEL} "
                "LEFT JOIN images ON images.number = garments.number WHERE vectors.number IS NULL "
                "AND (catalog, id) > (?, ?) ORDER BY catalog, id LIMIT ?",
                (model.fingerprint, *(after or ("", "")), limit),
            )
            return [
                (row[-2], _record(model, row[:-3], [row[-3], *self._further_bytes(row[-1])]))
                for row in rows
            ]

    def indexed(self, model: Model) -> dict[str, int]:
        """Images of a model's garments per catalog."""
        attributes, dimension = model.shape
        return dict(
            self._read(
                "SELECT catalog, sum(length(vectors)) / ? FROM garments JOIN vectors USING "
                "(number) WHERE fingerprint = ? GROUP BY catalog",
                (2 * attributes * dimension, model.fingerprint),
            )
        )

    def load(self, model: Model) -> Iterator[Rows]:
        """Every garment of a model, many at a time, in the order of the file.

        Raises:
            StoreError: a garment's vectors have another shape than the model's.
        """
        with self._connections.guarded():
            cursor = self._connections.reader().execute(
                "SELECT catalog, id, vectors, visible, metadata FROM garments "
                "JOIN vectors USING (number) WHERE fingerprint = ? ORDER BY number",
                (model.fingerprint,),
            )
            while chunk := cursor.fetchmany(LOAD_ROWS):
                by_catalog: dict[str, list[IndexRow]] = {}
                for catalog, *row in chunk:
                    by_catalog.setdefault(catalog, []).append(tuple(row))
                for catalog, rows in by_catalog.items():
                    yield loaded(model, catalog, rows)

    def _further_bytes(self, number: int) -> list[bytes | None]:
        rows = self._read("SELECT bytes FROM further WHERE number = ? ORDER BY place", (number,))
        return [data for (data,) in rows]


def loaded(model: Model, catalog: str, rows: Sequence[IndexRow]) -> Rows:
    """Garments as an index takes them.

    Raises:
        StoreError: the vectors of one have another shape than the model's.
    """
    attributes, dimension = model.shape
    size = 2 * attributes * dimension
    ids, vectors, visible, metadata = zip(*rows, strict=True)
    if any(not blob or len(blob) % size for blob in vectors):
        raise StoreError(f"{catalog}: vectors are not {attributes} x {dimension} float16")
    return Rows(
        model.fingerprint,
        catalog,
        list(ids),
        [len(blob) // size for blob in vectors],
        np.frombuffer(b"".join(vectors), "<f2").reshape(-1, attributes, dimension),
        np.frombuffer(b"".join(visible), "<f4").reshape(-1, attributes),
        list(metadata),
    )


def marks(values: Sequence[object]) -> str:
    """A question mark for each."""
    return ", ".join("?" * len(values))


def _record(model: Model, row: Sequence[Any], images: Sequence[bytes | None] = ()) -> GarmentRecord:
    *columns, created_at, updated_at, further = row
    others = (one[1:] for one in sorted((further or "").split()))  # a place is one digit
    columns[-1] = " ".join((columns[-1], *others))
    stale = columns[2] is None
    return unpack((*columns, created_at, updated_at), model.shape, stale=stale, images=images)
