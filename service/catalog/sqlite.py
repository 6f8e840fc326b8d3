"""The source of truth: one SQLite database in one folder, opened by one process at a time.

Write-ahead log with synchronous=FULL: a committed transaction survives the loss of the process and
of power. Images are in a table of their own, so that reading all vectors at start skips them.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from service.catalog.folder import locked, prepare
from service.catalog.rows import Packed, Rows, check_text, is_text, pack, unpack
from service.catalog.store import GarmentRecord, StoreClosed, StoreError

DATABASE = "catalog.db"
LOAD_ROWS = 8192
"""Garments read at a time when opening."""
IDS_PER_STATEMENT = 500

COLUMNS = "id, metadata, vectors, norms, visible, image_sha256, created_at, updated_at, fingerprint"


class Database:
    """The folder, locked from construction to `close`.

    `put`, `delete` and the transactions around them belong to one thread at a time; every other
    method may run in any thread, and sees what was committed before it began.
    """

    def __init__(
        self,
        folder: Path,
        *,
        attributes: int,
        dimension: int,
        fingerprint: str,
        store_images: bool,
    ) -> None:
        """Open or create the database.

        Raises:
            StoreLocked: another process has it.
            UnknownSchema: another version of the program wrote it.
            StoreError: the disk refuses, or the file is damaged or no catalog.
        """
        self.shape = (attributes, dimension)
        self._fingerprint = fingerprint
        self._store_images = store_images
        self._path = folder / DATABASE
        self._connections: list[sqlite3.Connection] = []
        self._own = threading.local()
        self._closed = False
        self._lock = locked(folder)
        try:
            with self._guarded():
                self._writer = self._connect()
                prepare(self._writer, self._path)
        except BaseException:
            self.close()
            raise

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; grave errors end one without being asked to."""
        return self._writer.in_transaction

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on leaving, or undo everything when an exception leaves the block."""
        with self._guarded():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo this part of the transaction alone when an exception leaves the block."""
        with self._guarded():
            self._writer.execute("SAVEPOINT part")
            try:
                yield
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK TO part")
                raise
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("RELEASE part")

    def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> tuple[list[bool], Rows]:
        """Write garments inside a transaction.

        Returns:
            for each, whether it is new; and all of them as the index takes them.

        Raises:
            InvalidGarment: when one of them cannot be stored.
        """
        check_text("catalog", catalog)
        packed = [pack(garment, self.shape) for garment in garments]
        created = [
            self._put(catalog, garment, row) for garment, row in zip(garments, packed, strict=True)
        ]
        return created, Rows(
            catalog,
            [garment.id for garment in garments],
            np.stack([row.vectors for row in packed]),
            np.stack([row.visible for row in packed]),
            [row.metadata for row in packed],
        )

    def delete(self, catalog: str, id: str) -> bool:
        """Remove a garment inside a transaction; False when there was none."""
        if not (is_text(catalog) and is_text(id)):
            return False
        with self._guarded():
            done = self._writer.execute(
                "DELETE FROM garments WHERE catalog = ? AND id = ?", (catalog, id)
            )
            return done.rowcount > 0

    def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """Those of the garments that exist, by id, without images."""
        found: dict[str, GarmentRecord] = {}
        possible = [id for id in ids if is_text(id)]
        for start in range(0, len(possible), IDS_PER_STATEMENT):
            part = possible[start : start + IDS_PER_STATEMENT]
            marks = ", ".join("?" * len(part))
            for row in self._read(
                f"SELECT {COLUMNS} FROM garments WHERE catalog = ? AND id IN ({marks})",
                (catalog, *part),
            ):
                found[row[0]] = self._record(row)
        return found

    def image(self, catalog: str, id: str) -> bytes | None:
        """The original bytes, if they were kept."""
        rows = self._read(
            "SELECT bytes FROM garments JOIN images USING (number) WHERE catalog = ? AND id = ?",
            (catalog, id),
        )
        return rows[0][0] if rows else None

    def page(self, catalog: str, after: str | None, limit: int) -> list[GarmentRecord]:
        """Up to `limit` garments behind `after`, ordered by id, without images."""
        rows = self._read(
            f"SELECT {COLUMNS} FROM garments WHERE catalog = ? AND id > ? ORDER BY id LIMIT ?",
            (catalog, after or "", limit),
        )
        return [self._record(row) for row in rows]

    def catalogs(self) -> dict[str, int]:
        """Garments per catalog."""
        return dict(self._read("SELECT catalog, count(*) FROM garments GROUP BY catalog"))

    def stale(self) -> int:
        """Garments embedded by another model."""
        (count,) = self._read(
            "SELECT count(*) FROM garments WHERE fingerprint <> ?", (self._fingerprint,)
        )[0]
        return int(count)

    def stale_garments(
        self, limit: int, after: tuple[str, str] | None
    ) -> list[tuple[str, GarmentRecord]]:
        """Up to `limit` stale (catalog, garment with image) behind `after`, in that order."""
        rows = self._read(
            f"SELECT {COLUMNS}, bytes, catalog FROM garments LEFT JOIN images USING (number) "
            "WHERE fingerprint <> ? AND (catalog, id) > (?, ?) ORDER BY catalog, id LIMIT ?",
            (self._fingerprint, *(after or ("", "")), limit),
        )
        return [(row[-1], self._record(row[:-2], image=row[-2])) for row in rows]

    def indexed(self) -> dict[str, int]:
        """Garments of the present model per catalog."""
        return dict(
            self._read(
                "SELECT catalog, count(*) FROM garments WHERE fingerprint = ? GROUP BY catalog",
                (self._fingerprint,),
            )
        )

    def load(self) -> Iterator[Rows]:
        """Every garment of the present model, many at a time, in the order of the file.

        Raises:
            StoreError: a garment's vectors have another shape than the model's.
        """
        with self._guarded():
            cursor = self._connection().execute(
                "SELECT catalog, id, vectors, visible, metadata FROM garments "
                "WHERE fingerprint = ? ORDER BY number",
                (self._fingerprint,),
            )
            while chunk := cursor.fetchmany(LOAD_ROWS):
                by_catalog: dict[str, list[tuple[str, bytes, bytes, str]]] = {}
                for catalog, *row in chunk:
                    by_catalog.setdefault(catalog, []).append(tuple(row))
                for catalog, rows in by_catalog.items():
                    yield self._loaded(catalog, rows)

    def close(self) -> None:
        """Close every connection and unlock the folder; calling it again does nothing."""
        self._closed = True
        while self._connections:
            self._connections.pop().close()
        self._lock.close()

    def _loaded(self, catalog: str, rows: Sequence[tuple[str, bytes, bytes, str]]) -> Rows:
        attributes, dimension = self.shape
        ids, vectors, visible, metadata = zip(*rows, strict=True)
        if any(len(blob) != 2 * attributes * dimension for blob in vectors):
            raise StoreError(f"{self._path}: vectors are not {attributes} x {dimension} float16")
        return Rows(
            catalog,
            list(ids),
            np.frombuffer(b"".join(vectors), "<f2").reshape(-1, attributes, dimension),
            np.frombuffer(b"".join(visible), "<f4").reshape(-1, attributes),
            list(metadata),
        )

    def _put(self, catalog: str, garment: GarmentRecord, row: Packed) -> bool:
        with self._guarded():
            known = self._writer.execute(
                "SELECT number, image_sha256 FROM garments WHERE catalog = ? AND id = ?",
                (catalog, garment.id),
            ).fetchone()
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            cursor = self._writer.execute(
                "INSERT INTO garments (catalog, id, created_at, updated_at, fingerprint, "
                "image_sha256, metadata, norms, visible, vectors) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (catalog, id) DO UPDATE SET "
                "updated_at = excluded.updated_at, fingerprint = excluded.fingerprint, "
                "image_sha256 = excluded.image_sha256, metadata = excluded.metadata, "
                "norms = excluded.norms, visible = excluded.visible, vectors = excluded.vectors",
                (
                    *(catalog, garment.id, now, garment.updated_at or now, self._fingerprint),
                    *(garment.image_sha256, row.metadata),
                    *(row.norms.tobytes(), row.visible.tobytes(), row.vectors.tobytes()),
                ),
            )
            number = known[0] if known else cursor.lastrowid
            if known and known[1] != garment.image_sha256:
                self._writer.execute("DELETE FROM images WHERE number = ?", (number,))
            if garment.image is not None and self._store_images:
                self._writer.execute(
                    "INSERT OR IGNORE INTO images VALUES (?, ?)", (number, garment.image)
                )
        return known is None

    def _record(self, row: Sequence[Any], image: bytes | None = None) -> GarmentRecord:
        *columns, fingerprint = row
        return unpack(columns, self.shape, image=image, stale=fingerprint != self._fingerprint)

    def _read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        with self._guarded():
            try:
                return self._connection().execute(statement, values).fetchall()
            except UnicodeEncodeError:
                return []  # a lone surrogate: no stored name can equal it

    def _connection(self) -> sqlite3.Connection:
        """This thread's own."""
        if not hasattr(self._own, "connection"):
            self._own.connection = self._connect()
        connection: sqlite3.Connection = self._own.connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connections.append(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._closed:
            raise StoreClosed(f"the catalog in {self._path.parent} is closed")
        try:
            yield
        except sqlite3.Error as exc:
            raise StoreError(f"{self._path}: {exc}") from exc
