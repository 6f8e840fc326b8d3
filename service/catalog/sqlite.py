"""The source of truth: one SQLite database in one folder, opened by one process at a time.

Write-ahead log with synchronous=FULL: a committed transaction survives the loss of the process and
of power. Images are in tables of their own, so that reading all vectors at start skips them; so
are vectors, of which a garment may have those of several models.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from service.catalog.connections import Connections
from service.catalog.folder import locked
from service.catalog.models import Model
from service.catalog.rows import Packed, Removal, Rows, check_text, is_text, pack
from service.catalog.sqlite_models import StoredModels
from service.catalog.sqlite_reading import IDS_PER_STATEMENT, IndexRow, Reading, loaded, marks
from service.catalog.store import GarmentRecord, Variant
from service.timestamps import now

DATABASE = "catalog.db"

Change = Rows | Removal
"""What an index has to follow."""


class Database:
    """The folder, locked from construction to `close`.

    `put`, `complete` and `delete` belong to the thread that writes, inside its transactions.

    Attributes:
        folder: where it is.
        connections: its transactions.
        reading: its garments.
        models: what it knows of models.
    """

    def __init__(self, folder: Path, *, store_images: bool) -> None:
        """Open or create the database.

        Raises:
            StoreLocked: another process has it.
            UnknownSchema: another version of the program wrote it.
            StoreError: the disk refuses, or the file is damaged or no catalog.
        """
        self.folder = folder
        self._store_images = store_images
        self._lock = locked(folder)
        try:
            self.connections = Connections(folder / DATABASE)
        except BaseException:
            self._lock.close()
            raise
        self.reading = Reading(self.connections)
        self.models = StoredModels(self.connections)
        self._writer = self.connections.writer

    def put(
        self,
        model: Model,
        catalog: str,
        garments: Sequence[GarmentRecord],
        *,
        kept: Collection[str],
        followed: Sequence[Model],
    ) -> tuple[list[bool], list[Change]]:
        """Write garments.

        Args:
            model: made the vectors.
            catalog: where they belong.
            garments: what is written.
            kept: models whose vectors are stored, and stay while the images do; only those of
                `model` when empty.
            followed: models that have an index.

        Returns:
            for each garment, whether it is new; and what the indexes have to follow.

        Raises:
            InvalidGarment: when one of them cannot be stored.
        """
        check_text("catalog", catalog)
        packed = [pack(garment, model.fingerprint, model.shape) for garment in garments]
        with self.connections.guarded():
            created = [
                self._put(catalog, garment, row, kept or {model.fingerprint})
                for garment, row in zip(garments, packed, strict=True)
            ]
        ids = [garment.id for garment in garments]
        return created, [c for one in followed for c in self._changes(one, catalog, ids)]

    def complete(
        self, model: Model, catalog: str, garments: Sequence[GarmentRecord]
    ) -> tuple[list[bool], list[Change]]:
        """Add a model's vectors; see `Catalog.complete`."""
        packed = [pack(garment, model.fingerprint, model.shape) for garment in garments]
        with self.connections.guarded():
            done = [
                self._complete(model.fingerprint, catalog, garment, row)
                for garment, row in zip(garments, packed, strict=True)
            ]
        ids = [garment.id for garment, one in zip(garments, done, strict=True) if one]
        return done, self._changes(model, catalog, ids)

    def delete(self, catalog: str, id: str) -> bool:
        """Remove a garment; False when there was none."""
        if not (is_text(catalog) and is_text(id)):
            return False
        with self.connections.guarded():
            done = self._writer.execute(
                "DELETE FROM garments WHERE catalog = ? AND id = ?", (catalog, id)
            )
            return done.rowcount > 0

    def close(self) -> None:
        """Close every connection and unlock the folder; calling it again does nothing."""
        self.connections.close()
        self._lock.close()

    def _put(
        self, catalog: str, garment: GarmentRecord, row: Packed, kept: Collection[str]
    ) -> bool:
        known, before = self._known(catalog, garment.id)
        moment = now()
        cursor = self._writer.execute(
            "INSERT INTO garments (catalog, id, created_at, updated_at, image_sha256, "
            "metadata) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (catalog, id) DO UPDATE SET "
            "updated_at = excluded.updated_at, image_sha256 = excluded.image_sha256, "
            "metadata = excluded.metadata",
            (
                *(catalog, garment.id, moment, garment.updated_at or moment),
                *(garment.image_sha256, row.metadata),
            ),
        )
        number = cursor.lastrowid if known is None else known
        assert number is not None
        self._put_images(number, garment, before)
        if known is not None:
            stay = tuple(kept) if before == garment.sha256s else ()
            self._writer.execute(
                f"DELETE FROM vectors WHERE number = ? AND fingerprint NOT IN ({marks(stay)})",
                (number, *stay),
            )
        for fingerprint, variant in row.by_model.items():
            if fingerprint in kept:
                self._put_vectors(number, fingerprint, variant)
        return known is None

    def _put_images(self, number: int, garment: GarmentRecord, before: tuple[str, ...]) -> None:
        """Keep the bytes given, and those stored of images that the garment still has."""
        given = garment.images if self._store_images else (None,) * len(garment.images)
        if before == garment.sha256s:
            self._fill_in(number, given)
            return
        held = self._held(number, before[0]) if set(before) & set(garment.sha256s) else {}
        for sha256, data in zip(garment.sha256s, given, strict=True):
            if data is not None:
                held.setdefault(sha256, data)
        if before:
            self._writer.execute("DELETE FROM images WHERE number = ?", (number,))
            self._writer.execute("DELETE FROM further WHERE number = ?", (number,))
        if (main := held.get(garment.image_sha256)) is not None:
            self._writer.execute("INSERT INTO images VALUES (?, ?)", (number, main))
        self._writer.executemany(
            "INSERT INTO further (number, place, image_sha256, bytes) VALUES (?, ?, ?, ?)",
            [
                (number, place, one.image_sha256, held.get(one.image_sha256))
                for place, one in enumerate(garment.further, start=1)
            ],
        )

    def _fill_in(self, number: int, given: Sequence[bytes | None]) -> None:
        """Bytes of images that are the same as before, where they were not kept."""
        for place, data in enumerate(given):
            if data is not None and place == 0:
                self._writer.execute("INSERT OR IGNORE INTO images VALUES (?, ?)", (number, data))
            elif data is not None:
                self._writer.execute(
                    "UPDATE further SET bytes = ? WHERE number = ? AND place = ? AND bytes IS NULL",
                    (data, number, place),
                )

    def _held(self, number: int, main: str) -> dict[str, bytes]:
        """The bytes that are stored of a garment's images, by sha256; `main` is its first's."""
        return dict(
            self._writer.execute(
                "SELECT image_sha256, bytes FROM further WHERE number = ? AND bytes IS NOT NULL "
                "UNION ALL SELECT ?, bytes FROM images WHERE number = ?",
                (number, main, number),
            ).fetchall()
        )

    def _complete(
        self, fingerprint: str, catalog: str, garment: GarmentRecord, row: Packed
    ) -> bool:
        number, before = self._known(catalog, garment.id)
        if number is None or before != garment.sha256s:
            return False
        self._put_vectors(number, fingerprint, row.by_model[fingerprint])
        return True

    def _known(self, catalog: str, id: str) -> tuple[int | None, tuple[str, ...]]:
        """A garment's number and the sha256 of its images, as the transaction has them."""
        known = self._writer.execute(
            "SELECT number, image_sha256 FROM garments WHERE catalog = ? AND id = ?", (catalog, id)
        ).fetchone()
        if known is None:
            return None, ()
        further = self._writer.execute(
            "SELECT image_sha256 FROM further WHERE number = ? ORDER BY place", known[:1]
        )
        return known[0], (known[1], *(sha256 for (sha256,) in further))

    def _put_vectors(self, number: int, fingerprint: str, variant: Variant) -> None:
        arrays = (variant.norms, variant.visible, variant.vectors)
        self._writer.execute(
            "INSERT OR REPLACE INTO vectors (number, fingerprint, norms, visible, vectors) "
            "VALUES (?, ?, ?, ?, ?)",
            (number, fingerprint, *(array.tobytes() for array in arrays)),
        )

    def _changes(self, model: Model, catalog: str, ids: Sequence[str]) -> list[Change]:
        """How a model's index comes to know these garments as they are inside the transaction."""
        found: list[IndexRow] = []
        for start in range(0, len(ids), IDS_PER_STATEMENT):
            part = ids[start : start + IDS_PER_STATEMENT]
            with self.connections.guarded():
                found += self._writer.execute(
                    "SELECT id, vectors, visible, metadata FROM garments "
                    "JOIN vectors USING (number) WHERE fingerprint = ? AND catalog = ? "
                    f"AND id IN ({marks(part)})",
                    (model.fingerprint, catalog, *part),
                ).fetchall()
        changes: list[Change] = []
        if found:
            changes.append(loaded(model, catalog, found))
        if gone := set(ids) - {row[0] for row in found}:
            changes.append(Removal(model.fingerprint, catalog, sorted(gone)))
        return changes
