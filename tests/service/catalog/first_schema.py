"""A catalog folder as the first version of the schema had it."""

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from service.catalog.folder import APPLICATION_ID
from service.catalog.store import GarmentRecord

SCHEMA = """
CREATE TABLE garments (
    number INTEGER PRIMARY KEY,
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    image_sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    metadata TEXT NOT NULL,
    norms BLOB NOT NULL,
    visible BLOB NOT NULL,
    vectors BLOB NOT NULL,
    UNIQUE (catalog, id)
);
CREATE INDEX garments_by_fingerprint ON garments (fingerprint, catalog);
CREATE TABLE images (
    number INTEGER PRIMARY KEY REFERENCES garments (number) ON DELETE CASCADE,
    bytes BLOB NOT NULL
);
"""


def write_first_schema(folder: Path, garments: Sequence[GarmentRecord], fingerprint: str) -> None:
    """Garments of the catalog "shop"."""
    folder.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "catalog.db")) as connection, connection:
        connection.executescript(SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        for number, one in enumerate(garments, 1):
            connection.execute(
                "INSERT INTO garments VALUES (?, 'shop', ?, ?, ?, '2025', '2025', ?, ?, ?, ?)",
                (
                    *(number, one.id, fingerprint, one.image_sha256, json.dumps(one.metadata)),
                    *(a.tobytes() for a in (one.norms, one.visible, one.vectors)),
                ),
            )
            connection.execute("INSERT INTO images VALUES (?, ?)", (number, one.image))
