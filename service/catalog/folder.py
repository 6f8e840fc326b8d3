"""The catalog's folder: who may open it, and what its database must look like.

The lock is the kernel's, on an open file: it ends with the process however that ends, and the
file's being there means nothing.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from service.catalog.store import StoreError, StoreLocked, UnknownSchema

LOCK = "lock"
APPLICATION_ID = 0x4C61706C
"""Marks the file as a catalog: "Lapl"."""
SCHEMA_VERSION = 1
PAGE_BYTES = 8192
"""Holds several garments' vectors; with 4096, a page of 10 x 128 would be a third empty."""

SCHEMA = f"""
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
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


def locked(folder: Path) -> IO[str]:
    """Make the folder if need be and lock it, until the file returned is closed.

    Raises:
        StoreLocked: another process has it.
        StoreError: the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as exc:
        raise StoreError(f"{folder}: {exc.strerror}") from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise StoreLocked(
            f"the catalog in {folder} is open in another process (number {owner}); "
            "stop it, or ask it over HTTP"
        ) from exc
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the schema in a new database, or check that an old one has it.

    Raises:
        UnknownSchema: another version of the program wrote it.
        StoreError: another program wrote it, or it cannot be made durable here.
    """
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program")
    if tables and version != SCHEMA_VERSION:
        raise UnknownSchema(
            f"{path} has schema version {version}; this program knows {SCHEMA_VERSION}"
        )
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL")
    if mode != "wal":
        raise StoreError(f"{path}: the file system allows no write-ahead log, only {mode!r}")
    if not tables:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
